"""`quadlink announce` and `withdraw`: many prefixes at run time, also for the next controller."""

import os
import signal

import pytest

from tests.lab.harness import Lab
from tests.waiting import eventually

pytestmark = pytest.mark.lab

BLOCK = ("20.0.0.0/14", "--split", "24")
PREFIXES = 1024


def _learned(quad: Lab) -> int:
    routes = quad.ip("gcp", "-4", "route", "show", "root", "20.0.0.0/14")
    return sum("nhid" in route for route in routes)


def _controller(quad: Lab) -> int:
    pid: int = quad.json("inspect", "nodes")["pids"]["controller"]
    return pid


def test_prefixes_reach_the_far_kernel_outlive_the_controller_and_go(quad: Lab) -> None:
    answer = quad.json("announce", "aws", *BLOCK)
    assert answer == {"node": "aws", "changed": PREFIXES, "announced": PREFIXES}
    eventually(lambda: _learned(quad) == PREFIXES, 20)
    eventually(lambda: quad.paths("gcp", "20.3.255.0/24") == 4, 20)
    assert len(quad.json("inspect", "routes", "20.0.0.0/14", "--node", "gcp")["routes"]) == PREFIXES
    summary = quad.run("inspect", "routes").stdout
    assert len(summary.splitlines()) < 10
    assert f"{PREFIXES + 1}  10.1.0.0/16 20.0.0.0/24 20.0.1.0/24 ..." in summary
    announces = {node["name"]: node["announces"] for node in quad.json("inspect", "nodes")["nodes"]}
    assert announces["aws"] == PREFIXES + 2
    assert announces["gcp-h1"] is None

    killed = _controller(quad)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: _controller(quad) != killed, 20)
    eventually(lambda: quad.established() == 16, 20)
    answer = quad.json("withdraw", "aws", "20.2.0.0/15", "--split", "24")
    assert answer == {"node": "aws", "changed": PREFIXES // 2, "announced": PREFIXES // 2}
    eventually(lambda: _learned(quad) == PREFIXES // 2, 20)
    assert quad.ip("aws", "-4", "route", "show", "20.1.255.0/24")[0]["type"] == "unreachable"
    quad.json("withdraw", "aws", "20.0.0.0/15", "--split", "24")
    eventually(lambda: _learned(quad) == 0, 20)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("announce", "avs", "20.0.0.0/9"), "no node avs, nearest is 'aws'"),
        (("announce", "aws-h1", "20.0.0.0/9"), "aws-h1 speaks no BGP, so it announces nothing"),
        (("announce", "aws", "20.1.0.0/9"), "expected a prefix with no bits beyond its length"),
        (("announce", "aws", "224.0.0.0/9"), "expected a unicast prefix, found 224.0.0.0/9"),
        (
            ("announce", "aws", "20.0.0.0/9", "--split", "8"),
            "--split: found 8, expected 9 to 32 for 20.0.0.0/9",
        ),
        (("announce", "aws", "fd04::/16", "--split", "64"), "--split: found 64, which makes 2^48 prefixes"),
        (("announce", "aws", "10.1.0.0/16"), "aws announces 10.1.0.0/16 already, by its topology"),
        (("withdraw", "aws", "10.1.0.0/16"), "10.1.0.0/16 is announced by aws's topology"),
        (("withdraw", "aws", "20.0.0.0/9"), "aws does not announce 20.0.0.0/9"),
    ],
)
def test_what_cannot_be_announced_is_refused_in_one_sentence(
    quad: Lab, words: tuple[str, ...], sentence: str
) -> None:
    answer = quad.run(*words)
    assert answer.returncode == 2
    assert sentence in answer.stderr
    assert answer.stderr.count("\n") == 1
