"""The decision process of RFC 4271 section 9.1, and what route reflection changes in it (RFC 4456 section 9).

Left out: AS_SETs and confederations, which count otherwise, and comparing MEDs of different ASes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TypeAlias, TypeVar

from control.bgp.model import Origin, PathAttributes

DEFAULT_LOCAL_PREF = 100
_ORIGIN_ORDER = {origin: order for order, origin in enumerate(Origin)}
_Order = TypeVar("_Order", int, bool)


@dataclass(frozen=True, slots=True)
class Path:
    """One way to a prefix, as import policy left it.

    `preference` is its degree of preference (RFC 4271 section 9.1.1), which is also the LOCAL_PREF it has
    within this AS. `internal`: heard from a neighbor in this AS; `router_id` is that neighbor's.
    """

    neighbor: str
    next_hop: str
    attributes: PathAttributes
    preference: int = DEFAULT_LOCAL_PREF
    internal: bool = False
    router_id: str = "0.0.0.0"


Cost: TypeAlias = Callable[[Path], int | None]
"""The interior cost to a path's next hop; None: it cannot be resolved."""


def best_paths(paths: Iterable[Path], cost: Cost) -> tuple[Path, ...]:
    """The paths that share the traffic, the best of them first: that one is advertised.

    They are those that no other is better than before the tie-breaks, whichever AS they come from.
    """
    candidates = [path for path in paths if cost(path) is not None]  # 9.1.2: the next hop is resolvable
    candidates = _lowest(candidates, lambda path: -path.preference)  # 9.1.2: highest degree of preference
    candidates = _lowest(candidates, lambda path: len(path.attributes.as_path))  # 9.1.2.2 a)
    candidates = _lowest(candidates, lambda path: _ORIGIN_ORDER[path.attributes.origin])  # b)
    candidates = _lowest_med(candidates)  # c)
    candidates = _lowest(candidates, lambda path: path.internal)  # d): eBGP over iBGP
    candidates = _lowest(candidates, lambda path: cost(path) or 0)  # e): the nearest next hop
    return tuple(sorted(candidates, key=_tie_breaks))


def _tie_breaks(path: Path) -> tuple[int, int, tuple[int, int]]:
    """9.1.2.2 f) and g): lowest BGP Identifier, then neighbor address.

    RFC 4456 section 9 puts ORIGINATOR_ID in place of the first, and the shorter CLUSTER_LIST between them.
    """
    attributes = path.attributes
    _, identifier = address_order(attributes.originator_id or path.router_id)
    return identifier, len(attributes.cluster_list), address_order(path.neighbor)


def _lowest(paths: list[Path], key: Callable[[Path], _Order]) -> list[Path]:
    if len(paths) < 2:
        return paths
    lowest = min(map(key, paths))
    return [path for path in paths if key(path) == lowest]


def _lowest_med(paths: list[Path]) -> list[Path]:
    """9.1.2.2 c): MEDs count among paths of one neighboring AS, and a missing one is the lowest."""
    lowest: dict[tuple[int, ...], int] = {}
    for path in paths:
        lowest[_neighboring_as(path)] = min(_med(path), lowest.get(_neighboring_as(path), _med(path)))
    return [path for path in paths if _med(path) == lowest[_neighboring_as(path)]]


def _med(path: Path) -> int:
    return path.attributes.med or 0


def _neighboring_as(path: Path) -> tuple[int, ...]:
    """The first AS of the path; empty: this AS, whose own the prefix is."""
    return path.attributes.as_path[:1]


@lru_cache(maxsize=65536)
def address_order(address: str) -> tuple[int, int]:
    """What addresses are sorted by: IPv4 first, then by value."""
    value = ip_address(address)
    return value.version, int(value)
