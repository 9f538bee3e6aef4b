"""Reads models out of a YAML file and reports every refusal with its file, line and field path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netns_lab.output import nearest
from netns_lab.source import Problem, TopologyError, Value, field_path, shown

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]
"""The keys and positions that lead to a value of the file."""
Finding = tuple[Place, str]
"""Where something is wrong, and what."""

_SECRETS = {"sak", "salt", "password", "cak", "ckn"}
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "list_type": "a list",
    "model_type": "a mapping",
    "too_short": "at least one entry",
}


class Report:
    """Reads models out of the file and turns every refusal into a `Problem` with its place."""

    def __init__(self, root: Value, file: str) -> None:
        self.root = root
        self.file = file
        self.problems: list[Problem] = []

    def read(self, model: type[M], place: Place, context: Mapping[str, object] | None = None) -> M | None:
        value = self.root.get(*place)
        assert value is not None
        try:
            return model.model_validate(value.plain(), context=dict(context or {}))
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            self._refuse(model, place, detail)
        return None

    def add(self, place: Place, message: str, *, key: bool = False) -> None:
        """Report at the value that `place` leads to, or at the last of its parents that the file has."""
        value = self._at(place)
        line = value.key_line if key else value.line
        self.problems.append(Problem(self.file, line, value.field, message))

    def is_inherited(self, place: Place) -> bool:
        """Whether `defaults` or `groups` say what is there."""
        return self._at(place).field.startswith(("defaults.", "groups."))

    def _at(self, place: Place) -> Value:
        steps = len(place)
        while (value := self.root.get(*place[:steps])) is None:
            steps -= 1
        return value

    def finish(self) -> None:
        if self.problems:
            raise TopologyError(self.problems)

    def _refuse(self, model: type[BaseModel], place: Place, detail: ErrorDetails) -> None:
        steps = tuple(step for step in detail["loc"] if step != "[key]")
        kind, is_key = detail["type"], len(steps) != len(detail["loc"])
        if place != () and kind != "missing" and self.is_inherited((*place, *steps)):
            return  # refused already, once, where `defaults` or `groups` was read
        place = (*place, *steps)
        if kind == "missing":
            value = self._at(place)
            field = field_path(value.field, steps[-1])
            self.problems.append(Problem(self.file, value.key_line, field, "found nothing, expected a value"))
        elif kind == "extra_forbidden":
            known = _known_keys(model, steps[:-1])
            hint = nearest(str(steps[-1]), known) or f", expected one of {', '.join(known)}"
            self.add(place, f"unknown key{hint}", key=True)
        elif kind == "not_supported_yet":
            self.add(place, "not supported yet", key=True)
        else:
            found = (
                "a value that is not shown" if _is_secret(steps, detail["input"]) else shown(detail["input"])
            )
            self.add(place, f"found {found}, {_expected(detail)}", key=is_key)


def _is_secret(steps: Place, value: object) -> bool:
    """A secret's value, or text such as `sak:00...`, where a forgotten blank made key and value one."""
    text = value.lower() if isinstance(value, str) else ""
    return any(name in steps or name in text for name in _SECRETS)


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return f"expected {_EXPECTED.get(detail['type'], detail['msg'])}"


def _known_keys(model: type[BaseModel], steps: Place) -> list[str]:
    """The keys that the model at `steps` inside `model` knows, as they are written in files."""
    for step in steps:
        field = next((f for name, f in model.model_fields.items() if step in (name, f.alias)), None)
        if field is None:
            continue  # an item of a list, or a direction of `impair`, which knows what `impair` knows
        model = next(_models(field.annotation), model)  # none where a node has the name of such a field
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
