"""Services of nodes: programs that the controller keeps running and that outlive it.

A file for each in the lab's directory tells the next controller which process it is. Each runs in a session
of its own, and whatever it leaves behind ends before it is started again.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Set
from pathlib import Path

from control.backoff import Backoff
from control.pidfd import ProcessHandle
from dataplane.namespace import NAMESPACE_DIRECTORY
from dataplane.whole_file import write_whole
from netns_lab.directory import LabDirectory, LabError
from netns_lab.event_log import EventKind, EventLog
from netns_lab.execute import environment, start_inside
from netns_lab.names import NodePlace
from netns_lab.plan import NodePlan, ServicePlan
from netns_lab.processes import LAB_VARIABLE, how_it_ended, last_line

SERVICE_VARIABLE = "QUADLINK_SERVICE"
PATIENCE_S = 1.0
"""How long what a service has left behind may take to end."""
SETTLED_S = 0.5
"""How long a program must have run to count as running, and not as one that ends at once."""
SESSION_FIELD, START_FIELD = 3, 19  # of /proc/PID/stat, counted behind the command's name


class Service:
    """One program that is started again, with back-off, whenever it ends."""

    started, ended, failed = EventKind.SERVICE_STARTED, EventKind.SERVICE_ENDED, EventKind.SERVICE_FAILED

    def __init__(self, directory: LabDirectory, node: NodePlan, service: ServicePlan, log: EventLog) -> None:
        self.plan = service
        self.place = NodePlace.of(node)
        self.restarts = 0
        self._directory = directory
        self._log_path = directory.log(f"{node.name}.{service.name}")
        self._how_it_ended = ""
        self._log = log
        self._label = f"{node.name}.{service.name}"
        self._record = directory.path / f"{self._label}.service"
        self._marks = {
            f"{LAB_VARIABLE}={directory.mark}".encode(),
            f"{SERVICE_VARIABLE}={self._label}".encode(),
        }
        self._backoff = Backoff()
        self._child: subprocess.Popen[bytes] | None = None
        self._process: ProcessHandle | None = None
        self._settled_s = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """None while it waits to be started."""
        return None if self._process is None else self._process.pid

    @property
    def state(self) -> str:
        """starting, running or restarting."""
        if self._process is None and self._how_it_ended:
            return "restarting"
        settled = self._process is not None and time.monotonic() > self._settled_s
        return "running" if settled else "starting"

    @property
    def title(self) -> str:
        """What it is called in sentences."""
        return f"service {self.plan.name} of {self.place.name}"

    def problem(self) -> str:
        """What to say of it while it does not run."""
        if not self._how_it_ended:
            return f"{self.title} has just been started"
        said = last_line(self._log_path)
        return f"{self.title} {self._how_it_ended} and is restarted with back-off; it said: {said}"

    def start(self) -> None:
        """Takes over the program that an earlier controller started, or starts it."""
        self._task = asyncio.get_running_loop().create_task(self._supervise())

    async def detach(self) -> None:
        """Attends to the program no more and leaves it running."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def end(self) -> None:
        """Has the program end; it is started again."""
        if self._process is not None:
            self._process.send(signal.SIGTERM)

    async def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """Ends the program and all that it started, by this signal if that does."""
        await self.detach()
        await self._end_what_is_left(first)
        self._bury()
        self._record.unlink(missing_ok=True)

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        self._process = self._adopt()
        while True:
            began_s = loop.time()
            try:
                if self._process is None:
                    self._process = await self._launch()
            except (OSError, LabError) as error:
                self._how_it_ended = f"cannot be started ({error})"
                self._tell(self.failed, self._how_it_ended)
            else:
                await self._process.ended()
                self._how_it_ended = how_it_ended(self._bury())
                self._tell(self.ended, f"{self._how_it_ended} and is restarted")
            await asyncio.sleep(self._backoff.delay_s(loop.time() - began_s))
            self.restarts += 1

    def _adopt(self) -> ProcessHandle | None:
        try:
            record = json.loads(self._record.read_bytes())
            self.restarts = record["restarts"]
            process = ProcessHandle(record["pid"])
        except (OSError, TypeError):  # there is no record, or no pid in it yet, or no such process any more
            return None
        if _status(process.pid)[START_FIELD:][:1] == [record["start_ticks"]]:
            return process
        process.close()
        return None

    async def _launch(self) -> ProcessHandle:
        if self._record.exists():
            await self._end_what_is_left()
        self._remember(None)
        variables = environment(self._directory, self.place) | {SERVICE_VARIABLE: self._label}
        variables.pop("PYTHONSAFEPATH", None)  # the controller's, not the user's
        with self._log_path.open("ab") as output:
            child = await asyncio.to_thread(
                start_inside,
                self._directory,
                self.place,
                ["/bin/sh", "-c", self.plan.command],
                stdout=output,
                stderr=output,
                cwd="/",
                env=variables,
                umask=0o022,
                start_new_session=True,
            )
        self._child = child
        process = ProcessHandle(child.pid)
        self._remember(process.pid)
        self._settled_s = time.monotonic() + SETTLED_S
        self._tell(self.started, f"started as process {process.pid}")
        return process

    def _remember(self, pid: int | None) -> None:
        status = _status(pid) if pid is not None else []
        record = {"pid": pid, "start_ticks": status and status[START_FIELD], "restarts": self.restarts}
        write_whole(self._record, json.dumps(record))

    def _bury(self) -> int | None:
        """Reaps the program that has ended; its status, None where an earlier controller was its parent."""
        if self._process is not None:
            self._process.close()
            self._process = None
        child, self._child = self._child, None
        return None if child is None else child.wait()

    async def _end_what_is_left(self, first: signal.Signals = signal.SIGTERM) -> None:
        """Ends every process of the service: it has its name in its environment or is of its session."""
        session = json.loads(self._record.read_bytes())["pid"] if self._record.exists() else None
        processes = []
        for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
            with contextlib.suppress(ProcessLookupError):
                process = ProcessHandle(pid)  # held before the look, so that none is taken for another
                if self._owns(pid, session):
                    processes.append(process)
                else:
                    process.close()
        await asyncio.gather(*(process.end(first, PATIENCE_S) for process in processes))
        for process in processes:
            process.close()

    def _owns(self, pid: int, session: int | None) -> bool:
        folder = Path(f"/proc/{pid}")
        try:
            if self._marks <= {*(folder / "environ").read_bytes().split(b"\0")}:
                return True
            # A session's number may have been given again, but not inside the node.
            inside = os.path.samefile(folder / "ns/net", NAMESPACE_DIRECTORY / self.place.namespace)
            return inside and _status(pid)[SESSION_FIELD:][:1] == [session]
        except OSError:
            return False

    def _tell(self, kind: EventKind, text: str) -> None:
        self._log.add(kind, self.place.name, f"{self.title} {text}")


