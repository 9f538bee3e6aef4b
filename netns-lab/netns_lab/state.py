"""The plan of a running lab as a file in its directory: what every process of the lab goes by.

It is planned once and kept, so that a later change of the topology leaves alone what stays. It holds
passwords and is root's alone. The JSON follows the plan's dataclasses, whatever they have.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from dataplane.whole_file import write_whole
from netns_lab.directory import LabDirectory
from netns_lab.plan import LabPlan, Secret

T = TypeVar("T")


def load_plan(directory: LabDirectory) -> LabPlan:
    """The plan that a lab was built by, with every change since. Raises LabError where it has none yet."""
    return decode(LabPlan, directory.read_plan())


def save_plan(directory: LabDirectory, plan: LabPlan) -> None:
    """Puts a plan in the place of the one before; whoever loads meanwhile gets one or the other whole."""
    write_whole(directory.plan, json.dumps(encode(plan)))


def encode(plan: LabPlan) -> dict[str, Any]:
    """A plan as JSON types, secrets too."""
    return asdict(plan, dict_factory=lambda items: {key: _revealed(value) for key, value in items})


def decode(kind: type[T], document: Mapping[str, Any]) -> T:
    """The inverse: `kind` is LabPlan or one of its parts. KeyError or TypeError for any other document."""
    value: T = _decode(kind, document)
    return value


def _revealed(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value


def _decode(kind: Any, value: Any) -> Any:  # noqa: ANN401 - any type a plan's field may have
    if value is None:
        return None
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**{name: _decode(of, value[name]) for name, of in _fields(kind)})
    origin, arguments = get_origin(kind), get_args(kind)
    if type(None) in arguments:
        return _decode(next(argument for argument in arguments if argument is not type(None)), value)
    if isinstance(kind, type) and issubclass(kind, Secret | Enum):
        return kind(value)
    if origin is Mapping:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    if origin is tuple:
        kinds = arguments if arguments[-1] is not Ellipsis else arguments[:1] * len(value)
        return tuple(_decode(of, item) for of, item in zip(kinds, value, strict=True))
    return value


@cache
def _fields(kind: type) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(field.name, hints[field.name]) for field in fields(kind)]
