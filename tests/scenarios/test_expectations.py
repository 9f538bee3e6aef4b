"""Expectations held against made-up observations."""

from dataclasses import replace

import pytest
from netns_lab.scenarios.expectations import Observation, judge
from netns_lab.scenarios.model import Expectations

from tests.scenarios.holding import zeroed

SEEN = Observation(
    outage_ms={"a->b": 0.0, "b->a": 40.0},
    outage_median_ms={"a->b": 0.0, "b->a": 10.0},
    outage_p99_ms={"a->b": 0.0, "b->a": 39.0},
    lost={"a->b": 3, "b->a": 7},
    duplicates={"a->b": 0, "b->a": 1},
    latency_median_ms={"a->b": 0.2, "b->a": 0.3},
    latency_p99_ms={"a->b": 1.0, "b->a": None},
    dark=0,
    partitioned=2,
    links=("ch2", "ch3"),
    sessions=6,
    prefixes={"a": 2},
    counters={"InPktsNotValid": 5},
    events={"fault": 1},
    readable={"ch2": 1},
)


@pytest.mark.parametrize(
    ("expect", "passed"),
    [
        ({"outage_ms": {"max": 40}}, True),
        ({"outage_ms": {"max": 39.9}}, False),
        ({"outage_ms": {"min": 41}}, False),
        ({"outage_median_ms": {"max": 10}}, True),
        ({"outage_p99_ms": {"max": 38}}, False),
        ({"lost": 10}, True),
        ({"lost": {"max": 9}}, False),
        ({"duplicates": 0}, False),
        ({"latency_median_ms": {"min": 0.25, "max": 0.3}}, True),
        ({"latency_p99_ms": {"max": 1e9}}, False),
        ({"dark": 0}, True),
        ({"plaintext": "none"}, False),
        ({"partitioned": 0}, False),
        ({"sessions": 6}, True),
        ({"sessions": 8}, False),
        ({"prefixes": {"a": {"min": 2}}}, True),
        ({"prefixes": {"b": {"min": 1}}}, False),
        ({"counters": {"InPktsNotValid": {"min": 5}}}, True),
        ({"counters": {"InPktsLate": {"min": 1}}}, False),
        ({"path": {"uses": ["ch2"]}}, True),
        ({"path": {"uses": ["ch1"]}}, False),
        ({"path": {"avoids": ["ch1"]}}, True),
        ({"path": {"avoids": ["ch2"]}}, False),
        ({"events": {"some": ["fault"]}}, True),
        ({"events": {"some": ["heal"]}}, False),
        ({"events": {"none": ["heal"]}}, True),
        ({"events": {"none": ["fault"]}}, False),
    ],
)
def test_an_expectation_is_held_against_what_was_seen(expect: dict[str, object], passed: bool) -> None:
    (verdict,) = judge(Expectations.model_validate(expect), SEEN)
    assert verdict.passed is passed


def test_a_verdict_says_what_was_expected_and_what_was_measured() -> None:
    (verdict,) = judge(Expectations.model_validate({"outage_ms": {"min": 1, "max": 39}}), SEEN)
    assert str(verdict) == ("outage_ms: expected at least 1 and at most 39, measured a->b 0.0, b->a 40.0")


def test_traffic_that_arrives_nowhere_avoids_nothing() -> None:
    (verdict,) = judge(Expectations.model_validate({"path": {"avoids": ["ch1"]}}), replace(SEEN, links=()))
    assert not verdict.passed


def test_bounds_at_zero_hold_only_of_what_is_zero() -> None:
    lowered = zeroed(
        Expectations.model_validate(
            {
                "lost": {"min": 1, "max": 20},
                "sessions": 6,
                "dark": 0,
                "counters": {"InPktsNotValid": {"max": 9}},
            }
        )
    )
    assert {verdict.what: verdict.passed for verdict in judge(lowered, SEEN)} == {
        "lost": False,
        "sessions": False,
        "dark": True,
        "counters.InPktsNotValid": False,
    }
