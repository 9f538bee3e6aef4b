"""Where captured frames are seen, and how the sides of one are told to belong together."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dataplane.captures.memory import CapturePoint, CaptureWire
from dataplane.captures.pcapng import INBOUND, OUTBOUND
from dataplane.captures.places import Places, direction
from dataplane.captures.reader import CapturedFrame
from dataplane.engine import Engine
from dataplane.interface import LinkState
from dataplane.links.link import WIRE_COUNTERS
from dataplane.links.specification import MacsecSpecification
from dataplane.macsec.counters import SLOTS
from tests.capturing import EVERYWHERE
from tests.engine.bench import A_MAC, B_MAC, memory_ports, specification

SCI_A, SCI_B = (A_MAC + b"\0\1").hex(), (B_MAC + b"\0\1").hex()
FIRST_PN = 0x1_FFFF_FFF0
SENT, WIRE, REFUSED, RECEIVED = CapturePoint


@pytest.fixture(scope="module")
def links() -> Iterator[list[LinkState]]:
    """One with an XPN suite that is past its first 2**32 packet numbers, one without, and a plain one."""
    engine = Engine(workers=1)
    xpn = MacsecSpecification(cipher="gcm-aes-xpn-256", next_pn=FIRST_PN)
    for spec in (
        replace(specification(name="xpn"), macsec=xpn),
        specification(name="ch1"),
        specification(macsec=False, name="lan"),
    ):
        engine.add_link(spec, ports=memory_ports())
    yield engine.links()
    engine.close()


def both(state: LinkState) -> list[CaptureWire]:
    return list(state.wires)


def frame(
    point: CapturePoint,
    pn: int | None = None,
    sci: str | None = None,
    wire: int = 0,
    verdict: int = 0,
    dropped: int = 0,
) -> CapturedFrame:
    return CapturedFrame(
        0, wire, point, 60, bytes(60), pn, bytes.fromhex(sci or "") or None, verdict, dropped
    )


def test_each_end_and_each_direction_of_a_wire_is_an_interface(links: list[LinkState]) -> None:
    places = Places(links, both(links[1]), EVERYWHERE)
    assert [each.name for each in places.interfaces] == [
        "ch1 clear a",
        "ch1 wire a->b",
        "ch1 clear b",
        "ch1 wire b->a",
    ]
    seen = {
        (wire, point): (
            places.interfaces[places.interface(frame(point, wire=wire))].name,
            direction(frame(point)),
        )
        for wire in (0, 1)
        for point in CapturePoint
    }
    assert seen == {
        (0, SENT): ("ch1 clear a", OUTBOUND),
        (0, WIRE): ("ch1 wire a->b", OUTBOUND),
        (0, REFUSED): ("ch1 wire a->b", INBOUND),
        (0, RECEIVED): ("ch1 clear b", INBOUND),
        (1, SENT): ("ch1 clear b", OUTBOUND),
        (1, WIRE): ("ch1 wire b->a", OUTBOUND),
        (1, REFUSED): ("ch1 wire b->a", INBOUND),
        (1, RECEIVED): ("ch1 clear a", INBOUND),
    }
    assert places.places_of(0) == [(0, SENT), (1, RECEIVED)]
    one_way = Places(links, [links[1].wires[1]], WIRE | REFUSED)
    assert [each.name for each in one_way.interfaces] == ["ch1 wire b->a"]


def test_a_story_has_what_is_known_and_nothing_else(links: list[LinkState]) -> None:
    places = Places(links, [*both(links[1]), *both(links[2])], EVERYWHERE)
    lost = WIRE_COUNTERS.index("drop_loss")
    refused = WIRE_COUNTERS.index("drop_validate")
    late = SLOTS["InPktsLate"] + 1
    assert places.story(frame(WIRE, 7, SCI_A)).text() == f"sci={SCI_A} pn=7"
    assert places.story(frame(WIRE, 7)).text() == f"sci={SCI_A} pn=7"  # not in the tag: the sender's
    assert places.story(frame(WIRE, 7, SCI_B)).text() == f"sci={SCI_B} pn=7"
    assert places.story(frame(WIRE, 8, SCI_A, dropped=lost)).text() == f"sci={SCI_A} pn=8 dropped=loss"
    assert places.story(frame(REFUSED, 7, SCI_A, verdict=late, dropped=refused)).text() == (
        f"sci={SCI_A} pn=7 verdict=InPktsLate dropped=validate"
    )
    assert places.story(frame(SENT, wire=2)).text() == ""
    assert places.story(frame(WIRE, wire=2, dropped=lost)).text() == "dropped=loss"


def test_xpn_packet_numbers_are_told_whole(links: list[LinkState]) -> None:
    places = Places(links, both(links[0]), EVERYWHERE)
    sent = [FIRST_PN + 3, FIRST_PN, FIRST_PN + 15, FIRST_PN + 17, FIRST_PN + 16, FIRST_PN + 40]
    assert [places.story(frame(WIRE, pn & 0xFFFFFFFF, SCI_A)).pn for pn in sent] == sent
    assert places.story(frame(WIRE, 5, SCI_B)).pn == 5  # a stranger's, whose numbers nobody knows
    assert places.story(frame(WIRE, 5, SCI_B, wire=1)).pn == 0x2_0000_0005
