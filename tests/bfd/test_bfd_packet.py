"""The BFD Control packet: against scapy's, and every check that needs no session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.bfd import BFD

from control.bfd.packet import ControlPacket, DecodeError, State

numbers = st.integers(0, 2**32 - 1)
names = st.integers(1, 2**32 - 1)


@st.composite
def packets(draw: st.DrawFn) -> ControlPacket:
    state = draw(st.sampled_from(State))
    unknown = state in (State.DOWN, State.ADMIN_DOWN) and draw(st.booleans())
    poll = draw(st.booleans())
    return ControlPacket(
        state,
        diagnostic=draw(st.integers(0, 31)),
        multiplier=draw(st.integers(1, 255)),
        my_discriminator=draw(names),
        your_discriminator=0 if unknown else draw(names),
        desired_min_tx_us=draw(numbers),
        required_min_rx_us=draw(numbers),
        required_min_echo_rx_us=draw(numbers),
        poll=poll,
        final=not poll and draw(st.booleans()),
        control_plane_independent=draw(st.booleans()),
        demand=draw(st.booleans()),
    )


def by_scapy(packet: ControlPacket) -> bytes:
    flags = {"P": packet.poll, "F": packet.final, "C": packet.control_plane_independent, "D": packet.demand}
    return bytes(
        BFD(
            diag=packet.diagnostic,
            sta=int(packet.state),
            flags="".join(flag for flag, is_set in flags.items() if is_set),
            detect_mult=packet.multiplier,
            my_discriminator=packet.my_discriminator,
            your_discriminator=packet.your_discriminator,
            min_tx_interval=packet.desired_min_tx_us,
            min_rx_interval=packet.required_min_rx_us,
            echo_rx_interval=packet.required_min_echo_rx_us,
        )
    )


@given(packets(), st.binary(max_size=10))
def test_scapy_writes_and_this_reads_the_same_packet(packet: ControlPacket, behind: bytes) -> None:
    assert packet.encode() == by_scapy(packet)
    assert ControlPacket.decode(packet.encode() + behind) == packet


GOOD = "20 40 03 18 00000001 00000000 000f4240 0000c350 00000000"


@pytest.mark.parametrize(
    ("why", "octets"),
    [
        ("23 octets", GOOD[:-2]),
        ("version 0", "00" + GOOD[2:]),
        ("version 2", "40" + GOOD[2:]),
        ("Length 23 ", "20 40 03 17" + GOOD[11:]),
        ("Length 25 ", "20 40 03 19" + GOOD[11:]),
        ("A is set", "20 44 03 18" + GOOD[11:]),
        ("M is set", "20 41 03 18" + GOOD[11:]),
        ("P and F are set", "20 70 03 18" + GOOD[11:]),
        ("Detect Mult 0", "20 40 00 18" + GOOD[11:]),
        ("My Discriminator 0", "20 40 03 18 00000000" + GOOD[20:]),
        ("Your Discriminator 0 in state INIT", "20 80 03 18" + GOOD[11:]),
        ("Your Discriminator 0 in state UP", "20 c0 03 18" + GOOD[11:]),
    ],
)
def test_a_packet_that_every_session_discards(why: str, octets: str) -> None:
    ControlPacket.decode(bytes.fromhex(GOOD))
    with pytest.raises(DecodeError, match=f"^{why}"):
        ControlPacket.decode(bytes.fromhex(octets))


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: bytes.fromhex(GOOD)[:4] + rest))
def test_any_octets_decode_or_raise_decode_error(octets: bytes) -> None:
    try:
        packet = ControlPacket.decode(octets)
    except DecodeError:
        return
    # Length is what the packet is written with, M and the room that A had are clear.
    assert packet.encode()[4:] == octets[4:24]
    assert packet.encode()[:3] == octets[:3]
