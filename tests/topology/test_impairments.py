"""Impairments in words: what is written reads as the same, what is not named stays, nonsense is refused."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netns_lab.impairments import (
    KEYS,
    difference,
    impairment_documents,
    impairment_text,
    impairments_text,
    read_words,
    without_effect,
)

from dataplane.links.specification import Impairment, JitterModel, LossModel

shares = st.floats(0, 1).map(lambda share: round(share, 9))
times_us = st.floats(0, 3.6e9).map(lambda us: round(us, 3))
queues = st.one_of(
    st.fixed_dictionaries({"queue_us": times_us}),
    st.fixed_dictionaries({"queue_octets": st.integers(0, 1 << 30)}),
)
SHARES = ("loss", "enter_burst", "leave_burst", "loss_in_burst", "duplicate", "reorder", "corrupt")


@st.composite
def impairments(draw: st.DrawFn) -> Impairment:
    """Any, with most of it as it is when nothing is impaired."""
    values: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(SHARES, shares),
        **dict.fromkeys(("delay_us", "jitter_us"), times_us),
        "loss_model": st.sampled_from(LossModel),
        "jitter_model": st.sampled_from(JitterModel),
        "reorder_frames": st.integers(1, 1000),
        "rate_mbps": st.integers(1, 10**9).map(lambda kbit: kbit / 1000),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(values)), unique=True, max_size=4))
    queue = draw(st.one_of(st.just({}), queues))
    return Impairment(**{name: draw(values[name]) for name in chosen}, **queue)


def words_of(impairment: Impairment) -> list[str]:
    return [word for word in impairment_text(impairment).split() if word != "none"]


@given(impairments())
def test_what_is_written_reads_as_the_same_impairment(impairment: Impairment) -> None:
    assert Impairment(**read_words(words_of(impairment))) == impairment


@given(impairments(), impairments())
def test_a_change_names_what_differs_and_leaves_the_rest(before: Impairment, after: Impairment) -> None:
    assert replace(before, **difference(before, after)) == after
    assert difference(before, before) == {}
    changed = replace(before, **read_words(words_of(after)))
    named = {field for word in words_of(after) for field in KEYS[word.partition("=")[0]].fields}
    assert all(getattr(changed, name) == getattr(after, name) for name in named)
    assert difference(before, changed).keys() <= named


def test_every_form_of_a_value() -> None:
    words = "delay=5ms jitter=100us jitter_model=pareto loss=0.1% rate=1gbit queue=256kB reorder=1%"
    assert read_words(words.split()) == {
        "delay_us": 5000,
        "jitter_us": 100,
        "jitter_model": "pareto",
        "loss": 0.001,
        "rate_mbps": 1000,
        "queue_octets": 256_000,
        "queue_us": 0,
        "reorder": 0.01,
    }
    assert impairment_text(Impairment(**read_words(words.split()))) == (
        "delay=5ms jitter=100us jitter_model=pareto loss=0.1% reorder=1% rate=1gbit queue=256kB"
    )
    bursts = "loss_model=gilbert-elliott enter_burst=1% leave_burst=25% loss_in_burst=90%"
    assert impairment_text(Impairment(**read_words(bursts.split()))) == bursts


def test_none_and_zero_turn_off() -> None:
    every = Impairment(**read_words([f"{key}=none" for key in KEYS]))
    assert every == Impairment()
    assert read_words(["loss=0", "delay=0", "rate=none", "queue=none"]) == {
        "loss": 0,
        "delay_us": 0,
        "rate_mbps": 0,
        "queue_octets": 0,
        "queue_us": 0,
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("delay", "found 'delay', expected KEY=VALUE, such as delay=5ms"),
        ("dely=5ms", "unknown key 'dely', nearest is 'delay'"),
        ("volume=5", "unknown key 'volume', expected one of delay, jitter, jitter_model, loss,"),
        ("delay=5", "delay: found '5', expected a duration such as 5ms, at most 3600s"),
        ("delay=2h", "delay: found '2h', expected a duration such as 5ms, at most 3600s"),
        ("delay=61m", "delay: found '61m', expected a duration such as 5ms, at most 3600s"),
        ("loss=101%", "loss: found '101%', expected a share such as 0.1%, at most 100%"),
        ("loss=", "loss: found '', expected a share"),
        ("rate=0", "rate: found '0', expected a rate such as 100mbit, from 1kbit to 1000gbit, or none"),
        ("rate=0.5kbit", "rate: found '0.5kbit', expected a rate such as 100mbit, from 1kbit"),
        ("queue=0B", "queue: found '0B', expected a duration or a size such as 50ms or 256kB, or none"),
        ("queue=3%", "queue: found '3%', expected a duration or a size such as 50ms or 256kB, or none"),
        ("reorder_frames=+3", "reorder_frames: found '+3', expected a whole number from 1 to 1000"),
        ("loss_model=ge", "loss_model: found 'ge', expected independent or gilbert-elliott"),
        ("delay=1ms delay=2ms", "delay is given twice, expected it once"),
    ],
)
def test_nonsense_is_refused(words: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        read_words(words.split())


def test_what_does_nothing_is_told() -> None:
    def told(words: str, *impairments: Impairment) -> list[str]:
        return list(without_effect(read_words(words.split()), impairments))

    rated = Impairment(rate_mbps=1, queue_us=5)
    assert told("queue=5us delay=1ms", Impairment(queue_us=5)) == ["queue does nothing without rate"]
    assert told("queue=5us", Impairment(queue_us=5), rated) == []
    assert told("queue=none enter_burst=0", Impairment()) == []
    assert told("enter_burst=1%", Impairment(enter_burst=0.01)) == [
        "enter_burst does nothing without loss_model"
    ]


def test_a_link_in_words() -> None:
    delayed, lossy, none = Impairment(delay_us=5000), Impairment(loss=0.1), Impairment()

    def text(*pair: Impairment) -> str:
        return impairments_text(impairment_documents(("a", "b"), pair))

    assert impairment_documents(("a", "b"), (none, lossy)) == [{"from": "b", "to": "a", "loss": 0.1}]
    assert text(none, none) == "no"
    assert text(delayed, delayed) == "delay=5ms"
    assert text(delayed, none) == "a-b delay=5ms"
    assert text(delayed, lossy) == "a-b delay=5ms, b-a loss=10%"
