"""What could be mistaken for a lab's: things of the same names and places that somebody else made."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from netns_lab.directory import RUN_DIRECTORY
from netns_lab.processes import LAB_VARIABLE

from dataplane.namespace import NAMESPACE_DIRECTORY

FORGED_ID = "0" * 24


@contextmanager
def look_alikes(lab: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Namespaces, files, an interface and processes that are named like a lab's; the processes."""
    with ExitStack() as made:
        for name, alias in (
            (f"{lab}-xyz", "quadlink"),
            (f"{lab}-forged", f"quadlink {lab}.{FORGED_ID}"),
            (lab, lab),
        ):
            _ip("netns", "add", name)
            made.callback(_ip, "netns", "delete", name)
            _ip("-n", name, "link", "set", "lo", "alias", alias)
        _ip("link", "add", lab, "type", "veth", "peer", "name", f"{lab}p")
        made.callback(_ip, "link", "delete", lab)
        for path in (NAMESPACE_DIRECTORY / f"{lab}-file", RUN_DIRECTORY / f"{lab}-file"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"quadlink {lab}.{FORGED_ID}")
            made.callback(path.unlink)
        for path in (RUN_DIRECTORY / f"{lab}-folder", RUN_DIRECTORY / f".{lab}.{FORGED_ID}"):
            path.mkdir()
            made.callback(path.rmdir)
        processes = [
            made.enter_context(
                subprocess.Popen(
                    ["ip", "netns", "exec", f"{lab}-xyz", "sleep", "1000"],
                    env={**os.environ, LAB_VARIABLE: mark},
                )
            )
            for mark in (lab, f"{lab}.", f"{lab}-b", f"{lab}.{FORGED_ID}")
        ]
        for process in processes:
            made.callback(process.kill)
        yield processes


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
