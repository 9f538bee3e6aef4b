"""Prefix ranges, terms and limits: what they mean and what they refuse."""

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.bgp.model import GRACEFUL_SHUTDOWN, NO_EXPORT, community_text, parse_community
from control.bgp.policy import MaximumPrefixes, NeighborSettings, PrefixRange, Term


def networks() -> st.SearchStrategy[IPv4Network | IPv6Network]:
    """Of few leading bits, so that many lie within each other."""

    def network(version: int, leading: int, length: int) -> IPv4Network | IPv6Network:
        bits = 32 if version == 4 else 128
        return ip_network((leading << (bits - 3), min(length, bits)), strict=False)

    return st.builds(network, st.sampled_from([4, 6]), st.integers(0, 7), st.integers(0, 6))


@given(networks(), networks(), st.integers(0, 8), st.integers(0, 8))
def test_a_range_holds_what_lies_within_and_has_its_length(
    network: IPv4Network | IPv6Network, prefix: IPv4Network | IPv6Network, first: int, more: int
) -> None:
    at_least = network.prefixlen + first
    at_most = at_least + more
    within = network.version == prefix.version and prefix.subnet_of(network)  # type: ignore[arg-type]
    expected = within and at_least <= prefix.prefixlen <= at_most
    assert PrefixRange(str(network), at_least, at_most).holds(str(prefix)) == expected


@pytest.mark.parametrize(
    ("text", "at_least", "at_most"),
    [
        ("10.2.0.0/16", 16, 16),
        ("10.2.0.0/16 le 24", 16, 24),
        ("10.2.0.0/16 ge 20", 20, 32),
        ("10.2.0.0/16 ge 20 le 24", 20, 24),
        ("fd02::/48 ge 64", 64, 128),
    ],
)
def test_ranges_are_written_like_prefix_lists(text: str, at_least: int, at_most: int) -> None:
    assert PrefixRange.parse(text) == PrefixRange(text.split()[0], at_least, at_most)


@pytest.mark.parametrize(
    "text", ["", "10.2.0.0/16 le", "10.2.0.0/16 to 24", "10.2.0.0/16 le x", "10.2.0.1/16"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected (a|an IP) prefix"):
        PrefixRange.parse(text)


def test_communities_are_numbers_or_names() -> None:
    assert parse_community("64512:666") == 64512 << 16 | 666
    assert parse_community("no-export") == NO_EXPORT
    assert community_text(GRACEFUL_SHUTDOWN) == "65535:0"
    for text in ("64512", "64512:65536", "64512:-1", "nonsense", "1:2:3"):
        with pytest.raises(ValueError, match="expected a community"):
            parse_community(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PrefixRange.parse("10.2.0.0/16 ge 24 le 20"),
        lambda: PrefixRange("10.2.0.0/16", 8, 16),
        lambda: PrefixRange("10.2.0.0/16", 16, 33),
        lambda: Term(local_pref=1 << 32),
        lambda: Term(med=-1),
        lambda: Term(prepend=11),
        lambda: Term(add_communities=(1 << 32,)),
        lambda: MaximumPrefixes(0),
        lambda: NeighborSettings(graceful_restart_s=4096),
    ],
)
def test_what_bgp_cannot_carry_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        make()
