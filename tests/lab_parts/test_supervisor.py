"""A process that ends is started again, whoever its parent is, for as long as it is wanted."""

import asyncio
import subprocess
from collections.abc import Callable

import pytest
from netns_lab.supervisor import Supervisor

TIMEOUT_S = 10


def start(command: str) -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: subprocess.Popen(["sh", "-c", command])


async def counted(command: str, rounds: int) -> list[int]:
    """The pids of the processes that a supervisor starts one after the other, the first given to it."""
    pids: list[int] = []
    done = asyncio.Event()

    def spawn() -> subprocess.Popen[bytes]:
        process = start(command)()
        pids.append(process.pid)
        return process

    def wanted() -> bool:
        if len(pids) == rounds:
            done.set()
        return len(pids) < rounds

    first = start("exit 0")()
    supervisor = Supervisor(spawn, wanted)
    supervisor.watch(first.pid)
    await asyncio.wait_for(done.wait(), TIMEOUT_S)
    supervisor.close()
    first.wait()
    return pids


@pytest.mark.parametrize("command", ["exit 0", "exit 1", "kill -9 $$"])
def test_it_is_started_again_however_it_ends_until_it_is_not_wanted(command: str) -> None:
    pids = asyncio.run(counted(command, 3))
    assert len(set(pids)) == 3


def test_another_process_takes_the_place_of_the_watched_one() -> None:
    async def scene() -> int:
        started: list[int] = []
        old, new = start("exec sleep 60")(), start("exec sleep 60")()

        def spawn() -> subprocess.Popen[bytes]:
            started.append(1)
            return start("exec sleep 60")()

        supervisor = Supervisor(spawn, lambda: True)
        supervisor.watch(old.pid)
        supervisor.watch(new.pid)
        old.kill()
        await asyncio.to_thread(old.wait)
        await asyncio.sleep(0)
        count = len(started)
        supervisor.close()
        new.kill()
        new.wait()
        return count

    assert asyncio.run(scene()) == 0


def test_a_pid_that_is_gone_already_counts_as_ended() -> None:
    gone = start("exit 0")()
    gone.wait()

    async def scene() -> int:
        spawned: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def spawn() -> subprocess.Popen[bytes]:
            process = start("exec sleep 60")()
            spawned.set_result(process.pid)
            return process

        supervisor = Supervisor(spawn, lambda: True)
        supervisor.watch(gone.pid)
        pid = await asyncio.wait_for(spawned, TIMEOUT_S)
        supervisor.close()
        subprocess.run(["kill", str(pid)], check=True)
        return pid

    assert asyncio.run(scene()) > 0
