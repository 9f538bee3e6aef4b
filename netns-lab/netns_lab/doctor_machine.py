"""What a machine needs beside its kernel: permissions, limits, software, no remains of the dead."""

import importlib.metadata
import os
import re
import resource
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dataplane.macsec.ledger import LEDGER_DIRECTORY, Ledger, LedgerUnusable
from dataplane.namespace import NAMESPACE_DIRECTORY
from dataplane.ports.tap import TUN_DEVICE
from netns_lab.debian_packages import find_program
from netns_lab.directory import RUN_DIRECTORY
from netns_lab.doctor import Check, Lacking, Unchecked, need_root
from netns_lab.garbage import find
from netns_lab.marks import lab_of
from netns_lab.privileges import CAPABILITIES, missing_capabilities
from netns_lab.routing_daemons.daemon import DAEMONS

EXABGP_SERIES = "5.0."
"""Whose JSON our helper reads."""
CONTAINER = "docker run"
REINSTALL = "rm -r .venv && ./quadlink --help"
OPEN_FILES, NAMESPACES, NEIGHBORS, INOTIFY_INSTANCES = 8192, 2048, 4096, 128
"""What is good for a lab of a thousand nodes."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Another tool that builds networks here: what it leaves when it dies, and its own way to clean up."""

    name: str
    namespace: str
    interface: str
    command: str
    fix: str


NEVER = r"(?!)"
TOOLS = (
    Tool("containerlab", r"clab-", r"clab", NEVER, "containerlab destroy --all --cleanup"),
    Tool("Mininet", r"mn\.", r"s\d+(-eth\d+)?$", r"\S*mnexec |.* mininet:", "mn -c"),
    Tool("munet", r"munet", NEVER, r"\S*mutini ", "pkill -x mutini"),
    Tool("GNS3", NEVER, r"gns3", r"\S*(ubridge|dynamips) ", "pkill -x 'ubridge|dynamips'"),
    Tool("Open vSwitch", NEVER, r"ovs-system$", NEVER, "ovs-vsctl show, then ovs-vsctl del-br BRIDGE"),
)


def _root() -> str:
    if os.geteuid() != 0:
        raise Lacking("you are not root, and labs need that")
    return "you are root"


def _capabilities() -> str:
    need_root()
    if missing := missing_capabilities():
        raise Lacking(f"this root lacks {' and '.join(missing)}")
    return " and ".join(CAPABILITIES)


