"""BGP with BIRD, FRR, GoBGP and OpenBGPD, each at the far end of a MACsec channel.

All of them are Debian's own builds. A session a family with each, TCP MD5 on all; routes go both ways.
"""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from netns_lab.debian_packages import PackagesUnavailable

from tests.lab.harness import Lab, lab_of
from tests.peers.bgp_daemons import DAEMONS, OUR_ASN, OUR_PREFIXES, Bird, Daemon
from tests.waiting import eventually

# The first run fetches the daemons.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

PASSWORD = "interoperable"
PATIENCE_S = 20


class Peers:
    """A lab whose router `us` has a channel to each daemon."""

    def __init__(self, lab: Lab, daemons: list[Daemon]) -> None:
        self.lab = lab
        self.daemons = daemons

    def exchange(self) -> bool:
        """Whether every session is up, with our routes in each daemon's table and theirs in our kernel."""
        return (
            self.established() == 2 * len(self.daemons)
            and self.installed() == {prefix for daemon in self.daemons for prefix in daemon.prefixes}
            and all(prefix in daemon.routes() for daemon in self.daemons for prefix in OUR_PREFIXES)
        )

    def hold_any_of_ours(self) -> bool:
        """Whether one of our routes is in the table of a daemon."""
        return any(prefix in daemon.routes() for daemon in self.daemons for prefix in OUR_PREFIXES)

    def established(self) -> int:
        """How many of our sessions are up, also while daemons are away."""
        sessions = self.lab.ask("bgp")["sessions"]
        return sum(session["state"] == "established" for session in sessions)

    def installed(self) -> set[str]:
        """The prefixes that BGP brought to our kernel."""
        routes = [*self.lab.ip("us", "-4", "route"), *self.lab.ip("us", "-6", "route")]
        return {route["dst"] for route in routes if "nhid" in route}

    def restart(self, password: str) -> None:
        """Ends every daemon, which comes back with this password."""
        nodes = self.lab.ask("nodes")["nodes"]
        for daemon in self.daemons:
            daemon.configure(password)
            (pid,) = (
                service["pid"]
                for node in nodes
                if node["name"] == daemon.node
                for service in node["services"]
            )
            os.kill(pid, signal.SIGTERM)

    def refused_segments(self) -> int:
        """How many segments with a wrong TCP MD5 signature our kernel has got."""
        netstat = self.lab.run("exec", "us", "--", "cat", "/proc/net/netstat").stdout.splitlines()
        names, values = (line.split() for line in netstat if line.startswith("TcpExt"))
        return int(dict(zip(names, values, strict=True))["TCPMD5Failure"])


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """The lab, with all sessions up."""
    folder = tmp_path_factory.mktemp("peers")
    try:
        daemons: list[Daemon] = [daemon(folder) for daemon in DAEMONS]
    except PackagesUnavailable as missing:
        pytest.skip(f"needs the daemons of Debian's packages: {missing}")
    topology = folder / f"p{os.getpid()}.yaml"
    topology.write_text(json.dumps(_topology(topology.stem, daemons)))
    for daemon in daemons:
        daemon.configure(PASSWORD)
    with lab_of(topology) as lab:
        yield Peers(lab, daemons)


def _topology(name: str, daemons: list[Daemon]) -> dict[str, object]:
    far = {
        daemon.node: {
            "bgp": {
                "daemon": "external",
                "asn": daemon.asn,
                "announce": list(daemon.prefixes),
                "password": PASSWORD,
            },
            "services": [{"name": "bgp", "cmd": daemon.command}],
            "files": daemon.files(),
        }
        for daemon in daemons
    }
    links = [
        {
            "name": daemon.node,
            "endpoints": [f"us:{daemon.node}", f"{daemon.node}:us"],
            "addresses": {
                "us": [f"{daemon.channel.ours[0]}/30", f"{daemon.channel.ours[1]}/64"],
                daemon.node: [f"{daemon.channel.theirs[0]}/30", f"{daemon.channel.theirs[1]}/64"],
            },
        }
        for daemon in daemons
    ]
    us = {"bgp": {"asn": OUR_ASN, "announce": list(OUR_PREFIXES)}}
    return {"name": name, "nodes": {"us": us, **far}, "links": links}


@pytest.fixture
def exchange(peers: Peers) -> Peers:
    """The lab, whole before the test."""
    eventually(peers.exchange, PATIENCE_S)
    return peers


def test_routes_of_both_families_go_both_ways_with_each_daemon(exchange: Peers) -> None:
    assert exchange.established() == 2 * len(DAEMONS)


def test_routes_go_on_both_sides_when_the_channels_are_cut_and_come_back(exchange: Peers) -> None:
    for daemon in exchange.daemons:
        exchange.lab.run("fail", "link", daemon.node)
    eventually(lambda: exchange.installed() == set())
    eventually(lambda: not exchange.hold_any_of_ours())
    exchange.lab.run("heal")
    for daemon in exchange.daemons:
        daemon.retry()
    eventually(exchange.exchange, PATIENCE_S)


def test_bfd_with_bird_is_up_and_finds_a_silent_channel_at_both_ends(exchange: Peers) -> None:
    (bird,) = (daemon for daemon in exchange.daemons if isinstance(daemon, Bird))

    def ours() -> list[dict[str, Any]]:
        return [it for it in exchange.lab.ask("bgp")["sessions"] if it["peer"] == bird.node]

    eventually(lambda: [bfd["state"] for session in ours() for bfd in session["bfd"]] == ["up", "up"])
    eventually(lambda: bird.show("bfd", "sessions").count(" Up ") == 2)
    exchange.lab.run("fail", "link", bird.node, "--mode", "silent")
    eventually(lambda: {session["reason"] for session in ours()} == {"bird: BFD"})
    eventually(lambda: bird.show("protocols", "all").count("BFD session down") >= 2)
    exchange.lab.run("heal")
    eventually(exchange.exchange, PATIENCE_S)


def test_no_session_comes_up_with_another_password(exchange: Peers) -> None:
    refused = exchange.refused_segments()
    exchange.restart("another")
    eventually(lambda: exchange.established() == 0)
    eventually(lambda: exchange.refused_segments() > refused + 2 * len(DAEMONS))
    assert exchange.established() == 0
    exchange.restart(PASSWORD)
    eventually(exchange.exchange, PATIENCE_S)
