"""The engine in a process of its own, as labs have it."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dataplane.client import EngineClient, EngineGone
from tests.waiting import eventually


@contextmanager
def engine_process(
    folder: Path, *options: str, through: Sequence[str] = ()
) -> Iterator[tuple[EngineClient, subprocess.Popen[bytes]]]:
    """Leads a session, has its counters, ledger and log in the folder; killed at the end, if not before.

    `through` is a command that starts the command after it.
    """
    paths = [folder / name for name in ("socket", "counters", "ledger")]
    paths[0].unlink(missing_ok=True)
    words = [word for path in paths for word in (f"--{path.name}", str(path))]
    command = [*through, sys.executable, "-m", "dataplane.service", *words, *options]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stderr=log, start_new_session=True)

    clients: list[EngineClient] = []

    def answers() -> bool:
        with suppress(EngineGone):
            clients.append(EngineClient(paths[0]))
        return bool(clients)

    try:
        eventually(answers)
        yield clients[0], process
    finally:
        process.kill()
        process.wait()
        for client in clients:
            client.close()
