"""A scenario's steps as acts in time, and what a rehearsal of them finds."""

import pytest
from netns_lab.plan import LabPlan
from netns_lab.planning import plan_lab
from netns_lab.scenarios.model import Step
from netns_lab.scenarios.rehearsal import Refused, rehearse
from netns_lab.scenarios.schedule import agenda, expand
from netns_lab.templates import SHIPPED
from netns_lab.topology import load_topology

DRAWN = ["ch1", "ch2", "ch3", "ch4"]


@pytest.fixture(scope="module")
def plan() -> LabPlan:
    return plan_lab(load_topology(SHIPPED / "quad.yaml"), bytes)


def step(at: str, **keys: object) -> Step:
    return Step.model_validate({"at": at} | keys)


def test_a_repeated_act_comes_again_and_each_time_ends_by_itself() -> None:
    acts = expand([step("1s", fail={"link": "ch1"}, **{"for": "200ms", "every": "500ms", "count": 3})], 0)
    assert [(act.at_s, act.ends_s) for act in acts] == [(1.0, 1.2), (1.5, 1.7), (2.0, 2.2)]
    assert {act.arguments["for_s"] for act in acts} == {0.2}


def test_acts_of_all_steps_come_in_order_of_time_and_after_the_beginning_of_their_step() -> None:
    steps = [
        step("1s", announce={"node": "gcp", "prefixes": ["20.0.0.0/16"]}, **{"for": "3s"}),
        step("2s", expect={}),
        step("3s", fail={"link": "ch1"}),
        step("5s", heal={"link": "ch1"}),
    ]
    assert [(at_s, act and act.request) for at_s, act in agenda(steps, expand(steps, 0))] == [
        (1.0, None),
        (1.0, "announce"),
        (2.0, None),
        (3.0, None),
        (3.0, "fail"),
        (4.0, "withdraw"),
        (5.0, None),
        (5.0, "heal"),
    ]


def test_the_seed_alone_decides_which_of_several_fails() -> None:
    steps = [step("1s", fail={"link": DRAWN}, **{"for": "1s", "every": "2s", "count": 20})]
    drawn = [[act.text for act in expand(steps, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == len(DRAWN)


def test_a_rehearsal_knows_when_a_fault_ends_that_counts_for_itself(plan: LabPlan) -> None:
    flap = step("1s", fail={"link": "ch1", "mode": "flap", "period": "200ms", "count": 5})
    (act,) = rehearse(expand([flap, step("1500ms", expect={})], 0), plan)
    assert act.ends_s == 2.0


CUT = {"link": "ch1"}
ASKED = {"node": "gcp", "prefixes": ["20.0.0.0/16"]}
REFUSED = {
    "twice": ([step("1s", fail=CUT), step("2s", fail=CUT)], 1, "link ch1: already failed (carrier)"),
    "no such link": ([step("1s", fail={"link": "ch9"})], 0, "no link ch9, nearest is"),
    "option of another mode": (
        [step("1s", fail=CUT | {"from": "aws"})],
        0,
        "--from goes with --mode one-way",
    ),
    "healed already": ([step("1s", fail=CUT, **{"for": "1s"}), step("3s", heal=CUT)], 1, "has no fault then"),
    "no router": ([step("1s", announce=ASKED | {"node": "gcp-h1"})], 0, "no router gcp-h1"),
    "own prefix": ([step("1s", announce=ASKED | {"prefixes": ["10.2.0.0/16"]})], 0, "by its topology"),
    "withdrawn twice": (
        [step("1s", announce=ASKED), step("2s", withdraw=ASKED), step("3s", withdraw=ASKED)],
        2,
        "gcp does not announce 20.0.0.0/16 then",
    ),
}


@pytest.mark.parametrize(("steps", "at", "why"), REFUSED.values(), ids=REFUSED)
def test_a_rehearsal_finds_what_the_controller_would_refuse(
    steps: list[Step], at: int, why: str, plan: LabPlan
) -> None:
    with pytest.raises(Refused, match=why.replace("(", r"\(").replace(")", r"\)")) as caught:
        rehearse(expand(steps, 0), plan)
    assert caught.value.act.step == at
