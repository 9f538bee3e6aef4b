"""Impairments by hand and by a schedule, in a lab with traffic: what the engine has, what probes see."""

import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dataplane.client import EngineClient
from dataplane.links.specification import Impairment
from tests.lab.harness import Lab
from tests.lab.probing import Probes, probes
from tests.waiting import eventually

pytestmark = pytest.mark.lab

LAN, HOST = "aws-lan1", "aws-h1"
UP, DOWN = "aws-h1-aws", "aws-aws-h1"
NONE = Impairment()
NS_PER_MS = 1_000_000


@pytest.fixture
def lab(quad: Lab) -> Iterator[Lab]:
    """A quad that is left as unimpaired as it was."""
    yield quad
    assert quad.run("impair", "clear").returncode == 0


def now(engine: EngineClient, link: str = LAN) -> tuple[Impairment, Impairment]:
    """What the frames of the router suffer, and those of the host."""
    return next(state for state in engine.links() if state.name == link).impairments


def done(lab: Lab, *words: str) -> str:
    answer = lab.run("impair", *words)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def playing(lab: Lab) -> list[dict[str, Any]]:
    links = lab.json("impair", "show", LAN)["links"]
    return [play for link in links for play in link["playing"]]


def through_host(running: Probes) -> dict[str, tuple[float, float]]:
    """Of the packets that HOST sends, receives, or neither: the share lost, and the least latency in ms."""
    assert running.lost > 0
    assert running.records is not None
    kinds = {
        flow.id: "sends"
        if str(flow.source_namespace).endswith(HOST)
        else "receives"
        if str(flow.destination_namespace).endswith(HOST)
        else "neither"
        for flow in running.session.flows
    }
    sent, received, found = running.records.sent, running.records.received, {}
    for kind in ("sends", "receives", "neither"):
        ids = [flow for flow in kinds if kinds[flow] == kind]
        arrived = received[[flow in ids for flow in received["flow"]]]
        count = sum(flow in ids for flow in sent["flow"])
        least_ns = min(arrived["rx_ns"] - arrived["tx_ns"], default=0)
        found[kind] = 1 - len(arrived) / count, int(least_ns) / NS_PER_MS
    return found


def test_what_is_set_is_merged_shown_felt_and_cleared(lab: Lab, engine: EngineClient) -> None:
    assert lab.run("ping-all").returncode == 0  # neighbors whose answers are lost are asked again after 1 s
    assert done(lab, "set", LAN, "delay=20ms", "loss=1%") == f"link {LAN}: delay=20ms loss=1%\n"
    done(lab, "set", LAN, "--direction", UP, "loss=30%", "jitter=100us")
    with probes(lab.plan) as running:
        assert done(lab, "set", LAN, "--direction", DOWN, "loss=0", "rate=1gbit", "queue=256kB") == (
            f"link {LAN}: {DOWN} delay=20ms rate=1gbit queue=256kB, {UP} delay=20ms jitter=100us loss=30%\n"
        )
        assert now(engine) == (
            Impairment(delay_us=20_000, rate_mbps=1000, queue_octets=256_000),
            Impairment(delay_us=20_000, jitter_us=100, loss=0.3),
        )
        eventually(lambda: lab.link(LAN)["drops"]["loss"] > 300)
    felt = through_host(running)
    assert 0.1 < felt["sends"][0] < 0.5
    assert felt["receives"][0] < 0.05  # 1 % until it was set to none
    assert felt["neither"][0] == 0
    assert felt["sends"][1] > 19
    assert felt["receives"][1] >= 20
    assert done(lab, "show").splitlines()[1:] == [
        f"{LAN}  {DOWN}  delay=20ms rate=1gbit queue=256kB  nothing",
        f"{LAN}  {UP}  delay=20ms jitter=100us loss=30%   nothing",
    ]
    shown = lab.json("impair", "show", LAN)["links"][0]["impairments"]
    assert shown == lab.link(LAN)["impairments"]
    assert shown[1] == {"from": HOST, "to": "aws", "loss": 0.3, "delay_us": 20_000, "jitter_us": 100}
    assert done(lab, "clear", LAN, "--direction", UP) == f"cleared: {LAN}\n"
    assert (now(engine)[0].delay_us, now(engine)[1]) == (20_000, NONE)
    warned = lab.run("impair", "set", LAN, "--direction", UP, "queue=50ms", "corrupt=1%")
    assert warned.stderr == "quadlink: queue does nothing without rate\n"
    assert now(engine)[1] == Impairment(queue_us=50_000, corrupt=0.01)
    assert done(lab, "clear") == f"cleared: {LAN}\n"
    assert done(lab, "clear", LAN) == "cleared: nothing was impaired\n"
    assert now(engine) == (NONE, NONE)
    last = lab.json("inspect", "events")["events"][-1]
    assert (last["kind"], last["text"]) == ("impaired", f"{LAN} is not impaired")


