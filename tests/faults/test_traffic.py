"""Which frames are traffic: of these none may be on its way when a link is cut for maintenance."""

import asyncio
import time
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from netns_lab.faults import traffic
from netns_lab.faults.traffic import QUIET_POLLS, is_control, left_over

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


def test_a_machine_that_stands_still_does_not_make_traffic_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers read what waits in the devices of routers only after everybody goes on."""
    now_s, polls = 0.0, 0

    async def pause(_: float) -> None:
        nonlocal now_s, polls
        now_s, polls = now_s + 1.0, polls + 1

    def read() -> list[SimpleNamespace]:
        frame = SimpleNamespace(wire=0, data=ipv4(17, ports(1, 2)))
        return [frame] if polls in (3, 4) else []

    memory = SimpleNamespace(id=1, wires=[SimpleNamespace(link="ch1")])
    engine = MagicMock(**{"links.return_value": [], "start_capture.return_value": memory})
    monkeypatch.setattr(traffic, "CaptureReader", lambda _: SimpleNamespace(read=read))
    monkeypatch.setattr(asyncio, "sleep", pause)
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    assert asyncio.run(left_over(engine, np.zeros(0, np.uint64), ["ch1"], 100.0)) is None
    assert polls == 4 + QUIET_POLLS
