"""What there is on the machine that a lab could have made or touched, to compare before and after."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from netns_lab.directory import RUN_DIRECTORY

from dataplane.namespace import NAMESPACE_DIRECTORY
from tests.lab.harness import processes_of

CONFIGURATION = (
    ("link", "show"),
    ("address", "show"),
    *((family, "route", "show", "table", "all") for family in ("-4", "-6")),
    *((family, "rule", "show") for family in ("-4", "-6")),
    ("nexthop", "show"),
)
"""What ip(8) tells of the network of the machine itself."""


def machine_state(name: str) -> set[str]:
    """Namespaces, mounts, the machine's own network; of the lab of that name files, sockets, processes."""
    places = {RUN_DIRECTORY / name, *RUN_DIRECTORY.glob(f".{name}.*")}
    sockets = Path("/proc/net/unix").read_text().splitlines()
    return {
        *_namespaces(),
        *_mounts(),
        *(f"{' '.join(words)}: {line}" for words in CONFIGURATION for line in _ip(*words)),
        *(f"file {path}" for place in places if place.exists() for path in (place, *place.rglob("*"))),
        *(f"socket {line}" for line in sockets if f"{RUN_DIRECTORY / name}/" in line),
        *(f"process {pid}" for pid in processes_of(name)),
    }


def _namespaces() -> Iterator[str]:
    if NAMESPACE_DIRECTORY.exists():
        for path in NAMESPACE_DIRECTORY.iterdir():
            yield f"{path.name} in {NAMESPACE_DIRECTORY}: inode {path.lstat().st_ino}"


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        _, _, device, root, place, *_ = line.split()
        yield f"mount {device} {root} on {place}"


def _ip(*words: str) -> list[str]:
    return subprocess.run(
        ["ip", "-o", *words], check=True, capture_output=True, text=True
    ).stdout.splitlines()
