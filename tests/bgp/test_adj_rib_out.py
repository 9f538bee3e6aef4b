"""The Adj-RIB-Out that we give ExaBGP: whatever happens, the neighbor ends up with what was announced."""

from collections.abc import Sequence
from typing import Any

import pytest
from exabgp.bgp.message import Action  # type: ignore[import-untyped]
from exabgp.bgp.message.direction import Direction  # type: ignore[import-untyped]
from exabgp.bgp.message.open.asn import ASN  # type: ignore[import-untyped]
from exabgp.bgp.message.open.capability.negotiated import Negotiated  # type: ignore[import-untyped]
from exabgp.bgp.message.update.attribute import (  # type: ignore[import-untyped]
    Attribute,
    Attributes,
    NextHop,
    Origin,
)
from exabgp.bgp.message.update.attribute.aspath import (  # type: ignore[import-untyped]
    SEQUENCE,
    ASPath,
)
from exabgp.bgp.neighbor import Neighbor  # type: ignore[import-untyped]
from exabgp.protocol.family import AFI, SAFI  # type: ignore[import-untyped]
from exabgp.rib import RIB  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

import control.bgp.exabgp  # noqa: F401 - gives ExaBGP our Adj-RIB-Out
from control.bgp.adj_rib_out import AdjRibOut, Announcement, nlri
from control.bgp.received import EXABGPS_OWN

FAMILIES = ((AFI.ipv4, SAFI.unicast), (AFI.ipv6, SAFI.unicast))
HOPS = {AFI.ipv4: "169.254.0.1", AFI.ipv6: "fd00:169::1"}
PREFIXES = {
    AFI.ipv4: ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.1.2.0/23", "10.1.2.3/32"],
    AFI.ipv6: ["::/0", "fd00::/8", "2001:db8::/32", "2001:db8::/33", "2001:db8::1/128"],
}


class Receiver:
    """The far end of a session, by ExaBGP's own parser."""

    def __init__(self, family: tuple[Any, Any]) -> None:
        self.negotiated = Negotiated(Neighbor())
        self.negotiated.families = [family]
        self.negotiated.local_as, self.negotiated.peer_as, self.negotiated.asn4 = 64512, 64513, True
        self.routes: dict[str, tuple[int, str]] = {}
        self.octets: list[int] = []

    def take(self, table: AdjRibOut, include_withdraw: bool) -> None:
        """Everything that is pending: prefix by prefix the neighboring AS and the next hop."""
        for update in table.updates(True):
            for message in update.messages(self.negotiated, include_withdraw):
                self.octets.append(len(message))
                self._read(EXABGPS_OWN(message[19:], Direction.IN, self.negotiated))

    def _read(self, update: Any) -> None:  # noqa: ANN401 - untyped
        for entry in update.nlris:
            if entry.action == Action.WITHDRAW:
                self.routes.pop(entry.cidr.prefix(), None)
            else:
                first = update.attributes[Attribute.CODE.AS_PATH].aspath[0][0]
                self.routes[entry.cidr.prefix()] = int(first), str(entry.nexthop)


def announcement(afi: object, asn: int) -> Announcement:
    attributes = Attributes()
    attributes.add(Origin(Origin.IGP))
    attributes.add(ASPath([SEQUENCE([ASN(asn)])]))
    hop = NextHop(HOPS[afi])
    attributes.add(hop)
    return Announcement(attributes, hop.ton())


def table_of(family: tuple[Any, Any], name: str = "one") -> AdjRibOut:
    table = RIB(name, False, True, [family]).outgoing
    assert isinstance(table, AdjRibOut)
    table.clear()
    return table


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from((1, 2)), st.sets(st.integers(0, 4), min_size=1)),
        st.tuples(st.just("withdraw"), st.sets(st.integers(0, 4), min_size=1)),
        st.tuples(st.sampled_from(("send", "lose", "reload", "flush")), st.just(frozenset[int]())),
    ),
    max_size=12,
)


@pytest.mark.parametrize("family", FAMILIES, ids=("ipv4", "ipv6"))
@given(steps=STEPS)
def test_the_neighbor_knows_what_was_announced_last(
    family: tuple[Any, Any], steps: Sequence[tuple[int | str, set[int]]]
) -> None:
    afi = family[0]
    table, receiver = table_of(family), Receiver(family)
    ways = {asn: announcement(afi, asn) for asn in (1, 2)}
    wanted: dict[str, tuple[int, str]] = {}
    for what, numbers in steps:
        prefixes = [PREFIXES[afi][number] for number in sorted(numbers)]
        match what:
            case int():
                table.announce(ways[what], map(nlri, prefixes))
                wanted.update(dict.fromkeys(prefixes, (what, HOPS[afi])))
            case "withdraw":
                table.withdraw(map(nlri, prefixes))
                for prefix in prefixes:
                    wanted.pop(prefix, None)
            case "send":
                receiver.take(table, True)
            case "lose":  # and the session comes back
                table.reset()
                receiver.routes = {}
                table.replace_restart([], [])
                receiver.take(table, False)
                assert receiver.routes == wanted
            case "reload":
                assert table is RIB("one", False, True, [family]).outgoing
            case "flush":
                table.resend(False)
    receiver.take(table, True)
    assert receiver.routes == wanted
    assert not table.pending()


@pytest.mark.parametrize("family", FAMILIES, ids=("ipv4", "ipv6"))
def test_what_is_told_again_is_not_sent_and_messages_are_as_long_as_may_be(family: tuple[Any, Any]) -> None:
    afi = family[0]
    table, receiver = table_of(family), Receiver(family)
    way = announcement(afi, 1)
    many = [
        f"20.{n >> 8}.{n & 255}.0/24" if afi == AFI.ipv4 else f"2001:db8:{n:x}::/48" for n in range(1, 5001)
    ]
    table.announce(way, map(nlri, many))
    receiver.take(table, False)
    assert receiver.routes.keys() == set(many)
    *full, last = receiver.octets
    assert full
    assert all(4096 - 8 <= octets <= 4096 for octets in full)
    assert last <= 4096
    table.announce(way, map(nlri, many))
    table.withdraw([nlri(PREFIXES[afi][1])])
    assert not table.pending()
    receiver.octets.clear()
    table.withdraw(map(nlri, many))
    receiver.take(table, True)
    assert receiver.routes == {}
    assert max(receiver.octets) <= 4096
