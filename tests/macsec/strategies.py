"""Hypothesis strategies for what a SecY is configured with, what it holds and what it meets."""

from hypothesis import strategies as st

from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import DUPLICATE_WINDOW_LIMIT, SecYConfig, ValidateFrames
from dataplane.macsec.suites import CIPHER_SUITES, CipherSuite

MACS = tuple(bytes([2, 0, 0, 0, 0, number]) for number in range(3))
OWN_SCI = MACS[0] + b"\0\1"
BYPASS = 0x88CC

_MODES = [*ValidateFrames, ValidateFrames.CHECK, ValidateFrames.STRICT, ValidateFrames.STRICT]

suites = st.sampled_from(list(CIPHER_SUITES.values()))
ans = st.integers(0, 3)
scis = st.builds(
    lambda mac, port: mac + port, st.sampled_from(MACS), st.sampled_from([b"\0\1", b"\0\0", b"\0\2"])
)
"""Few, and among them those that ES and SCB stand for."""


def packet_numbers(suite: CipherSuite) -> st.SearchStrategy[int]:
    """Those at which something happens: the first, the last, and where half of the bits turn round."""
    places = [1, 1 << 31, suite.pn_end - 6]
    if suite.xpn:
        places += [(1 << 32) - 6, (7 << 32) + (1 << 31) - 3, (8 << 32) - 3]
    return st.sampled_from(places).flatmap(lambda place: st.integers(place, place + 5))


def saks(suite: CipherSuite, keys: st.SearchStrategy[bytes] | None = None) -> st.SearchStrategy[Sak]:
    """Any SAK of the suite; `keys` draws what its key is made of."""
    return st.builds(
        Sak,
        key=(st.binary(min_size=1, max_size=4) if keys is None else keys).map(
            lambda seed: (seed * 32)[: suite.sak_octets]
        ),
        salt=st.sampled_from([bytes(12), bytes(range(12))] if suite.xpn else [b""]),
        encrypt=st.booleans(),
        confidentiality_offset=st.just(0) if suite.xpn else st.sampled_from([0, 30, 50]),
    )


def sscis(suite: CipherSuite) -> st.SearchStrategy[int | None]:
    """An SSCI where the suite has one."""
    return st.integers(1, 3) | st.just(2**32 - 1) if suite.xpn else st.none()


@st.composite
def configs(draw: st.DrawFn, suite: CipherSuite) -> SecYConfig:
    """Any parameters that go together."""
    window = draw(st.sampled_from([0, 1, 5, 63, 64, DUPLICATE_WINDOW_LIMIT, suite.replay_window_limit]))
    replay_protect = draw(st.booleans() | st.just(True))
    return SecYConfig(
        OWN_SCI,
        cipher=suite.name,
        validate_frames=draw(st.sampled_from(_MODES)),
        protect_frames=draw(st.booleans() | st.just(True)),
        replay_protect=replay_protect,
        replay_window=window,
        detect_duplicates=replay_protect and window <= DUPLICATE_WINDOW_LIMIT and draw(st.booleans()),
        always_include_sci=draw(st.booleans()),
        use_es=draw(st.booleans()),
        use_scb=draw(st.booleans()),
        clear_tags=draw(st.integers(0, 2)),
        bypass=draw(st.sampled_from([(), (BYPASS,), (BYPASS, 0x8100)])),
        mtu=draw(st.none() | st.sampled_from([1, 60, 1500])),
    )


@st.composite
def frames(draw: st.DrawFn, max_octets: int = 140, source: bytes | None = None) -> bytes:
    """Any Ethernet frame, often with VLAN tags or an EtherType that means something; `source` its address."""
    addresses = draw(st.binary(min_size=6, max_size=6)) + (source or draw(st.sampled_from(MACS)))
    tags = draw(st.lists(st.sampled_from([b"\x81\0\0\7", b"\x88\xa8\0\5"]), max_size=3))
    ethertype = draw(
        st.sampled_from([b"\x08\0", b"\x88\xb5", b"\x88\xe5", b"\x88\xcc", b"\x88\x8e", b"\x81\0"])
    )
    return addresses + b"".join(tags) + ethertype + draw(st.binary(max_size=max_octets))
