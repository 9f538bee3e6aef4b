"""Schedules of impairments: both file forms read alike, and every mistake has its file, line and column."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netns_lab.impairment_trace import COLUMNS, Step, TraceError, parse_trace
from netns_lab.impairments import KEYS

NS_PER_S = 1_000_000_000
EXPECTED = (
    Step(0, {"delay_us": 20_000, "rate_mbps": 100}),
    Step(1_500_000_000, {"rate_mbps": 40, "loss": 0.005}),
    Step(2 * NS_PER_S, {"delay_us": 0, "rate_mbps": 0, "loss": 0}),
)


@pytest.mark.parametrize(
    "text",
    [
        "time,delay,rate,loss\n0,20ms,100mbit,\n1.5s,,40mbit,0.5%\n2s,0,none,0\n",
        "# a path\n\ntime_s, delay_ms, rate_mbps, loss_percent\r\n0,20,1e2,\r\n1.5,,40,.5\r\n2,0,none,0",
        "loss,time_ms,rate_kbps,delay_us\n,0,100000,20000\n0.5%,1500,40000,\n# the end\n0%,2000,none,0",
        '[{"time": "0s", "delay": "20ms", "rate": "100mbit"}, {"time_s": 1.5, "rate_gbps": 4e-2,\n'
        '"loss_percent": 0.5}, {"time_ms": 2000, "delay": 0, "rate": "none", "loss": "0", "jitter": null}]',
    ],
)
def test_every_form_of_a_trace(text: str) -> None:
    assert parse_trace(text, "trace") == EXPECTED


MISTAKES = {
    "time,dely\n": "1: unknown column 'dely', nearest is 'delay'",
    "volume,time\n": "1: unknown column 'volume', expected time or a key such as delay_ms, loss, rate_mbps",
    "delay_mbps,time\n": "1: unknown column 'delay_mbps', nearest is 'delay_ms'",
    "delay,loss\n": "1: found no time, expected a column time, time_s, time_ms or time_us",
    "time,delay,delay_ms\n": "1: delay_ms: found delay twice, expected one column of it",
    "time,loss\n0,1%\n\n1s\n": "4: found 1 cells, expected 2",
    "time,loss\n0,1%\n1s,1\n": "3: loss: found '1', expected a share such as 0.1%, at most 100%",
    "time,loss_percent\n0,101\n": "2: loss_percent: found '101', expected a share such as 0.1%, at most 100%",
    "time,delay_ms\n0,5ms\n": "2: delay_ms: found '5ms', expected a number, whose unit the",
    "time,delay_ms\n0,nan\n": "2: delay_ms: found 'nan', expected a number, whose unit the",
    "time,delay_ms\n0,1e999999999\n": "2: delay_ms: found '1e999999999', expected a number, whose unit",
    "time,delay_ms\n0,-5\n": "2: delay_ms: found '-5', expected a duration such as 5ms, at most 3600s",
    "time,loss\n1,1%\n": "2: time: found '1', expected a time such as 1.5s or 200ms",
    "time,loss\n,1%\n": "2: found no time, expected one for each step",
    "time_s,loss\n0,\n2,\n2,\n": "4: time_s: found '2', expected a time after 2s",
    'time,loss\n0,"1%\n': "2: CSV syntax: unexpected end of data",
    "time,loss\n": "1: found no steps, expected at least one",
    "": "1: found no steps, expected at least one",
    "[]": "1: found no steps, expected at least one",
    '{"time": 0}': '1: expected a list of objects such as {"time": "1s", "delay": "5ms"}',
    '[{"time": 0},\n{"time": 1s}]': "2: JSON syntax: Expecting ',' delimiter",
    "[" * 100_000: "1: found values nested too deeply",
    '[{"time": 0},\n\n7]': '3: expected an object such as {"time": "1s", "delay": "5ms"}',
    '[{"time": 0},\n{"time": "1s",\n"loss": 1}]': "2: loss: found '1', expected a share such as 0.1%",
    '[{"time": 0, "loss": true}]': "1: loss: expected text, a number or null",
    '[{"time": 0, "loss": 0, "loss": "1%"}]': "1: loss: found loss twice, expected one column of it",
    '[{"time": "1s"},\n{"time": "1000ms"}]': "2: time: found '1000ms', expected a time after 1s",
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.items(), ids=range(len(MISTAKES)))
def test_a_mistake_is_told_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(TraceError) as refused:
        parse_trace(text, "some/trace.csv")
    assert str(refused.value).startswith(f"some/trace.csv:{sentence}")


def test_a_trace_has_only_so_many_steps() -> None:
    text = "time_us,loss\n" + "".join(f"{number},0\n" for number in range(40_001))
    with pytest.raises(TraceError, match=r"^trace:40002: found more than 40000 steps, expected fewer$"):
        parse_trace(text, "trace")


cells = st.fixed_dictionaries(
    {"time_ms": st.integers(0, 10**6)},
    optional={
        "delay_ms": st.integers(0, 1000),
        "loss_percent": st.integers(0, 100),
        "rate_mbps": st.one_of(st.just("none"), st.integers(1, 10**6)),
        "queue_kb": st.integers(1, 1000),
    },
)


@given(st.lists(cells, min_size=1, max_size=20, unique_by=lambda row: row["time_ms"]))
def test_csv_and_json_say_the_same(rows: list[dict[str, Any]]) -> None:
    rows.sort(key=lambda row: int(row["time_ms"]))
    columns = ["time_ms", "delay_ms", "loss_percent", "rate_mbps", "queue_kb"]
    lines = [columns, *([str(row.get(column, "")) for column in columns] for row in rows)]
    steps = parse_trace("\n".join(map(",".join, lines)), "trace.csv")
    assert steps == parse_trace(json.dumps(rows, indent=1), "trace.json")
    assert [step.at_ns for step in steps] == [row["time_ms"] * 1_000_000 for row in rows]
    for step, row in zip(steps, rows, strict=True):
        named = {field for column in row if column != "time_ms" for field in KEYS[COLUMNS[column][0]].fields}
        assert step.changes.keys() == named


@given(st.text(alphabet='time_s,delayloss0123.5%\n"[]{}: #', max_size=200))
def test_whatever_a_file_holds_it_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(TraceError):
        assert parse_trace(text, "trace")