def test_what_cannot_be_is_refused_and_changes_nothing(lab: Lab, engine: EngineClient) -> None:
    for words, sentence in (
        (("set", "aws-lan9", "loss=1%"), "no link aws-lan9, nearest is 'aws-lan2'"),
        (
            ("set", LAN, "--direction", "aws-gcp", "loss=1%"),
            f"link {LAN}: found direction 'aws-gcp', expected",
        ),
        (("set", LAN, "los=1%"), "impair set: unknown key 'los', nearest is 'loss'"),
        (("clear", "--direction", UP), "--direction goes with a link, expected its name"),
        (("play", LAN, "/nowhere/trace.csv"), "[Errno 2] No such file or directory: '/nowhere/trace.csv'"),
    ):
        answer = lab.run("impair", *words)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.startswith(f"quadlink: {sentence}")
    assert now(engine) == (NONE, NONE)


def test_a_schedule_plays_to_its_end_and_leaves_what_it_does_not_name(
    lab: Lab, engine: EngineClient, tmp_path: Path
) -> None:
    done(lab, "set", LAN, "jitter=1ms", "loss=5%")
    trace = tmp_path / "trace.csv"
    trace.write_text("time_ms,delay_ms,loss\n0,1,\n100,2,\n200,3,1%\n")
    assert done(lab, "play", LAN, str(trace)) == f"link {LAN}: plays {trace} for 0.2 s\n"
    last = Impairment(delay_us=3000, jitter_us=1000, loss=0.01)
    eventually(lambda: now(engine) == (last, last))
    eventually(lambda: playing(lab) == [])
    events = [it for it in lab.json("events", "--since", "60s")["events"] if it["kind"] == "trace-ended"]
    assert {(it["detail"]["from"], it["detail"]["played"]) for it in events[-2:]} == {("aws", 3), (HOST, 3)}
    trace.write_text("time_ms,delay_ms\n0,1\n100,two\n")
    answer = lab.run("impair", "play", LAN, str(trace))
    assert answer.returncode == 2
    assert answer.stderr == (
        f"{trace}:3: delay_ms: found 'two', expected a number, whose unit the column's name tells\n"
    )


def test_a_loop_goes_on_under_the_next_controller_until_it_is_stopped(
    lab: Lab, engine: EngineClient, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.json"
    trace.write_text('[{"time": "0s", "delay_ms": 1}, {"time": "30ms", "delay_ms": 2}]')
    done(lab, "play", LAN, str(trace), "--direction", UP, "--loop")
    answer = lab.run("impair", "play", LAN, str(trace))
    assert answer.returncode == 2
    assert f"{trace} is playing on {UP} already; `quadlink impair stop {LAN}` ends it" in answer.stderr

    controller, (before,) = lab.json("inspect", "links")["pids"]["controller"], playing(lab)
    os.kill(controller, signal.SIGKILL)
    eventually(lambda: lab.json("inspect", "links")["pids"]["controller"] != controller)
    eventually(lambda: playing(lab)[0]["played"] > before["played"] + 10)
    begins = [datetime.fromisoformat(play["since"]) for play in (before, playing(lab)[0])]
    assert abs(begins[1] - begins[0]) < timedelta(seconds=0.1)
    for delay_us in (1000, 2000, 1000):
        eventually(partial(has_delay, engine, delay_us))
    done(lab, "set", LAN, "--direction", UP, "loss=2%")
    assert done(lab, "stop", LAN, "--direction", DOWN) == "stopped: nothing was playing\n"
    assert done(lab, "stop") == f"stopped: {trace} on {LAN} {UP}\n"
    assert now(engine)[1].delay_us in (1000, 2000)
    assert (now(engine)[0], now(engine)[1].loss, playing(lab)) == (NONE, 0.02, [])
    assert not [*lab.directory.path.glob("*.play")]

    done(lab, "play", LAN, str(trace), "--loop")
    assert len(playing(lab)) == 2
    assert done(lab, "clear", LAN) == f"cleared: {LAN}\n"
    assert (now(engine), playing(lab)) == ((NONE, NONE), [])


def has_delay(engine: EngineClient, delay_us: float) -> bool:
    return now(engine)[1].delay_us == delay_us
