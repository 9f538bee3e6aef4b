"""A schedule of impairments from a CSV or JSON file: at which time what changes. Pure: text in, steps out.

A CSV file has a header; a JSON file is a list of objects. A column is a key of `impair`, whose values carry
units (`delay`: `5ms`), or a key and a unit, whose values are numbers (`delay_ms`: `5`). An empty cell, `null`
or a column that is not there leaves a value as it is. Blank lines of CSV and those that begin with # are
left out.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from dataplane.interface import ImpairmentChanges
from netns_lab.directory import LabError
from netns_lab.impairments import KEYS, NONE, read_value
from netns_lab.output import nearest
from netns_lab.units import duration_us

MAXIMUM_STEPS = 40_000
MAXIMUM_DIGITS = 20
TIME = "time"
NS_PER_US = 1000
NS_PER_S = 1e9
UNITS = {
    "us": "us",
    "ms": "ms",
    "s": "s",
    "percent": "%",
    "kbps": "kbit",
    "mbps": "mbit",
    "gbps": "gbit",
    "octets": "B",
    "bytes": "B",
    "kb": "kB",
}
"""What a column's name may end in, behind `_`, and how we write that unit."""


_BETWEEN = re.compile(r"[\s,]*")


class TraceError(LabError):
    """A trace that cannot be played; the text begins with file and line, as compilers write them."""

    prefix = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What changes, so many nanoseconds after the begin."""

    at_ns: int
    changes: ImpairmentChanges


def parse_trace(text: str, file: str) -> tuple[Step, ...]:
    """The steps of a trace. Raises TraceError naming file, line and column."""
    reader = _Reader(file)
    steps: list[Step] = []
    for row in reader.json_rows(text) if text.lstrip()[:1] in ("[", "{") else reader.csv_rows(text):
        steps.append(reader.step(row, steps[-1].at_ns if steps else None))
        if len(steps) > MAXIMUM_STEPS:
            raise reader.error("", f"found more than {MAXIMUM_STEPS} steps, expected fewer")
    if not steps:
        raise reader.error("", "found no steps, expected at least one")
    return tuple(steps)


_read_value = lru_cache(4096)(read_value)


def _read(key: str, text: str) -> Any:  # noqa: ANN401 - a time or what a key changes
    """Raises ValueError("expected ...")."""
    if key != TIME:
        return _read_value(key, text)
    try:
        return 0 if text == "0" else round(duration_us(text) * NS_PER_US)
    except ValueError:
        raise ValueError("expected a time such as 1.5s or 200ms") from None


def _accepts(key: str, text: str) -> bool:
    try:
        _read(key, text)
    except ValueError:
        return False
    return True


COLUMNS: Mapping[str, tuple[str, str]] = {key: (key, "") for key in (TIME, *KEYS)} | {
    f"{key}_{ending}": (key, unit)
    for key in (TIME, *KEYS)
    for ending, unit in UNITS.items()
    if _accepts(key, f"1{unit}")
}
"""Every column by name: its key, and the unit of its numbers, empty where the values carry theirs."""


def _number(cell: str) -> str:
    """Without an exponent, which a value with a unit does not have."""
    try:
        number = Decimal(cell)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number.adjusted()) > MAXIMUM_DIGITS:
        raise ValueError("expected a number, whose unit the column's name tells")
    return f"{number:f}"


class _Reader:
    """Reads one file; `line` is that of the row that is being read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.line = 1

    def error(self, column: str, message: str) -> TraceError:
        place = f"{self.file}:{self.line}"
        return TraceError(": ".join(part for part in (place, column, message) if part))

    def csv_rows(self, text: str) -> Iterator[Mapping[str, str]]:
        """Every row under the header, by column."""
        rows = csv.reader(text.splitlines(), skipinitialspace=True, strict=True)
        header: list[str] = []
        try:
            for row in rows:
                self.line = rows.line_num
                cells = [cell.strip() for cell in row]
                if not any(cells) or cells[0].startswith("#"):
                    continue
                if not header:
                    header = cells
                    self.check_columns(header)
                elif len(cells) != len(header):
                    raise self.error("", f"found {len(cells)} cells, expected {len(header)}")
                else:
                    yield dict(zip(header, cells, strict=True))
        except csv.Error as error:
            self.line = rows.line_num
            raise self.error("", f"CSV syntax: {error}") from None

    def json_rows(self, text: str) -> Iterator[Mapping[str, str]]:
        """Every object of the list, its numbers as they are written."""
        try:
            if not isinstance(json.loads(text), list):
                raise self.error("", 'expected a list of objects such as {"time": "1s", "delay": "5ms"}')
        except json.JSONDecodeError as error:
            self.line = error.lineno
            raise self.error("", f"JSON syntax: {error.msg}") from None
        except RecursionError:
            raise self.error("", "found values nested too deeply") from None
        decoder = json.JSONDecoder(
            object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=str
        )
        at = text.index("[") + 1
        self.line += text.count("\n", 0, at)
        while text[start := _BETWEEN.match(text, at).end()] != "]":  # type: ignore[union-attr]
            self.line += text.count("\n", at, start)
            pairs, at = decoder.raw_decode(text, start)
            yield self.json_row(pairs)
            self.line += text.count("\n", start, at)

    def json_row(self, pairs: object) -> Mapping[str, str]:
        if not isinstance(pairs, _Pairs):
            raise self.error("", 'expected an object such as {"time": "1s", "delay": "5ms"}')
        self.check_columns([column for column, _ in pairs])
        for column, value in pairs:
            if value is not None and not isinstance(value, str):
                raise self.error(column, "expected text, a number or null")
        return {column: value or "" for column, value in pairs}

    def check_columns(self, columns: Sequence[str]) -> None:
        keys: set[str] = set()
        for column in columns:
            if column not in COLUMNS:
                hint = (
                    nearest(column, COLUMNS) or ", expected time or a key such as delay_ms, loss, rate_mbps"
                )
                raise self.error("", f"unknown column {column!r}{hint}")
            key, _ = COLUMNS[column]
            if key in keys:
                raise self.error(column, f"found {key} twice, expected one column of it")
            keys.add(key)
        if TIME not in keys:
            raise self.error("", "found no time, expected a column time, time_s, time_ms or time_us")

    def step(self, row: Mapping[str, str], before_ns: int | None) -> Step:
        """What a row says, which comes after a step at `before_ns`."""
        at_ns: int | None = None
        changes: ImpairmentChanges = {}
        for column, cell in row.items():
            key, unit = COLUMNS[column]
            if not cell:
                continue
            try:
                value = _read(key, _number(cell) + unit if unit and cell != NONE else cell)
            except ValueError as error:
                raise self.error(column, f"found {cell!r}, {error}") from None
            if key != TIME:
                changes |= value
            elif before_ns is not None and value <= before_ns:
                raise self.error(column, f"found {cell!r}, expected a time after {before_ns / NS_PER_S:g}s")
            else:
                at_ns = value
        if at_ns is None:
            raise self.error("", "found no time, expected one for each step")
        return Step(at_ns, changes)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, its keys as often as they are written."""
