"""The guard's process where it cannot see all of a lab."""

import errno
from types import SimpleNamespace
from typing import Any

import pytest
from netns_lab import guard
from netns_lab.guard import GuardProcess

from control.guard.channel import states_document
from dataplane.lines import Document


def test_a_look_that_fails_leaves_no_guard_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Document] = []

    def look(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    process: Any = object.__new__(GuardProcess)
    process._directory, process._ifindexes = None, {}
    process._engine_ends, process._watch_routers = list, look
    process._bfd = SimpleNamespace(states=list)
    process._subscribers = SimpleNamespace(publish=told.append)
    monkeypatch.setattr(guard, "load_plan", lambda _: None)
    process._reload()
    assert not process._silent
    assert told == [states_document([])]
