"""What one neighbor may tell and be told: terms of import and export policy, and limits.

Terms are tried in order and the first that matches decides; a path that none matches is accepted unchanged.
"""

import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from control.bgp.model import DecodeError, PathAttributes, canonical_prefix

MAXIMUM_32_BIT = 0xFFFFFFFF
MAXIMUM_PREPENDING = 10
MAXIMUM_RESTART_TIME_S = 4095
"""Restart Time has 12 bits (RFC 4724 section 3)."""


@dataclass(frozen=True, slots=True)
class PrefixRange:
    """Prefixes inside `network` with a length from `at_least` to `at_most` bits. Raises ValueError."""

    network: str
    at_least: int
    at_most: int

    def __post_init__(self) -> None:
        if canonical_prefix(self.network) != self.network:
            raise ValueError(f"expected {canonical_prefix(self.network)}, found {self.network}")
        length, bits = _length(self.network), 128 if ":" in self.network else 32
        if not length <= self.at_least <= self.at_most <= bits:
            raise ValueError(
                f"expected lengths of {length} to {bits} in order for {self.network}, "
                f"found {self.at_least} to {self.at_most}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """As prefix lists are written: `PREFIX [ge LENGTH] [le LENGTH]`; the prefix alone is only itself.

        Raises ValueError.
        """
        words = text.split()
        try:
            network = canonical_prefix(words[0])
            at_least = at_most = _length(network)
            bounds = dict(zip(words[1::2], map(int, words[2::2]), strict=True))
            if "ge" in bounds:
                at_least, at_most = bounds.pop("ge"), 128 if ":" in network else 32
            at_most = bounds.pop("le", at_most)
        except DecodeError:
            raise
        except (IndexError, ValueError):
            bounds = {text: 0}
        if bounds:
            raise ValueError(f"expected a prefix like 10.2.0.0/16 le 24, found {text[:60]!r}")
        return cls(network, at_least, at_most)

    def __str__(self) -> str:
        length = _length(self.network)
        least = f" ge {self.at_least}" if self.at_least > length else ""
        return f"{self.network}{least} le {self.at_most}" if self.at_most > length else self.network

    def holds(self, prefix: str) -> bool:
        """Whether a canonical prefix is in the range."""
        return self.at_least <= _length(prefix) <= self.at_most and _within(prefix, self.network)


@dataclass(frozen=True, slots=True)
class Term:
    """One rule: what it matches, and what becomes of a path that it matches. Raises ValueError.

    A path matches when its prefix is in one of `prefixes` and it carries every one of `communities`, 32-bit
    values; empty, they match all. An accepted path has `local_pref` and `med` set where they are given, its
    communities removed and then added, and `prepend` times the AS that is nearest: on import the neighbor's,
    on export this router's own.
    """

    prefixes: tuple[PrefixRange, ...] = ()
    communities: tuple[int, ...] = ()
    accept: bool = True
    local_pref: int | None = None
    med: int | None = None
    prepend: int = 0
    add_communities: tuple[int, ...] = ()
    remove_communities: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("local preference", self.local_pref), ("MED", self.med)):
            if value is not None and not 0 <= value <= MAXIMUM_32_BIT:
                raise ValueError(f"expected a {name} of 0 to {MAXIMUM_32_BIT}, found {value}")
        if not 0 <= self.prepend <= MAXIMUM_PREPENDING:
            raise ValueError(f"expected prepending of 0 to {MAXIMUM_PREPENDING}, found {self.prepend}")
        for community in (*self.communities, *self.add_communities, *self.remove_communities):
            if not 0 <= community <= MAXIMUM_32_BIT:
                raise ValueError(f"expected a community of 32 bits, found {community}")

    def matches(self, prefix: str, communities: Collection[int]) -> bool:
        """Whether the term is for a path to `prefix` that carries `communities`."""
        return all(community in communities for community in self.communities) and (
            not self.prefixes or any(permitted.holds(prefix) for permitted in self.prefixes)
        )

    def applied(self, attributes: PathAttributes, nearest_asn: int) -> PathAttributes | None:
        """What becomes of the attributes; None: the path is rejected."""
        if not self.accept:
            return None
        kept = [value for value in attributes.communities if value not in self.remove_communities]
        return replace(
            attributes,
            as_path=(nearest_asn,) * self.prepend + attributes.as_path,
            local_pref=attributes.local_pref if self.local_pref is None else self.local_pref,
            med=attributes.med if self.med is None else self.med,
            communities=tuple(dict.fromkeys([*kept, *self.add_communities])),
        )


UNCHANGED = Term()
"""For what no other term matches."""


def by_term(
    terms: Sequence[Term], communities: Collection[int], prefixes: Sequence[str]
) -> Iterator[tuple[Term, Sequence[str]]]:
    """The prefixes of paths that are alike, by the first term that matches each."""
    for term in terms:
        matched = [prefix for prefix in prefixes if term.matches(prefix, communities)]
        if matched:
            yield term, matched
            taken = set(matched)
            prefixes = [prefix for prefix in prefixes if prefix not in taken]
    if prefixes:
        yield UNCHANGED, prefixes


class LimitAction(StrEnum):
    """What to do about more prefixes than were agreed."""

    WARN = "warn"
    DISCARD = "discard"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class MaximumPrefixes:
    """How many prefixes one session may bring, before import policy but for loops (RFC 4486, section 4).

    Above it: take them and say so once; leave out what is above until others are withdrawn; or end the
    session with Cease subcode 1 and let it not come back by itself. Raises ValueError.
    """

    count: int
    action: LimitAction = LimitAction.SHUTDOWN

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"expected at least one prefix as the maximum, found {self.count}")


@dataclass(frozen=True, slots=True)
class NeighborSettings:
    """How this router treats one neighbor.

    `next_hop_self` and `route_reflector_client` (RFC 4456) are for iBGP. `graceful_restart_s` is for how long
    the neighbor is asked to keep this router's paths while it restarts (RFC 4724), as this router does for
    the time that the neighbor asks for; 0: neither. Raises ValueError.
    """

    import_terms: tuple[Term, ...] = ()
    export_terms: tuple[Term, ...] = ()
    maximum_prefixes: MaximumPrefixes | None = None
    next_hop_self: bool = False
    route_reflector_client: bool = False
    graceful_restart_s: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.graceful_restart_s <= MAXIMUM_RESTART_TIME_S:
            raise ValueError(
                f"expected a graceful restart of 0 to {MAXIMUM_RESTART_TIME_S} s, "
                f"found {self.graceful_restart_s}"
            )


def _length(prefix: str) -> int:
    return int(prefix.partition("/")[2])


def _within(prefix: str, network: str) -> bool:
    if (":" in prefix) != (":" in network):
        return False
    version, bits = (socket.AF_INET6, 128) if ":" in prefix else (socket.AF_INET, 32)
    inner, outer = (
        int.from_bytes(socket.inet_pton(version, text.partition("/")[0])) for text in (prefix, network)
    )
    return (inner ^ outer) >> (bits - _length(network)) == 0
