"""What a command prints: one typed document, as a table for people or as JSON for programs."""

import difflib
import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any


class Format(StrEnum):
    """For whom a command prints."""

    TABLE = "table"
    JSON = "json"


class Output:
    """stdout: one document. Everything else a command says goes to stderr."""

    def __init__(self, format: Format) -> None:
        self.format = format

    def document(self, document: object, text: str) -> None:
        """Prints the document as JSON, or the text that says the same."""
        if self.format is Format.JSON:
            print(json.dumps(document, indent=2))
        elif text:
            print(text)

    def line(self, document: object, text: str) -> None:
        """Prints one of many documents, at once: as JSON on one line, or the text that says the same."""
        print(json.dumps(document) if self.format is Format.JSON else text, flush=True)

    def table(self, document: object, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Prints the document as JSON, or rows that say the same."""
        self.document(document, table_text(columns, rows))

    def warn(self, sentence: str) -> None:
        """Says something beside the document."""
        print(f"quadlink: {sentence}", file=sys.stderr, flush=True)


def table_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A plain aligned table; numbers stand on the right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(columns), *cells]) for i in range(len(columns))]
    numeric = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in [list(columns), *cells]
    ]
    return "\n".join(lines)


def shortened(text: str, lines: int, rest: str) -> str:
    """The first lines of a text; where more are left out, how many, and what shows them."""
    every = text.splitlines()
    if len(every) <= lines:
        return text
    return "\n".join([*every[:lines], f"... and {len(every) - lines} more; {rest}"])


def choices(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def nearest(name: str, known: Iterable[str]) -> str:
    """`, nearest is 'x'` for the known name most like `name`, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", nearest is {close[0]!r}" if close else ""


def compact(number: float | None) -> str:
    """A number in at most five characters: 7.25, 310, 12.3k, 9.87M; - for none."""
    if number is None:
        return "-"
    for unit in ("", "k", "M", "G"):
        if number < 999.5:
            digits = 0 if number >= 99.95 or not number % 1 else 1 if number >= 9.995 else 2
            return f"{number:.{digits}f}{unit}"
        number /= 1000
    return f"{number:.0f}T"


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit() or text == "-"
