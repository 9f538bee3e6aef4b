"""Which frames are traffic: of these none may be on its way when a link is cut for maintenance."""

import pytest
from netns_lab.faults.traffic import is_control

MACS = bytes(12)


def ipv4(protocol: int, payload: bytes) -> bytes:
    return MACS + bytes.fromhex("080045") + bytes(8) + bytes((protocol,)) + bytes(10) + payload


def ports(source: int, destination: int) -> bytes:
    return source.to_bytes(2, "big") + destination.to_bytes(2, "big") + bytes(16)


@pytest.mark.parametrize(
    ("frame", "control"),
    [
        (MACS + bytes.fromhex("0806") + bytes(28), True),
        (ipv4(6, ports(179, 40000)), True),
        (ipv4(6, ports(40000, 179)), True),
        (ipv4(6, ports(40000, 80)), False),
        (ipv4(17, ports(49152, 3784)), True),
        (ipv4(17, ports(3784, 53)), False),
        (ipv4(1, bytes(8)), False),
        (ipv4(2, bytes(8)), True),
        (ipv4(6, b""), False),
    ],
)
def test_bgp_bfd_and_who_is_on_the_link_are_no_traffic(frame: bytes, control: bool) -> None:
    assert is_control(frame) is control


@pytest.mark.parametrize(
    ("next_header", "payload", "control"),
    [
        (58, bytes((135,)), True),
        (58, bytes((128,)), False),
        (0, bytes(8), True),
        (6, ports(179, 1), True),
        (17, ports(1, 2), False),
    ],
)
def test_the_same_over_ipv6(next_header: int, payload: bytes, control: bool) -> None:
    frame = MACS + bytes.fromhex("86dd") + bytes(6) + bytes((next_header,)) + bytes(33) + payload
    assert is_control(frame) is control
