"""What follows from recordings whose every loss is known."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from netns_lab.demo import QUAD
from netns_lab.directory import LabError
from netns_lab.measurement import Measurement
from netns_lab.measurement_report import text
from netns_lab.measuring import FaultRequest, observation_s
from netns_lab.planning import plan_lab
from netns_lab.recording import RECORDING, Recording, refuse_taken
from netns_lab.timeline import Step
from netns_lab.topology import parse_topology

from dataplane.probes.flows import Flow
from tests.stopwatch.recordings import CHANNELS, a_cut_of_ch1, channel_of, cut, quad, record

WAYS = ("aws->gcp", "gcp->aws")


def test_each_way_has_its_flows_its_outages_and_its_losses() -> None:
    measurement = Measurement(a_cut_of_ch1())
    assert measurement.directions == WAYS
    there, back = (measurement.outage(way) for way in WAYS)
    # Eight flows each way were on ch1. Four packets of each are lost, of the first eight.
    assert (there.flows, back.flows) == (8, 8)
    assert (there.lost, back.lost, measurement.lost) == (7 * 4 + 8, 0, 36)
    assert (there.outage_ms_median, there.outage_ms_p99, there.outage_ms_max) == (20.0, 40.0, 40.0)
    assert (there.loss_derived_ms_max, back.outage_ms_max, measurement.outage_ms) == (40.0, 0.0, 40.0)
    assert [measurement.rate_derived_ms(measurement.judged(way)) for way in WAYS] == [40.0, 0.0]
    assert measurement.resolution_ms == 5.0
    first = measurement.results[0]
    assert (first.path_before, first.path_after) == (("ch1",), ("ch2",))
    assert (first.pair.source, first.pair.destination) == ("aws-h1", "gcp-h1")
    assert measurement.rate_derived_ms([first]) == 40.0
    assert measurement.links_before == dict.fromkeys(WAYS, frozenset(CHANNELS))
    assert measurement.links_after == dict.fromkeys(WAYS, frozenset(CHANNELS[1:]))
    assert measurement.survived
    assert (measurement.uncovered, measurement.doubts()) == ([], [])


def test_the_timeline_joins_the_events_of_the_lab_with_the_probes() -> None:
    recording = a_cut_of_ch1()
    steps = [(milestone.step, milestone.t_ns / 1e6) for milestone in Measurement(recording).timeline]
    assert [step for step, _ in steps] == [
        Step.FAULT,
        Step.NEW_PATH,
        Step.DETECTED,
        Step.MOVED,
        Step.NEW_PATH,
        Step.SESSION_DOWN,
        Step.REWRITTEN,
        Step.LAST_LOSS,
        Step.RESTORED,
    ]
    at_ms = dict(steps)
    assert (at_ms[Step.LAST_LOSS], at_ms[Step.RESTORED]) == (35.0, 40.1)
    assert 20 < at_ms[Step.NEW_PATH] < 21


def test_latency_is_told_before_during_and_after() -> None:
    def latency_ns(flow: Flow, at_ms: float) -> int:
        return 100_000 if at_ms < 0 else 900_000 if at_ms < 40 else 200_000

    measurement = Measurement(record(events=a_cut_of_ch1().events, latency_ns=latency_ns))
    spans = [measurement.delivery("aws->gcp", span) for span in ("before", "during", "after")]
    # Nothing was lost: during is up to the last event, at 31 ms.
    assert [span.latency_us_median for span in spans] == [100.0, 900.0, 200.0]
    assert spans[0].latency_us_p99 == 100.0


def test_what_a_failure_cuts_off_is_partitioned_and_no_outage() -> None:
    every = cut(*CHANNELS)
    dark = Measurement(record(lost=lambda flow, at_ms: flow.direction in WAYS and at_ms >= 0, events=[every]))
    assert len(dark.partitioned) == len(dark.results)
    assert (dark.outage_ms, dark.lost, dark.survived) == (0.0, 0, True)
    assert "aws-h1 to gcp-h1 (ipv4)" in dark.as_json()["partitioned"]
    # A way that is only impaired is a way.
    browned = cut(*CHANNELS, mode="brownout")
    assert not Measurement(record(lost=lambda flow, at_ms: at_ms >= 0, events=[browned])).survived


def test_an_outage_shorter_than_a_pause_of_the_machine_cannot_be_told() -> None:
    def lost(flow: Flow, at_ms: float) -> bool:
        return flow.id == 0 and 0 <= at_ms < 10

    told = Measurement(record(lost, events=[cut("ch1")]))
    assert (told.outage_ms, told.doubts()) == (10.0, [])
    paused = Measurement(record(lost, events=[cut("ch1")], skip=lambda at_ms: 100 < at_ms < 130))
    assert paused.host.sender_pause_ms > 29
    assert "cannot be told" in paused.doubts()[0]
    slow = record(lost, events=[cut("ch1")], latency_ns=lambda flow, at_ms: 20_000_000)
    assert Measurement(slow).host.reference_us_max == 20_000.0
    assert "cannot be told" in text(Measurement(slow))


def test_a_path_that_too_few_flows_took_is_told() -> None:
    measurement = Measurement(
        record(channel=lambda flow, at_ms: "ch1" if flow.family == 6 else channel_of(flow))
    )
    assert {(path.way.version, *path.path) for path in measurement.uncovered} == {
        (6, "ch2"),
        (6, "ch3"),
        (6, "ch4"),
    }
    assert "not covered: aws->gcp (IPv6) over ch2: 0 flows" in text(measurement)


def test_what_is_saved_says_the_same_when_it_is_loaded_and_has_no_secret(tmp_path: Path) -> None:
    measurement = Measurement(a_cut_of_ch1())
    measurement.save(tmp_path / "kept")
    assert Measurement.load(tmp_path / "kept").as_json() == json.loads(json.dumps(measurement.as_json()))
    password = quad().sessions[0].password.reveal()
    assert all(password.encode() not in file.read_bytes() for file in (tmp_path / "kept").iterdir())


def test_what_is_no_saved_measurement_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"recording.json: No such file"):
        Recording.load(tmp_path)
    a_cut_of_ch1().save(tmp_path)
    with pytest.raises(LabError, match="expected a directory that is new or empty"):
        refuse_taken(tmp_path)
    document = json.loads((tmp_path / RECORDING).read_text())
    (tmp_path / RECORDING).write_text(json.dumps({**document, "format": 0}))
    with pytest.raises(LabError, match="another version of quadlink"):
        Recording.load(tmp_path)


def test_a_fault_is_watched_until_the_slowest_session_must_have_found_it() -> None:
    def watched_s(change: Callable[[str], str], mode: str, for_s: float | None = None) -> float:
        plan = plan_lab(parse_topology(change(QUAD.read_text())), bytes)
        return observation_s(plan, FaultRequest("link", "ch1", mode, for_s))

    bfd = "bgp: {bfd: {interval: 100ms, multiplier: 5}, asn: 64512"
    assert watched_s(lambda text: text, "carrier") == 1.0
    assert watched_s(lambda text: text, "carrier", 2.5) == 3.5
    assert watched_s(lambda text: text, "silent") == pytest.approx(1.15)
    assert watched_s(lambda text: text.replace("bgp: {asn: 64512", bfd), "silent") == pytest.approx(1.5)
    assert watched_s(lambda text: text.replace("bgp: {", "bgp: {bfd: false, "), "silent") == 6.0


def test_losses_before_the_fault_are_told() -> None:
    measurement = Measurement(record(lambda flow, at_ms: flow.id == 3 and -100 <= at_ms < -50))
    unread = Measurement(replace(measurement.recording, unread={"aws-h1 on aws-lan1": 7}))
    assert "(7 of aws-h1 on aws-lan1)" in unread.doubts()[0]
    assert unread.as_json()["unread"] == {"aws-h1 on aws-lan1": 7}
    assert measurement.doubts()[0].startswith("10 of 2598 packets were lost before the fault")
    assert measurement.lost == 0
