"""What every benchmark is run with: whom it tells how far it is, and which of its parts are wanted."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from netns_lab.directory import LabError

Say = Callable[[str], None]
Part = TypeVar("Part")


def chosen(benchmark: str, parts: Mapping[str, Part], only: Sequence[str]) -> dict[str, Part]:
    """The parts in `only`, or all of them, in their own order. LabError where there is no such part."""
    if unknown := sorted(set(only) - set(parts)):
        raise LabError(f"bench {benchmark} has no part {unknown[0]}; its parts are {', '.join(parts)}")
    return {name: part for name, part in parts.items() if not only or name in only}