def _tun_device() -> str:
    os.close(os.open(TUN_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    return f"{TUN_DEVICE} can be opened"


def _run_directory() -> str:
    need_root()
    for folder in (RUN_DIRECTORY, NAMESPACE_DIRECTORY):
        place = folder if folder.exists() else folder.parent
        if not os.access(place, os.W_OK):
            raise Lacking(f"nothing can be written to {place}")
    return f"{RUN_DIRECTORY} and {NAMESPACE_DIRECTORY} can be written to"


def _packet_numbers() -> str:
    need_root()
    try:
        Ledger().check()
    except LedgerUnusable as error:
        raise Lacking(f"{error}: a given SAK needs next_pn") from None
    return f"those of given SAKs are kept in {LEDGER_DIRECTORY}"


def _at_least(least: int, what: str, read: Callable[[], int]) -> str:
    try:
        value = read()
    except FileNotFoundError:
        raise Unchecked("a container does not show it") from None
    if value < least:
        raise Lacking(f"{value} {what}; a lab of a thousand nodes wants {least}")
    return f"{value} {what}"


def _open_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def _sysctl(name: str) -> int:
    return int((Path("/proc/sys") / name.replace(".", "/")).read_text())


def _packages() -> str:
    found, missing = 0, []
    for requirement in importlib.metadata.requires("quadlink") or []:
        name = re.match(r"[\w.-]+", requirement)
        if name is None or "extra ==" in requirement:
            continue
        try:
            importlib.metadata.version(name[0])
            found += 1
        except importlib.metadata.PackageNotFoundError:
            missing.append(name[0])
    if missing:
        raise Lacking(f"there is no {', '.join(missing)}")
    return f"all {found} are there"


def _exabgp() -> str:
    try:
        version = importlib.metadata.version("exabgp")
    except importlib.metadata.PackageNotFoundError:
        raise Lacking("there is no ExaBGP") from None
    if not version.startswith(EXABGP_SERIES):
        raise Lacking(f"{version}, expected {EXABGP_SERIES}x")
    return version


def _cipher_libraries() -> tuple[str, ...]:
    try:
        from dataplane.macsec.native import cipher_libraries
    except ImportError as error:
        raise Lacking(f"the C core cannot be loaded: {error}") from None
    return cipher_libraries()


def _ciphers() -> str:
    from dataplane.macsec.suites import CIPHER_SUITES

    first, *others = _cipher_libraries()
    return f"{', '.join(CIPHER_SUITES)} by {first}" + "".join(f"; {name} can be asked for" for name in others)


def _fast_ciphers() -> str:
    if "ipsec-mb" not in _cipher_libraries():
        if os.uname().machine != "x86_64":
            return "OpenSSL's: ipsec-mb is for x86-64"
        raise Lacking("OpenSSL's; ipsec-mb is about four times as fast")
    return "ipsec-mb"


def _iproute2() -> str:
    ip = shutil.which("ip")
    if ip is None:
        raise Lacking("there is no ip(8)")
    return ip


def _routing_daemon(place: str, package: str) -> str:
    if found := find_program(place, package):
        return str(found.path)
    if shutil.which("apt-get") is None:
        raise Lacking("not here, and `up` has no apt-get to fetch it with for a lab that asks for it")
    return f"not here: `up` fetches Debian's {package} for a lab that asks for it"


def _leftovers(tool: Tool) -> str:
    """Raises Lacking, whose name does not fit, where something was left."""
    found = [f"namespace {name}" for name in _namespaces() if re.match(tool.namespace, name)]
    found += [f"interface {name}" for _, name in socket.if_nameindex() if re.match(tool.interface, name)]
    found += [f"process {pid}" for pid, command in _commands().items() if re.match(tool.command, command)]
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise Lacking(", ".join(found[:3]) + more)
    return "nothing"


def _namespaces() -> list[str]:
    return sorted(entry.name for entry in NAMESPACE_DIRECTORY.glob("*"))


def _commands() -> dict[int, str]:
    """The command line of each process."""
    commands = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            commands[int(folder.name)] = (
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:
            continue  # it ended meanwhile
    return commands


def _dead_labs() -> str:
    need_root()
    if dead := sorted(str(lab_of(mark)) for mark in find()):
        raise Lacking(f"remains of {', '.join(dead)}")
    return "nothing"


def _limit(name: str, what: str, least: int, read: Callable[[], int], fix: str) -> Check:
    return Check("limits", name, partial(_at_least, least, what, read), fix, needed=False)


def _sysctl_limit(name: str, what: str, least: int, sysctl: str) -> Check:
    return _limit(name, what, least, partial(_sysctl, sysctl), f"sysctl -w {sysctl}={least}")


PERMISSIONS = (
    Check("permissions", "root", _root, "sudo quadlink doctor", needed=False),
    Check(
        "permissions", "capabilities", _capabilities, f"{CONTAINER} --cap-add NET_ADMIN --cap-add SYS_ADMIN"
    ),
    Check("permissions", TUN_DEVICE, _tun_device, f"modprobe tun, or {CONTAINER} --device {TUN_DEVICE}"),
    Check(
        "permissions",
        "packet numbers",
        _packet_numbers,
        f"mkdir -p {LEDGER_DIRECTORY}; chmod 700 {LEDGER_DIRECTORY}",
        needed=False,
    ),
    Check("permissions", "/run", _run_directory, "mount -o remount,rw /run"),
)
LIMITS = (
    _limit("open files", "a process", OPEN_FILES, _open_files, f"ulimit -n {OPEN_FILES}"),
    _sysctl_limit("namespaces", "at once", NAMESPACES, "user.max_net_namespaces"),
    _sysctl_limit("IPv4 neighbors", "in all labs", NEIGHBORS, "net.ipv4.neigh.default.gc_thresh3"),
    _sysctl_limit("IPv6 neighbors", "in all labs", NEIGHBORS, "net.ipv6.neigh.default.gc_thresh3"),
    _sysctl_limit("inotify", "instances a user", INOTIFY_INSTANCES, "fs.inotify.max_user_instances"),
)
SOFTWARE = (
    Check("software", "ip(8)", _iproute2, "apt-get install iproute2"),
    Check("software", "Python packages", _packages, REINSTALL),
    Check("software", "ExaBGP", _exabgp, REINSTALL),
    Check("software", "ciphers", _ciphers, REINSTALL),
    Check(
        "software",
        "fast ciphers",
        _fast_ciphers,
        "apt-get install libipsec-mb-dev && ./quadlink --help",
        needed=False,
    ),
    *(
        Check(
            "software",
            daemon.title,
            partial(_routing_daemon, daemon.programs[-1], daemon.package),
            f"install {daemon.package}",
            needed=False,
        )
        for daemon in DAEMONS.values()
    ),
)
LEFTOVERS = (
    Check("leftovers", "dead labs", _dead_labs, "quadlink gc", needed=False),
    *(Check("leftovers", tool.name, partial(_leftovers, tool), tool.fix, needed=False) for tool in TOOLS),
)
