"""`quadlink probe` in a running lab: what it prints, and when it fails."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab.harness import QUADLINK, Lab
from tests.lab.two_hosts import two_hosts
from tests.waiting import eventually

pytestmark = pytest.mark.lab
QUICK = ("--rate", "2000", "--for", "200ms", "--flows", "20")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Hosts a and b on one link."""
    with two_hosts(tmp_path_factory.mktemp("probe") / "probed.yaml", {"link": "{cipher: gcm-aes-128}"}) as up:
        yield up


@pytest.mark.parametrize("family", [(), ("--ipv6",)], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("how", [(), ("--train", "8", "--kernel-time")], ids=["one by one", "in trains"])
def test_every_packet_arrives_both_ways(lab: Lab, family: tuple[str, ...], how: tuple[str, ...]) -> None:
    told = lab.json("probe", "a", "b", *QUICK, *family, *how)
    assert [(way["way"], way["flows"]) for way in told["ways"]] == [("a->b", 20), ("b->a", 20)]
    assert [(way["sent"], way["received"], way["lost"]) for way in told["ways"]] == [(400, 400, 0)] * 2
    assert all(way["latency"]["count"] == 400 for way in told["ways"])
    assert told["latency_until"] == ("network stack" if how else "read")
    assert (told["packets_per_s"], told["instrument_lost"], told["send_errors"]) == (2000, 0, {})
    assert told["unread"] == {}


def test_the_table_has_a_row_for_each_way(lab: Lab) -> None:
    answer = lab.run("probe", "b", "a", *QUICK)
    assert answer.returncode == 0, answer.stderr
    head, *rows = answer.stdout.splitlines()
    assert head.split()[:5] == ["way", "sent", "lost", "loss", "%"]
    assert [row.split()[:3] for row in rows] == [["b->a", "400", "0"], ["a->b", "400", "0"]]


def test_a_way_on_which_nothing_arrives_fails(lab: Lab) -> None:
    assert lab.run("fail", "link", "link", "--mode", "one-way", "--from", "a").returncode == 0
    try:
        answer = lab.run("probe", "a", "b", *QUICK, "--format", "json")
    finally:
        assert lab.run("heal").returncode == 0
    assert answer.returncode == 1
    there, back = json.loads(answer.stdout)["ways"]
    assert (there["lost"], back["lost"]) == (400, 0)
    assert there["longest_gap_ms"] > back["longest_gap_ms"]
    assert (there["latency"]["count"], "p50_us" in there["latency"]) == (0, False)


def test_what_the_machine_loses_before_the_wire_is_told(lab: Lab) -> None:
    def dropped() -> bool:
        """Whether the kernels of both nodes had no room for frames."""
        links = [lab.ip(node, "-s", "link", "show", "up", "type", "tun")[0] for node in "ab"]
        return all(link["stats64"]["tx"]["dropped"] > 0 for link in links)

    engine = lab.ask("links")["pids"]["engine"]
    words = ("probe", "a", "b", "--rate", "20000", "--for", "3s", "--format", "json")
    command = [str(QUADLINK), "--name", lab.name, *words]
    before = lab.link("link")["tx_frames"]
    probe = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    eventually(lambda: lab.ask("links")["links"][0]["tx_frames"] > before + 1000)
    os.kill(engine, signal.SIGSTOP)
    try:
        eventually(dropped)
    finally:
        os.kill(engine, signal.SIGCONT)
    answer, warning = probe.communicate(timeout=30)
    told = json.loads(answer)
    assert told["unread"].keys() == {"a on link", "b on link"}
    # Neighbor discovery may be among it.
    assert 0 < sum(told["unread"].values()) <= sum(way["lost"] for way in told["ways"]) + 10
    assert "this machine lost frames before any wire" in warning
    assert lab.link("link")["drops"]["unread"] == sum(told["unread"].values())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("a", "a"), "probe: found a twice, expected two nodes"),
        (("a", "c"), "no node c; nodes are a, b"),
        (("a", "b", "--size", "17"), "probe: probe size 17: expected 18 to 65487 octets"),
        (("a", "b", "--flows", "4097"), "--flows: found 4097, expected 1 to 4096"),
        (("a", "b", "--for", "3"), "--for: found '3', expected a duration such as 3s, 50ms or 200us"),
    ],
)
def test_what_cannot_be_is_one_sentence(lab: Lab, words: tuple[str, ...], sentence: str) -> None:
    answer = lab.run("probe", *words)
    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", f"quadlink: {sentence}\n")
