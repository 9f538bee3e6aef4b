"""The far ends of channels that tests speak BGP with: their configuration, and their own word on routes."""

import json
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netns_lab.debian_packages import fetch_program
from netns_lab.routing_daemons.vty import vty

OUR_ASN = 64512
OUR_PREFIXES = ("10.1.0.0/16", "fd01::/48")
HOLD_TIME_S = 3
BFD_INTERVAL_MS = 50


@dataclass(frozen=True)
class Channel:
    """One link between us and a daemon: our addresses and its own, IPv4 first."""

    ours: tuple[str, str]
    theirs: tuple[str, str]


class Daemon(ABC):
    """A BGP speaker of Debian's that runs in the foreground in a node of its own."""

    package: str
    program: str
    client: str
    asn: int
    subnet: int

    def __init__(self, folder: Path) -> None:
        """`folder` is for its files. Raises PackagesUnavailable."""
        self.folder = folder
        self.daemon = fetch_program(self.program, self.package)
        self.configuration = folder / f"{self.node}.conf"

    @property
    def node(self) -> str:
        """The name of its node, of the link to it and of its service."""
        return type(self).__name__.lower()

    @property
    def channel(self) -> Channel:
        """The addresses of the link to it."""
        return Channel(
            (f"169.254.{self.subnet}.1", f"fd00:{self.subnet}::1"),
            (f"169.254.{self.subnet}.2", f"fd00:{self.subnet}::2"),
        )

    @property
    def prefixes(self) -> tuple[str, str]:
        """What it announces."""
        return f"10.{self.subnet}.0.0/16", f"fd0{self.subnet}::/48"

    @property
    @abstractmethod
    def arguments(self) -> Sequence[str]:
        """Of its command line."""

    @abstractmethod
    def text(self, password: str) -> str:
        """Its configuration file."""

    @abstractmethod
    def routes(self) -> str:
        """Its table, as it prints it."""

    def files(self) -> dict[str, str]:
        """What its node has to see besides."""
        return {}

    def retry(self) -> None:  # noqa: B027 - most have nothing to do
        """Has it try its sessions now, where it would wait long after a failure."""

    def configure(self, password: str) -> None:
        """Writes its configuration down for its next start."""
        self.configuration.write_text(self.text(password))
        self.configuration.chmod(0o600)

    @property
    def command(self) -> str:
        """What sh is to run in its node."""
        variables = [f"{name}={value}" for name, value in self.daemon.environment.items()]
        return " ".join(["exec", "env", *variables, str(self.daemon.path), *self.arguments])

    def ask(self, *words: str) -> str:
        """What its client program prints."""
        client = fetch_program(self.client, self.package)
        return subprocess.run(
            [client.path, *words],
            env={**os.environ, **client.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        ).stdout


class Bird(Daemon):
    package, program, client, asn, subnet = "bird2", "sbin/bird", "sbin/birdcl", 64513, 2

    @property
    def arguments(self) -> Sequence[str]:
        return (
            *("-f", "-c", str(self.configuration)),
            *("-s", str(self.folder / "bird.ctl"), "-P", str(self.folder / "bird.pid")),
        )

    def text(self, password: str) -> str:
        sessions = [
            f"protocol bgp us{version} {{ local {theirs} as {self.asn}; neighbor {ours} as {OUR_ASN}; "
            f'hold time {HOLD_TIME_S}; error wait time 1, 2; password "{password}"; bfd on; '
            f"ipv{version} {{ import all; export where source = RTS_STATIC; }}; }}"
            for version, ours, theirs in zip((4, 6), self.channel.ours, self.channel.theirs, strict=True)
        ]
        statics = [
            f"protocol static {{ ipv{version}; route {prefix} unreachable; }}"
            for version, prefix in zip((4, 6), self.prefixes, strict=True)
        ]
        bfd = f'protocol bfd {{ interface "us" {{ interval {BFD_INTERVAL_MS} ms; multiplier 3; }}; }}'
        lines = [f"router id 10.0.0.{self.subnet};", "protocol device {}", bfd, *statics, *sessions]
        return "\n".join(lines) + "\n"

    def routes(self) -> str:
        return self.show("route")

    def show(self, *what: str) -> str:
        """What birdc shows."""
        return self.ask("-s", str(self.folder / "bird.ctl"), "show", *what)


class Frr(Daemon):
    package, program, client, asn, subnet = "frr", "lib/frr/bgpd", "", 64514, 3

    @property
    def arguments(self) -> Sequence[str]:
        # Without zebra, and as root: the user that its package makes is not here.
        return (
            *("-Z", "-S", "-u", "root", "-g", "root", "-f", str(self.configuration), "-P", "0"),
            *("-i", str(self.folder / "bgpd.pid"), "--vty_socket", str(self.folder)),
        )

    def text(self, password: str) -> str:
        neighbors = [
            f" neighbor {ours} remote-as {OUR_ASN}\n"
            f" neighbor {ours} password {password}\n"
            f" neighbor {ours} timers 1 {HOLD_TIME_S}\n"
            f" neighbor {ours} timers connect 1\n"
            for ours in self.channel.ours
        ]
        families = [
            f" address-family ipv{version} unicast\n"
            f"  network {prefix}\n"
            f"  {'' if ours == activated else 'no '}neighbor {ours} activate\n"
            f" exit-address-family\n"
            for version, prefix, activated in zip((4, 6), self.prefixes, self.channel.ours, strict=True)
            for ours in self.channel.ours
        ]
        return (
            f"router bgp {self.asn}\n"
            f" bgp router-id 10.0.0.{self.subnet}\n"
            " no bgp ebgp-requires-policy\n"
            " no bgp network import-check\n" + "".join(neighbors + families)
        )

    def routes(self) -> str:
        tables = [
            json.loads(vty(self.folder / "bgpd.vty", f"show bgp {family} unicast json"))["routes"]
            for family in ("ipv4", "ipv6")
        ]
        return "\n".join(prefix for table in tables for prefix in table)


class GoBgp(Daemon):
    package, program, client, asn, subnet = "gobgpd", "bin/gobgpd", "bin/gobgp", 64515, 4

    @property
    def target(self) -> str:
        return f"unix://{self.folder / 'gobgp.sock'}"

    @property
    def arguments(self) -> Sequence[str]:
        return (
            "-f",
            str(self.configuration),
            "-t",
            "json",
            "-p",
            "--pprof-disable",
            "--api-hosts",
            self.target,
        )

    @property
    def command(self) -> str:
        # It has no prefixes in its configuration: its client announces them as soon as it listens.
        client = f"{fetch_program(self.client, self.package).path} --target {self.target}"
        announcing = [
            f"until {client} global rib add {prefix} -a ipv{version}; do sleep 0.1; done"
            for version, prefix in zip((4, 6), self.prefixes, strict=True)
        ]
        return f"({'; '.join(announcing)}) & {super().command}"

    def text(self, password: str) -> str:
        neighbors = [
            {
                "config": {"neighbor-address": ours, "peer-as": OUR_ASN, "auth-password": password},
                "transport": {"config": {"local-address": theirs}},
                "timers": {
                    "config": {
                        "hold-time": HOLD_TIME_S,
                        "keepalive-interval": 1,
                        "connect-retry": 1,
                        "idle-hold-time-after-reset": 1,
                    }
                },
                "afi-safis": [{"config": {"afi-safi-name": f"ipv{version}-unicast"}}],
            }
            for version, ours, theirs in zip((4, 6), self.channel.ours, self.channel.theirs, strict=True)
        ]
        ourselves = {"as": self.asn, "router-id": f"10.0.0.{self.subnet}"}
        return json.dumps({"global": {"config": ourselves}, "neighbors": neighbors})

    def routes(self) -> str:
        return "".join(
            self.ask("--target", self.target, "global", "rib", "-a", family) for family in ("ipv4", "ipv6")
        )


class OpenBgpd(Daemon):
    package, program, client, asn, subnet = "openbgpd", "sbin/bgpd", "sbin/bgpctl", 64516, 5

    @property
    def arguments(self) -> Sequence[str]:
        return "-d", "-f", str(self.configuration)

    def files(self) -> dict[str, str]:
        return {"/etc/passwd": f"root:x:0:0::/:/bin/sh\n_openbgpd:x:999:999::{self.folder}:/bin/false\n"}

    def text(self, password: str) -> str:
        lines = [
            f"AS {self.asn}",
            f"router-id 10.0.0.{self.subnet}",
            "fib-update no",
            f'socket "{self.folder / "openbgpd.sock"}"',
            *(f"network {prefix}" for prefix in self.prefixes),
            "allow from any",
            "allow to any",
        ]
        families = ("IPv4", "IPv6")
        for family, ours, theirs in zip(families, self.channel.ours, self.channel.theirs, strict=True):
            announced = [f"announce {name} {'unicast' if name == family else 'none'}" for name in families]
            lines += [
                f"neighbor {ours} {{",
                f"remote-as {OUR_ASN}",
                f"local-address {theirs}",
                f"holdtime {HOLD_TIME_S}",
                f"tcp md5sig password {password}",
                *announced,
                "}",
            ]
        return "\n".join(lines) + "\n"

    def retry(self) -> None:
        for ours in self.channel.ours:
            self.control("neighbor", ours, "clear")

    def routes(self) -> str:
        return self.control("show", "rib")

    def control(self, *words: str) -> str:
        return self.ask("-s", str(self.folder / "openbgpd.sock"), *words)


DAEMONS = (Bird, Frr, GoBgp, OpenBgpd)
