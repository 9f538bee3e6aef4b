"""Probe frames between two devices over AF_XDP: what is on the wire, what arrives, what is refused."""

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from dataplane.probes.flows import Flow
from dataplane.probes.frames import FrameSession, headers
from dataplane.probes.load import Load

FLOW = Flow(0, "l-r", 4, "left", "10.99.0.1", "right", "10.99.0.2", 22400, 23400)
LOAD = Load(packets_per_s=20_000, size_octets=18, duration_s=0.1)


def test_headers_are_those_of_a_frame_of_60_octets() -> None:
    frame = Ether(headers(FLOW, 18) + bytes(18))
    assert len(frame) == 60
    assert (frame[IP].src, frame[IP].dst, frame[IP].len) == ("10.99.0.1", "10.99.0.2", 46)
    assert (frame[UDP].sport, frame[UDP].dport, frame[UDP].len, frame[UDP].chksum) == (22400, 23400, 26, 0)
    written = frame[IP].chksum
    del frame[IP].chksum
    assert Ether(frame.build())[IP].chksum == written


@pytest.mark.lab
def test_every_frame_arrives(veth: tuple[str, str]) -> None:
    left, right = veth
    flow = Flow(0, "l-r", 4, left, "10.99.0.1", right, "10.99.0.2", 22400, 23400)
    with FrameSession(flow, ("probe0", "probe0"), LOAD) as session:
        assert session.wait(20)
        statistics = session.stop()
    (way,) = statistics.ways
    assert (way.sent, way.received, way.duplicates, way.reordered) == (2000, 2000, 0, 0)
    assert way.latency.total == 2000
    assert (statistics.malformed, statistics.receive_errors) == (0, 0)
    assert statistics.sender_cpu_s > 0


@pytest.mark.lab
def test_a_session_ends_early_when_it_is_stopped(veth: tuple[str, str]) -> None:
    left, right = veth
    flow = Flow(0, "l-r", 4, left, "10.99.0.1", right, "10.99.0.2", 22400, 23400)
    with FrameSession(
        flow, ("probe0", "probe0"), Load(packets_per_s=1000, size_octets=18, duration_s=60)
    ) as session:
        while session.statistics().ways[0].received < 10:
            assert not session.wait(0.01)
        (way,) = session.stop().ways
    assert way.lost == 0
    assert 10 <= way.sent < 60_000


@pytest.mark.lab
def test_a_device_that_is_not_there_is_refused(veth: tuple[str, str]) -> None:
    left, right = veth
    flow = Flow(0, "l-r", 4, left, "10.99.0.1", right, "10.99.0.2", 22400, 23400)
    with pytest.raises(OSError, match=f"no interface probe7 in namespace {right}"):
        FrameSession(flow, ("probe0", "probe7"), LOAD).start()


def test_what_cannot_be_is_refused() -> None:
    beyond = Load(packets_per_s=1, size_octets=1473, duration_s=1)
    with pytest.raises(ValueError, match="frames: expected at most 1472 octets, no trains"):
        FrameSession(FLOW, ("a", "b"), beyond)
    with pytest.raises(ValueError, match="expected IPv4 between two namespaces"):
        FrameSession(Flow(0, "l-r", 6, "l", "::1", "r", "::2", 1, 1), ("a", "b"), LOAD)
