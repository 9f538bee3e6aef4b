"""Echo requests from a namespace: answers bring their number back, and nobody else's are taken for ours."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest

from dataplane.probes import echo
from dataplane.probes.echo import EchoSocket

pytestmark = pytest.mark.lab
NAME = f"probes-echo-{os.getpid()}"
ADDRESSES = {"127.0.0.1": "127.0.0.2", "::1": "fd99::1"}


@pytest.fixture
def namespace() -> Iterator[str]:
    """One with a loopback that has all of ADDRESSES."""
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        subprocess.run(["ip", "-n", NAME, "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "-n", NAME, "address", "add", "fd99::1/128", "dev", "lo"], check=True)
        yield NAME
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)


@pytest.mark.parametrize("address", ADDRESSES)
def test_each_answer_brings_its_number_and_comes_from_who_was_asked(namespace: str, address: str) -> None:
    numbers = [0, 1, 65536, 2**32 - 1]
    with closing(EchoSocket(namespace, address)) as source:
        for number in numbers:
            source.ask(ADDRESSES[address], number)
        heard: list[tuple[str, int]] = []
        while len(heard) < len(numbers):
            select.select([source], [], [])
            heard += source.answers()
    assert heard == [(ADDRESSES[address], number) for number in numbers]


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_another_process_asked_is_not_an_answer(
    namespace: str, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with closing(EchoSocket(namespace, address)) as source:
        source.ask(ADDRESSES[address], 1)
        select.select([source], [], [])
        monkeypatch.setattr(echo, "_MAGIC", 5)
        assert list(source.answers()) == []


def test_what_has_no_route_is_not_answered_and_no_error(namespace: str) -> None:
    with closing(EchoSocket(namespace, "127.0.0.1")) as source:
        source.ask("198.51.100.1", 1)
        assert list(source.answers()) == []


def test_an_address_that_is_not_there_is_refused(namespace: str) -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"):
        EchoSocket(namespace, "198.51.100.1")
