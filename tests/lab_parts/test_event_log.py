"""The event log: in a file that outlives controllers, with wall-clock times, followed while it grows."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from netns_lab import event_log
from netns_lab.event_log import POLL_INTERVAL_S, EventKind, EventLog, event_line, read_events


def test_another_controller_knows_the_events_of_the_first_and_skips_what_it_left_half_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path, lambda: 10).add(EventKind.FAULT, "ch1", "ch1 failed (carrier)", mode="carrier")
    with path.open("a") as file:
        file.write('{"t_ns": 15, "kin')
    second = EventLog(path, lambda: 20)
    second.add(EventKind.HEAL, "ch1", "ch1 healed")
    second.add(EventKind.INTERFACE_DOWN, "aws:ch1", "aws:ch1 is down", t_ns=12)
    told = [(event["t_ns"], event["kind"], event["subject"]) for event in second.since(0)]
    assert told == [(10, "fault", "ch1"), (12, "interface-down", "aws:ch1"), (20, "heal", "ch1")]
    assert second.since(12) == second.last(2)
    assert [event["t_ns"] for event in read_events(path)] == [10, 20, 12]
    assert next(read_events(path))["detail"] == {"mode": "carrier"}


def test_a_time_is_told_as_wall_clock_to_the_millisecond(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", time.monotonic_ns)
    before = datetime.now(UTC)
    log.add(EventKind.HEAL, "ch1", "ch1 healed")
    after = datetime.now(UTC)
    event = log.last(1)[0]
    stamp = datetime.fromisoformat(event["time"])
    assert (before - stamp).total_seconds() < 0.01
    assert (stamp - after).total_seconds() < 0.01
    local = stamp.astimezone().strftime("%H:%M:%S.") + f"{stamp.microsecond // 1000:03}"
    assert event_line(event).split() == [local, "heal", "ch1", "healed"]


def test_what_is_to_be_written_later_is_known_at_once_and_written_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    waiting: list[Callable[[], None]] = []
    log = EventLog(path, lambda: 1, waiting.append)
    log.add(EventKind.INTERFACE_DOWN, "aws:ch1", "down", 2)
    log.add(EventKind.FAULT, "ch1", "failed")
    log.add(EventKind.HEAL, "ch1", "healed")
    assert log.knows(EventKind.FAULT, 1, "failed")
    assert not log.knows(EventKind.FAULT, 1, "healed")
    assert list(read_events(path)) == []
    for write in waiting:
        write()
    log.write()
    assert [event["text"] for event in read_events(path)] == ["failed", "healed", "down"]
    log.add(EventKind.FAULT, "ch2", "failed")
    assert len(waiting) == 2


def test_only_the_last_events_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "CAPACITY", 2)
    log = EventLog(tmp_path / "events.jsonl", time.monotonic_ns)
    for t_ns in (5, 5, 6):
        log.add(EventKind.FAULT, "ch1", "", t_ns)
    assert [event["t_ns"] for event in log.since(0)] == [5, 6]
    log.add(EventKind.FAULT, "ch1", "", 7)
    assert not log.knows(EventKind.FAULT, 5)
    assert log.knows(EventKind.FAULT, 6)


def test_following_hears_what_is_added_meanwhile_and_ends_with_the_lab(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, lambda: 1)
    log.add(EventKind.FAULT, "ch1", "")
    events = read_events(path, follow=True)
    assert next(events)["subject"] == "ch1"
    log.add(EventKind.HEAL, "ch2", "")
    assert next(events)["subject"] == "ch2"
    adding = threading.Timer(POLL_INTERVAL_S, lambda: log.add(EventKind.FAULT, "ch3", ""))
    adding.start()
    assert next(events)["subject"] == "ch3"
    path.unlink()
    assert list(events) == []
