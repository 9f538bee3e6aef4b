"""Flows: what is refused, how they fan out, and the sockets they get."""

import socket
from contextlib import ExitStack
from dataclasses import replace

import pytest

from dataplane.probes.flows import Flow, open_receivers, open_senders

FLOW = Flow(7, "a-b", 4, None, "127.0.0.1", None, "127.0.0.1", 24000, 25000)


def test_a_fan_has_distinct_ids_and_source_ports_and_one_destination() -> None:
    flows = FLOW.fan(64)
    assert [flow.id for flow in flows] == list(range(7, 71))
    assert [flow.source_port for flow in flows] == list(range(24000, 24064))
    assert {(flow.destination_address, flow.destination_port) for flow in flows} == {("127.0.0.1", 25000)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": 6}, "flow 7: 127.0.0.1 is not an IPv6 address"),
        ({"source_address": "::1"}, "flow 7: ::1 is not an IPv4 address"),
        ({"source_address": "localhost"}, "'localhost' does not appear to be an IPv4 or IPv6 address"),
        ({"source_port": 0}, "flow 7: port 0, expected 1 to 65535"),
        ({"destination_port": 65536}, "flow 7: port 65536, expected 1 to 65535"),
        ({"id": -1}, "flow id -1: expected 0 to 65535"),
    ],
)
def test_a_flow_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FLOW, **changes)  # type: ignore[arg-type]


def test_a_fan_that_runs_out_of_ports_is_refused() -> None:
    with pytest.raises(ValueError, match="flow 41543: port 65536, expected 1 to 65535"):
        FLOW.fan(50000)


def test_senders_are_connected_from_their_own_port_and_receivers_are_shared() -> None:
    flows = FLOW.fan(3)
    with ExitStack() as opened:
        (receiver,) = open_receivers(flows, opened)
        senders = open_senders(flows, opened)
        assert [sender.getsockname() for sender in senders] == [
            ("127.0.0.1", 24000),
            ("127.0.0.1", 24001),
            ("127.0.0.1", 24002),
        ]
        assert {sender.getpeername() for sender in senders} == {receiver.getsockname()}
    assert [opened_socket.fileno() for opened_socket in [receiver, *senders]] == [-1] * 4


def test_a_port_in_use_names_the_flow() -> None:
    with ExitStack() as opened, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as occupier:
        occupier.bind(("127.0.0.1", 24000))
        with pytest.raises(OSError, match=r"flow 7, 127.0.0.1 port 24000 to .*: Address already in use"):
            open_senders([FLOW], opened)


def test_a_missing_namespace_is_named() -> None:
    flow = Flow(7, "a-b", 4, None, "127.0.0.1", "probes-none", "127.0.0.1", 24000, 25000)
    with ExitStack() as opened, pytest.raises(FileNotFoundError, match="no network namespace probes-none"):
        open_receivers([flow], opened)
