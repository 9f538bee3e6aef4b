"""What BIRD and FRR have in common: files, processes in a node, and sessions to be asked for."""

import shlex
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from dataplane.whole_file import write_whole
from netns_lab.debian_packages import PackagesUnavailable, Program, fetch_program, find_program
from netns_lab.directory import LabDirectory, LabError
from netns_lab.plan import LabPlan, NodePlan, ServicePlan
from netns_lab.routing_daemons.bird import bird_configuration
from netns_lab.routing_daemons.birdc import bird_command, bird_sessions
from netns_lab.routing_daemons.frr import frr_configurations
from netns_lab.routing_daemons.session import DaemonSession
from netns_lab.routing_daemons.vty import frr_sessions

VTY_GROUP = "frrvty"
"""A group that FRR's daemons insist on, which only the installed package makes."""


class RoutingDaemon(ABC):
    """The routing daemon of one node. `files` are its configuration, which holds passwords, by file name."""

    title: ClassVar[str]
    package: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    """The places of its programs below /usr; the last one speaks BGP."""

    def __init__(self, directory: LabDirectory, plan: LabPlan, node: NodePlan) -> None:
        self.folder = directory.path / f"{node.name}.{node.daemon}"
        self.files = self._configure(plan, node)

    @abstractmethod
    def _configure(self, plan: LabPlan, node: NodePlan) -> Mapping[str, str]: ...

    @abstractmethod
    def processes(self) -> list[ServicePlan]:
        """What is to run in the node, in the order in which it starts."""

    @abstractmethod
    def sessions(self) -> dict[str, DaemonSession]:
        """Every session by its neighbor's address, as the daemon has it now. Raises OSError."""

    def reconfigure(self) -> bool:
        """Has what runs go by the files; False where only a restart does that. Raises OSError."""
        return False

    def write_files(self) -> None:
        """Puts the files where the processes look for them."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in self.files.items():
            write_whole(self.folder / name, text)

    def remove_files(self) -> None:
        """Takes them away, and the sockets that ended processes have left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self, place: str, arguments: Iterable[object]) -> str:
        """What sh is to become."""
        # One that is gone from the machine is a process that cannot be started, which `inspect` tells of.
        found = find_program(place, self.package) or Program(Path(Path(place).name), {})
        variables = [f"{name}={value}" for name, value in found.environment.items()]
        return shlex.join(["exec", "env", *variables, str(found.path), *map(str, arguments)])


class Bird(RoutingDaemon):
    """BIRD 2: one process, which takes a new configuration without a restart."""

    title, package, programs = "BIRD", "bird2", ("sbin/bird",)

    def _configure(self, plan: LabPlan, node: NodePlan) -> Mapping[str, str]:
        return {"bird.conf": bird_configuration(plan, node)}

    @property
    def _socket(self) -> Path:
        return self.folder / "bird.ctl"

    def processes(self) -> list[ServicePlan]:
        folder = self.folder
        arguments = ("-f", "-c", folder / "bird.conf", "-s", self._socket, "-P", folder / "bird.pid")
        return [ServicePlan("bird", self._command("sbin/bird", arguments))]

    def sessions(self) -> dict[str, DaemonSession]:
        return bird_sessions(self._socket)

    def reconfigure(self) -> bool:
        bird_command(self._socket, "configure")
        return True


class Frr(RoutingDaemon):
    """FRR: a process for each thing that it does, all of which read their configuration once."""

    title, package = "FRR", "frr"
    programs = ("lib/frr/zebra", "lib/frr/staticd", "lib/frr/bfdd", "lib/frr/bgpd")

    def _configure(self, plan: LabPlan, node: NodePlan) -> Mapping[str, str]:
        return {f"{name}.conf": text for name, text in frr_configurations(plan, node).items()}

    def write_files(self) -> None:
        super().write_files()
        groups = Path("/etc/group").read_text().rstrip("\n")
        (self.folder / "group").write_text(f"{groups}\n{VTY_GROUP}:x:{_free_number(groups)}:root\n")

    def processes(self) -> list[ServicePlan]:
        return [
            ServicePlan(name, self._daemon(place, name))
            for place in self.programs
            if f"{(name := Path(place).name)}.conf" in self.files
        ]

    def _daemon(self, place: str, name: str) -> str:
        folder = self.folder
        arguments = (
            *("-f", folder / f"{name}.conf", "-z", folder / "zserv.api", "--vty_socket", folder),
            *("-i", folder / f"{name}.pid", "-u", "root", "-g", "root", "-P", "0"),
        )
        # In the mount namespace that every program of a node has of its own.
        group = shlex.join(["mount", "--bind", str(folder / "group"), "/etc/group"])
        zebra = shlex.quote(str(folder / "zserv.api"))
        # Who finds no zebra tries again after 10 s only.
        first = f"rm -f {zebra}" if name == "zebra" else f"until [ -S {zebra} ]; do sleep 0.02; done"
        return f"{first}; {group} && {self._command(place, arguments)}"

    def sessions(self) -> dict[str, DaemonSession]:
        return frr_sessions(self.folder / "bgpd.vty")


def _free_number(groups: str) -> int:
    """A group id that none of /etc/group has."""
    taken = {line.split(":")[2] for line in groups.splitlines() if line.count(":") >= 2}
    return next(number for number in range(900, 2000) if str(number) not in taken)


DAEMONS: Mapping[str, type[RoutingDaemon]] = {"bird": Bird, "frr": Frr}


def fetch_daemons(plan: LabPlan, say: Callable[[str], None]) -> None:
    """Fetches what the routers of a plan need and this machine lacks.

    Raises LabError where that cannot be had.
    """
    for kind, daemon in DAEMONS.items():
        nodes = [node.name for node in plan.nodes if node.daemon == kind and node.asn is not None]
        if not nodes or all(find_program(place, daemon.package) for place in daemon.programs):
            continue
        say(f"fetching {daemon.title}, Debian's package {daemon.package}")
        try:
            for place in daemon.programs:
                fetch_program(place, daemon.package)
        except PackagesUnavailable as error:
            where = f"{daemon.title} of {', '.join(nodes)} is not on this machine"
            raise LabError(
                f"{where} and cannot be fetched ({error}); install Debian's package {daemon.package}"
            ) from None
