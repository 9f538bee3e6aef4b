"""The engine comes first on a busy machine, where it may and does not keep the machine busy itself."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dataplane.client import EngineClient, EngineGone
from dataplane.priority import NICENESS
from tests.waiting import eventually

pytestmark = pytest.mark.lab
WITHOUT_NICE = ["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice"]


@contextmanager
def engine(folder: Path, *options: str, through: Sequence[str] = ()) -> Iterator[int]:
    """The pid of an engine in a session of its own, as labs start it; what it says is in folder/log."""
    paths = [folder / name for name in ("socket", "counters", "ledger")]
    words = [word for path in paths for word in (f"--{path.name}", str(path))]
    command = [*through, sys.executable, "-m", "dataplane.service", *words, *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, start_new_session=True)

    def answers() -> bool:
        with suppress(EngineGone):
            EngineClient(paths[0]).close()
            return True
        return False

    try:
        eventually(answers)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def niceness(pid: int) -> set[int]:
    """Of the threads of a process, and of its session where those have one."""
    found = {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}
    session = Path(f"/proc/{pid}/autogroup")
    return found | ({int(session.read_text().split()[-1])} if session.exists() else set())


def test_all_threads_of_the_engine_come_first(tmp_path: Path) -> None:
    with engine(tmp_path) as pid:
        assert niceness(pid) == {NICENESS}


def test_workers_that_never_sleep_do_not(tmp_path: Path) -> None:
    with engine(tmp_path, "--busy-poll", "--workers", "1") as pid:
        assert niceness(pid) == {0}


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, to give up CAP_SYS_NICE")
def test_an_engine_that_may_not_come_first_serves_and_says_so(tmp_path: Path) -> None:
    with engine(tmp_path, through=WITHOUT_NICE) as pid:
        assert niceness(pid) == {0}
    assert "no higher priority: [Errno 13]" in (tmp_path / "log").read_text()
