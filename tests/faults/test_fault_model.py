"""Faults as requests ask for them: read against a plan, refused with a sentence, kept in a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from netns_lab.directory import LabError
from netns_lab.faults.model import CUT, Fault, refusal
from netns_lab.faults.registry import Registry
from netns_lab.faults.request import read_fault
from netns_lab.faults.routers import RouterWish, wish
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.topology import load_topology

from tests.lab.harness import QUAD

S = 1_000_000_000


@pytest.fixture(scope="module")
def quad() -> LabPlan:
    return plan_lab(load_topology(QUAD), bytes)


def read(plan: LabPlan, kind: str, name: str, mode: str, for_s: float | None = None, **options: Any) -> Fault:  # noqa: ANN401
    return read_fault(plan, S, kind, name, mode, for_s, options)


def test_a_fault_knows_when_it_ends_and_what_it_reaches(quad: LabPlan) -> None:
    fault = read(quad, "link", "ch1", "silent", 3)
    assert (fault.since_ns, fault.until_ns, fault.links) == (S, 4 * S, ("ch1",))
    assert read(quad, "link", "ch1", "flap", period_s=0.5, count=4).until_ns == 3 * S
    assert read(quad, "link", "ch1", "flap").until_ns is None


@pytest.mark.parametrize(
    ("words", "options", "sentence"),
    [
        (("link", "ch9", "silent"), {}, "no link ch9"),
        (("planet", "ch1", "silent"), {}, "found 'planet', expected link"),
        (("link", "ch1", "loud"), {}, "found mode 'loud', expected carrier, silent, one-way"),
        (("link", "ch1", "silent"), {"from_node": "aws"}, "--from goes with --mode one-way, brownout"),
        (("link", "ch1", "silent"), {"sound": 1}, "found option 'sound'"),
        (("node", "aws", "silent"), {}, "found mode 'silent', expected dead, frozen"),
        (("group", "site", "silent"), {}, "no group site; the topology has no groups"),
        (("bgp", "aws:mars", "reset"), {}, "no peer mars"),
        (("bgp", "aws:gcp", "leak"), {}, "mode leak is of a whole router, expected aws"),
        (("bgp", "aws-h1", "reset"), {}, "aws-h1 runs no ExaBGP"),
        (("controller", "controller", "killed", 3), {}, "--for goes with every mode but killed"),
        (("link", "ch1", "brownout"), {}, "found no impairment"),
        (("link", "ch1", "brownout"), {"impairment": {"loss": 2}}, "found loss 2, expected a share"),
        (("link", "ch1", "flap"), {"count": 0}, "found 0, expected 1 to"),
        (("link", "ch1", "flap"), {"period_s": 1e-6}, "expected at least"),
        (("link", "ch1", "silent", -1.0), {}, "expected a time above 0"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    quad: LabPlan, words: tuple[Any, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(LabError, match=sentence):
        read(quad, *words, **options)


def test_what_would_hide_another_fault_of_the_same_thing_is_refused_and_the_rest_is_not(
    quad: LabPlan,
) -> None:
    active = [read(quad, "link", "ch1", "silent"), read(quad, "link", "ch2", "carrier")]
    for mode in ("silent", "carrier", "flap"):
        why = refusal(read(quad, "link", "ch1", mode), active)
        assert why == "link ch1: already failed (silent); heal it first"
    brownout = read(quad, "link", "ch1", "brownout", impairment={"loss": 0.1})
    assert refusal(brownout, active) is None
    assert refusal(brownout, [*active, brownout]) is not None
    assert refusal(read(quad, "link", "ch3", "silent"), active) is None


def test_the_file_gives_the_next_controller_what_the_last_one_had(quad: LabPlan, tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    faults = [
        read(quad, "link", "ch1", "one-way", 3, from_node="gcp"),
        read(quad, "link", "ch2", "brownout", impairment={"loss": 0.1}),
    ]
    first = Registry(path)
    for fault in faults:
        first.put(fault)
    assert list(Registry(path)) == faults
    assert first.take(faults[0].id) == faults[0]
    assert first.take(faults[0].id) is None
    assert list(Registry(path)) == faults[1:]
    path.write_text("[{")
    assert list(Registry(path)) == []


def test_a_router_is_held_drained_and_flooded_until_the_last_fault_that_says_so_has_ended(
    quad: LabPlan,
) -> None:
    upkeep = [read(quad, "link", name, "maintenance") for name in ("ch1", "ch2")]
    over_one = {each.seen_from("aws")[1].address for each in quad.sessions_over("ch1")}
    assert wish("aws", upkeep[:1], quad) == RouterWish(leaving=frozenset(over_one))
    cut = [replace(fault, phase=CUT) for fault in upkeep]
    assert wish("aws", [cut[0], upkeep[1]], quad).drained == over_one
    assert len(wish("gcp", cut, quad).drained) == 4
    assert wish("aws", [], quad) == RouterWish()
    dead, killed = read(quad, "node", "aws", "dead"), read(quad, "bgp", "aws", "speaker-killed", 3)
    assert wish("aws", [dead], quad).held
    assert wish("aws", [killed], quad).held
    assert not wish("aws", [replace(killed, until_ns=None)], quad).held
    assert not wish("gcp", [dead, killed], quad).held
    flooding = wish(
        "gcp", [read(quad, "bgp", "gcp", "flood", count=7), read(quad, "bgp", "gcp", "leak")], quad
    )
    assert (flooding.flood, flooding.leaks, flooding.held) == (7, True, False)
    assert refusal(read(quad, "bgp", "aws", "leak"), [dead]) == "bgp aws: node aws is dead; heal it first"


def test_a_fault_of_a_node_or_a_session_reaches_the_links_that_lead_there(quad: LabPlan) -> None:
    assert read(quad, "node", "aws", "dead").links == ("ch1", "ch2", "ch3", "ch4", "aws-lan1", "aws-lan2")
    assert read(quad, "bgp", "aws:gcp", "reset").links == ("ch1", "ch2", "ch3", "ch4")
    assert read(quad, "bgp", "aws", "reset").nodes == ("aws", "gcp")