class Services:
    """The services of a lab."""

    def __init__(self, directory: LabDirectory, log: EventLog) -> None:
        self._directory = directory
        self._log = log
        self._services: dict[tuple[str, str], Service] = {}

    async def follow(self, nodes: Iterable[NodePlan]) -> None:
        """Ends what these nodes have no more or otherwise, and starts what is new; returns before it runs."""
        wanted = {(node.name, service.name): (node, service) for node in nodes for service in node.services}
        gone = [
            key
            for key, service in self._services.items()
            if key not in wanted
            or (service.place, service.plan) != (NodePlace.of(wanted[key][0]), wanted[key][1])
        ]
        await asyncio.gather(*(self._services.pop(key).stop() for key in gone))
        for key, (node, service) in wanted.items():
            if key not in self._services:
                self._services[key] = Service(self._directory, node, service, self._log)
                self._services[key].start()

    async def kill(self, nodes: Set[str]) -> None:
        """Ends what runs in these nodes by SIGKILL; it starts again once `follow` names them."""
        killed = [key for key in self._services if key[0] in nodes]
        await asyncio.gather(*(self._services.pop(key).stop(signal.SIGKILL) for key in killed))

    async def detach(self) -> None:
        """Leaves all of them running."""
        await asyncio.gather(*(service.detach() for service in self._services.values()))

    def of(self, node: str) -> list[Service]:
        """The services of a node, in the order of its topology."""
        return [service for (name, _), service in self._services.items() if name == node]

    def problems(self) -> list[str]:
        """A sentence for each that does not run."""
        return [service.problem() for service in self._services.values() if service.state != "running"]


def _status(pid: int) -> list[int | str]:
    """What /proc/PID/stat has behind the command's name; empty where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return [int(word) if word.lstrip("-").isdigit() else word for word in text.rpartition(")")[2].split()]
