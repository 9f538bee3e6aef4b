"""BFD in a lab of two routers and two channels: what it finds, who hears of it, what it never does."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns_lab import templates

from control.bfd.state import BfdState
from control.guard.channel import GuardEvents, GuardGone
from tests.lab.harness import brought_up, quadlink
from tests.waiting import eventually

pytestmark = pytest.mark.lab
PREFIXES = (("r1", "10.2.0.0/16"), ("r1", "fd02::/48"), ("r2", "10.1.0.0/16"), ("r2", "fd01::/48"))


class Pair:
    """pair.yaml with both channels, its guard's word, and the file that it is brought up from."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.yaml"
        self.path.write_text(templates.pair(name).replace("  # - {", "  - {"))
        self.lab = brought_up(self.path)

    def edit(self, old: str, new: str) -> None:
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))
        brought_up(self.path)

    def bfd(self) -> dict[tuple[str, str, str], BfdState]:
        """The sessions by node, interface and family; none where no guard answers."""
        try:
            guard = GuardEvents(self.lab.directory.guard_socket)
        except GuardGone:
            return {}
        try:
            guard.wait()
        except GuardGone:
            return {}
        finally:
            guard.close()
        return guard.bfd

    def states(self, interface: str) -> set[str]:
        return {state.state for (_, at, _), state in self.bfd().items() if at == interface}

    def uses(self, channels: int) -> bool:
        """Whether both families go over so many channels, both ways."""
        return all(self.lab.paths(*route) == channels for route in PREFIXES)

    def whole(self) -> bool:
        return self.uses(2) and self.lab.established() == 8

    def events(self, since: int = 0, *kinds: str) -> list[dict[str, object]]:
        """Those of some kinds, or all, without so many of the first."""
        events = self.lab.json("events")["events"][since:]
        return [event for event in events if not kinds or event["kind"] in kinds]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    name = f"b{os.getpid()}"
    try:
        yield Pair(tmp_path_factory.mktemp("bfd"), name)
    finally:
        quadlink("down", "--name", name)


def test_a_lab_is_up_once_its_bfd_is(pair: Pair) -> None:
    bfd = pair.bfd()
    assert len(bfd) == 8
    assert all(state.state == "up" and not state.path_lost for state in bfd.values())
    state = bfd["r1", "eth1", "ipv4"]
    assert (state.transmit_interval_us, state.detection_time_us) == (50_000, 150_000)
    assert (state.multiplier, state.remote_multiplier, state.diagnostic) == (3, 3, "none")


@pytest.mark.parametrize("mode", ["silent", "one-way"])
def test_what_carrier_does_not_show_is_found_left_and_healed(pair: Pair, mode: str) -> None:
    eventually(pair.whole, 20)
    seen = len(pair.events())
    group, members = pair.lab.route("r1", "10.2.0.0/16")
    options = ["--from", "r1"] if mode == "one-way" else []
    assert pair.lab.run("fail", "link", "ch1", "--mode", mode, *options).returncode == 0
    eventually(lambda: pair.uses(1) and pair.lab.established() == 4)
    assert pair.lab.carriers("ch1") == [True, True]
    assert pair.lab.route("r1", "10.2.0.0/16")[0] == group
    assert len(members) == 2
    assert pair.states("eth2") == {"up"}
    found = {state.node: state.diagnostic for state in pair.bfd().values() if state.interface == "eth1"}
    assert found["r2"] == "detection time expired"
    assert found["r1"] == ("detection time expired" if mode == "silent" else "neighbor signaled down")
    ended = pair.events(seen, "session-down")
    assert len(ended) == 4
    # The far end of one-way hears of it by BGP, or finds it by BFD, whichever is first.
    assert all(": eth1: BFD" in str(event["text"]) or "6/10" in str(event["text"]) for event in ended)
    if mode == "silent":
        expect_a_successor_of_the_guard_to_know(pair)
    pair.lab.run("heal")
    eventually(pair.whole, 20)
    assert pair.states("eth1") == {"up"}


def expect_a_successor_of_the_guard_to_know(pair: Pair) -> None:
    """Killed and started again, the guard puts nothing back that was lost, and takes nothing away."""
    seen = len(pair.events())
    os.kill(pair.lab.json("inspect", "links")["pids"]["guard"], signal.SIGKILL)
    eventually(lambda: pair.states("eth2") == {"up"} and pair.states("eth1") == {"down"}, 20)
    assert all(state.path_lost == (state.interface == "eth1") for state in pair.bfd().values())
    assert pair.uses(1)
    assert pair.events(seen, "interface-up", "interface-down", "session-up", "session-down") == []


def test_intervals_change_under_sessions_and_bfd_goes_without_a_trace(pair: Pair) -> None:
    eventually(pair.whole, 20)
    seen = len(pair.events())
    since = {key: state.since_ns for key, state in pair.bfd().items()}
    pair.edit("r2: {bgp: {", "r2: {bgp: {bfd: {interval: 200ms, multiplier: 5}, ")
    eventually(lambda: all(state.transmit_interval_us == 200_000 for state in pair.bfd().values()))
    assert {key: state.since_ns for key, state in pair.bfd().items()} == since
    assert pair.bfd()["r1", "eth1", "ipv4"].detection_time_us == 1_000_000
    pair.edit("bfd: {interval: 200ms, multiplier: 5}", "bfd: false")
    assert pair.bfd() == {}
    assert pair.whole()
    assert pair.events(seen, "interface-down", "session-down", "bfd-down") == []
