"""YAML 1.2 to values that know their line and field path, and the one error of topology files.

Left out on purpose: tags, merge keys (`<<`, dropped by YAML 1.2; `defaults` serve the same need) and several
documents in one file. Nothing here knows what a topology is.
"""

from __future__ import annotations

import dataclasses
import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from netns_lab.directory import LabError

MAX_OCTETS = 4 * 1024 * 1024
MAX_VALUES = 250_000
MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
# What a plain value may turn out to be; a date or a lone `=` stays text.
_KINDS = {
    MappingNode: {"map"},
    SequenceNode: {"seq"},
    ScalarNode: {"str", "int", "float", "bool", "null", "timestamp", "value", "merge"},
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a file; `line` counts from 1 and is 0 where the whole file is meant."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


class TopologyError(LabError):
    """A topology that cannot be used; `str()` is one line for each of its problems."""

    prefix = ""
    """Each line begins with file and line already, as compilers write them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(slots=True)
class Value:
    """One YAML value and where it was written: its line, the line of its key, its path in the file."""

    line: int
    key_line: int
    field: str
    data: object = dataclasses.field(repr=False)

    def plain(self) -> object:
        """The value without its places: dict, list, str, int, float, bool or None."""
        if isinstance(self.data, dict):
            return {key: value.plain() for key, value in self.data.items()}
        if isinstance(self.data, list):
            return [value.plain() for value in self.data]
        return self.data

    def replaced(self, data: object) -> Value:
        """Other data in the same place."""
        return Value(self.line, self.key_line, self.field, data)

    def get(self, *path: object) -> Value | None:
        """The value at a path of keys and indices, None where there is none."""
        value: Value | None = self
        for step in path:
            data = value.data if value else None
            if isinstance(data, dict) and isinstance(step, str):
                value = data.get(step)
            elif isinstance(data, list) and isinstance(step, int) and step < len(data):
                value = data[step]
            else:
                return None
        return value

    def over(self, base: Value | None) -> Value:
        """This value over `base`: mappings merge, anything else replaces. Both keep their places."""
        if base is None or not isinstance(self.data, dict) or not isinstance(base.data, dict):
            return self
        merged = dict(base.data)
        for key, value in self.data.items():
            merged[key] = value.over(base.data.get(key))
        return self.replaced(merged)


def field_path(parent: str, step: str | int) -> str:
    """`links` and 2 give `links[2]`; a key that is no name is cut, it may hold a secret."""
    if isinstance(step, int):
        return f"{parent}[{step}]"
    if not re.fullmatch(r"[\w./<-]{1,48}", step, re.ASCII):
        start = re.match(r"[\w./-]{0,16}", step, re.ASCII)
        return f"{parent}['{start[0] if start else ''}...']"
    return f"{parent}.{step}" if parent else step


def shown(data: object) -> str:
    """A value as an error text may print it: short, one line."""
    if data is None:
        return "nothing"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, dict | list):
        return "a mapping" if isinstance(data, dict) else "a list"
    text = ascii(data) if isinstance(data, str) else str(data)
    return text if len(text) <= 60 else f"{text[:56]}..."


def find_topology_file(place: str | Path) -> Path:
    """The file itself, or the only *.yaml of a directory."""
    path = Path(place)
    try:
        if not path.is_dir():
            return path
        found = sorted(path.glob("*.yaml"))
    except (OSError, ValueError) as error:
        raise _unreadable(place, error) from None
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:5]) or "none"
        raise TopologyError(
            [Problem(str(place), 0, "", f"found {names}, expected exactly one *.yaml file here")]
        )
    return found[0]


def read_source(path: Path) -> Value:
    """Read one YAML file; every way in which it is not one raises `TopologyError`."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if len(octets) > MAX_OCTETS:
        raise TopologyError(
            [Problem(str(path), 0, "", f"found more than {MAX_OCTETS} octets, expected fewer")]
        )
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        problem = Problem(str(path), line, "", "found octets that are not UTF-8, expected a YAML text file")
        raise TopologyError([problem]) from None
    return parse_source(text, str(path))


def parse_source(text: str, file: str) -> Value:
    """Parse YAML text; `file` is the name that problems carry."""
    root = _compose(text, file)
    if isinstance(root, Problem):  # raised here, so that no traceback leads to an error that quotes the file
        raise TopologyError([root])
    reader = _Reader(file)
    value = reader.value(root, "", root.start_mark.line + 1, 0)
    if reader.problems:
        raise TopologyError(reader.problems)
    return value


def _compose(text: str, file: str) -> Node | Problem:
    try:
        with warnings.catch_warnings(action="ignore"):  # they quote the file, on stderr
            root = YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        return Problem(file, 0, "", "found values nested too deeply")
    except (ValueError, OverflowError):  # chr() on an escape such as "\UFFFFFFFF"
        return Problem(file, 0, "", "found an escape that is no Unicode character")
    except YAMLError as error:
        return _syntax_problem(error, text, file)
    return root or Problem(file, 1, "", "found an empty file, expected a topology")


class _Reader:
    """Turns composed YAML nodes into values and collects what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.values = 0

    def problem(self, line: int, field: str, message: str) -> None:
        self.problems.append(Problem(self.file, line, field, message))

    def value(self, node: Node, field: str, key_line: int, depth: int) -> Value:
        line = node.start_mark.line + 1
        self.values += 1
        if (
            depth > MAX_DEPTH or self.values > MAX_VALUES
        ):  # also where an anchor contains or multiplies itself
            limit = f"{MAX_DEPTH} levels" if depth > MAX_DEPTH else f"{MAX_VALUES} values"
            raise TopologyError([Problem(self.file, line, "", f"found more than {limit}, expected fewer")])
        data: object
        kind = str(node.tag).removeprefix(_TAG)
        if kind not in _KINDS[type(node)]:
            self.problem(line, field, "found a YAML tag, expected a plain value")
        if isinstance(node, MappingNode):
            data = self.mapping(node, field, depth)
        elif isinstance(node, SequenceNode):
            data = [
                self.value(item, field_path(field, index), item.start_mark.line + 1, depth + 1)
                for index, item in enumerate(node.value)
            ]
        else:
            data = scalar(str(node.value), kind)
        return Value(line, key_line, field, data)

    def mapping(self, node: MappingNode, field: str, depth: int) -> dict[str, Value]:
        data: dict[str, Value] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.problem(line, field, "found a list or mapping as a key, expected a name")
                continue
            key = key_node.value
            path = field_path(field, key)
            if key_node.tag == f"{_TAG}merge":
                self.problem(line, path, "found a merge key, which YAML 1.2 does not have; use `defaults`")
            elif key in data:
                self.problem(line, path, f"duplicate key, first on line {lines[key]}")
            else:
                lines[key] = line
                data[key] = self.value(value_node, path, line, depth + 1)
        return data


def scalar(text: str, kind: str) -> object:
    """A scalar by YAML 1.2's core schema; what does not convert stays text and is refused as text."""
    if kind == "null":
        return None
    if kind == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        if kind == "int":
            return int(text, 0 if text.lstrip("+-").startswith(("0x", "0o")) else 10)
        if kind == "float":
            number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
            return number if math.isfinite(number) else text
    except ValueError:
        pass
    return text


def _syntax_problem(error: YAMLError, text: str, file: str) -> Problem:
    """A syntax error without the text it quotes, which may be a password."""
    line, message = 0, "is not YAML"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        message = re.sub(r" (alias|anchor|tag handle) ['\"].*", r" \1", error.problem or message)
    elif isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        message = "found a control character"
    message = " ".join(message.split())
    return Problem(file, line, "", f"YAML syntax: {message}")


def _unreadable(place: str | Path, error: Exception) -> TopologyError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return TopologyError([Problem(str(place), 0, "", f"cannot be read: {reason}")])
