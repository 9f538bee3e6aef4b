"""A lab too large for the machine's neighbor tables is told so, with the command that helps."""

from pathlib import Path

from netns_lab.neighbor_tables import LIMITS, shortages
from netns_lab.planning import plan_lab
from netns_lab.templates import star
from netns_lab.topology import parse_topology

PLAN = plan_lab(parse_topology(star("s", 50)), bytes)


def limits(root: Path, *values: int) -> Path:
    for name, value in zip(LIMITS, values, strict=False):
        path = root / name.replace(".", "/")
        path.parent.mkdir(parents=True)
        path.write_text(f"{value}\n")
    return root


def test_a_lab_that_fits_is_not_warned_of(tmp_path: Path) -> None:
    assert shortages(PLAN, limits(tmp_path, 100, 100)) == []


def test_each_table_that_is_too_small_is_named_with_what_helps(tmp_path: Path) -> None:
    (sentence,) = shortages(PLAN, limits(tmp_path, 100, 99))
    assert "up to 100 neighbors" in sentence
    assert "`sysctl -w net.ipv6.neigh.default.gc_thresh3=200`" in sentence


def test_a_limit_that_cannot_be_seen_is_no_shortage(tmp_path: Path) -> None:
    assert shortages(PLAN, tmp_path) == []
