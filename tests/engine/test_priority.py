"""Who comes first on a busy machine: the engine, where it may and does not keep the machine busy itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dataplane.priority import NICENESS
from tests.engine.process import engine_process
from tests.priorities import niceness

pytestmark = pytest.mark.lab
WITHOUT_NICE = ["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice"]


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


def test_who_comes_first_alone_starts_ordinary_processes() -> None:
    program = "import os, subprocess; from dataplane.priority import come_first; come_first(alone=True);"
    program += "print(os.getpriority(os.PRIO_PROCESS, 0)); subprocess.run(['nice'], check=True)"
    done = subprocess.run([sys.executable, "-uc", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(NICENESS), "0"]
