"""The engine comes first on a busy machine, where it may and does not keep the machine busy itself."""

import os
import shutil
from pathlib import Path

import pytest

from dataplane.priority import NICENESS
from tests.engine.process import engine_process

pytestmark = pytest.mark.lab
WITHOUT_NICE = ["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice"]


def niceness(pid: int) -> set[int]:
    """Of the threads of a process, and of its session where those have one."""
    found = {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}
    session = Path(f"/proc/{pid}/autogroup")
    return found | ({int(session.read_text().split()[-1])} if session.exists() else set())


def test_all_threads_of_the_engine_come_first(tmp_path: Path) -> None:
    with engine_process(tmp_path) as (_, engine):
        assert niceness(engine.pid) == {NICENESS}


def test_workers_that_never_sleep_do_not(tmp_path: Path) -> None:
    with engine_process(tmp_path, "--busy-poll", "--workers", "1") as (_, engine):
        assert NICENESS not in niceness(engine.pid)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, to give up CAP_SYS_NICE")
def test_an_engine_that_may_not_come_first_serves_and_says_so(tmp_path: Path) -> None:
    with engine_process(tmp_path, through=WITHOUT_NICE) as (_, engine):
        assert NICENESS not in niceness(engine.pid)
    assert "no higher priority: [Errno 13]" in (tmp_path / "log").read_text()
