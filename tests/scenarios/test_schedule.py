"""A scenario's steps as acts in time."""

from netns_lab.scenarios.model import Step
from netns_lab.scenarios.schedule import expand

DRAWN = ["ch1", "ch2", "ch3", "ch4"]


def step(**keys: object) -> Step:
    return Step.model_validate(keys)


def test_a_repeated_act_comes_again_and_each_time_ends_by_itself() -> None:
    acts = expand([step(at="1s", fail={"link": "ch1"}, **{"for": "200ms", "every": "500ms", "count": 3})], 0)
    assert [(act.at_s, act.ends_s) for act in acts] == [(1.0, 1.2), (1.5, 1.7), (2.0, 2.2)]
    assert {act.arguments["for_s"] for act in acts} == {0.2}


def test_acts_are_in_order_of_time_and_expectations_alone_are_none() -> None:
    acts = expand(
        [step(at="1s", fail={"link": "ch1"}), step(at="2s", expect={}), step(at="3s", heal={"link": "ch1"})],
        0,
    )
    assert [(act.at_s, act.step, act.request, act.ends_s) for act in acts] == [
        (1.0, 0, "fail", None),
        (3.0, 2, "heal", None),
    ]


def test_the_seed_alone_decides_which_of_several_fails() -> None:
    steps = [step(at="1s", fail={"link": DRAWN}, **{"for": "1s", "every": "2s", "count": 20})]
    drawn = [[act.text for act in expand(steps, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == len(DRAWN)
