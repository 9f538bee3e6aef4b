"""Impairments as files and command lines write them, `delay=5ms loss=0.1%`: read, written, compared.

Changes are the fields of an `Impairment` that are said, in its units: what they do not name stays as it is.
`none` gives a key its default, which impairs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dataplane.interface import ImpairmentChanges
from dataplane.links.specification import MAXIMUM_REORDER_FRAMES, Impairment, JitterModel, LossModel
from netns_lab import units
from netns_lab.names import directions
from netns_lab.output import choices, nearest

NONE = "none"
_DEFAULTS = asdict(Impairment())


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the text form: the fields that it sets, how its value is read and written.

    `expected` says what a value may be; `schema` is the JSON Schema of those beside `none`. `words` are all
    values, where they are few. It does nothing unless the key `needs` is set.
    """

    fields: tuple[str, ...]
    read: Callable[[str], ImpairmentChanges]
    write: Callable[[Impairment], str]
    expected: str
    schema: Mapping[str, Any]
    words: tuple[str, ...] = ()
    needs: str = ""


def _duration(name: str) -> Key:
    def read(text: str) -> ImpairmentChanges:
        return {name: 0.0 if text == "0" else units.duration_us(text)}

    return Key(
        (name,),
        read,
        lambda impairment: units.duration_text(getattr(impairment, name)),
        "a duration such as 5ms, at most 3600s",
        _text_or_zero("duration, such as 5ms", units.DURATION_PATTERN),
    )


def _share(name: str, needs: str = "") -> Key:
    def read(text: str) -> ImpairmentChanges:
        return {name: 0.0 if text == "0" else units.share(text)}

    return Key(
        (name,),
        read,
        lambda impairment: units.share_text(getattr(impairment, name)),
        "a share such as 0.1%, at most 100%",
        _text_or_zero("share of the frames, such as 0.1%", "[0-9.]+ ?%"),
        needs=needs,
    )


def _choice(name: str, kind: type[JitterModel | LossModel], needs: str = "") -> Key:
    return Key(
        (name,),
        lambda text: {name: kind(text).value},
        lambda impairment: str(getattr(impairment, name)),
        choices(kind),
        {"enum": list(kind)},
        words=tuple(kind),
        needs=needs,
    )


def _rate() -> Key:
    def read(text: str) -> ImpairmentChanges:
        rate_mbps = units.rate_mbps(text)
        if not rate_mbps:
            raise ValueError("which would let nothing pass")
        return {"rate_mbps": rate_mbps}

    return Key(
        ("rate_mbps",),
        read,
        lambda impairment: units.rate_text(impairment.rate_mbps),
        "a rate such as 100mbit, from 1kbit to 1000gbit, or none",
        _text("rate, such as 100mbit", "[0-9.]+ ?(kbit|mbit|gbit)"),
    )


def _queue() -> Key:
    """What may wait for the rate, as time or as octets: one takes the place of the other."""

    def read(text: str) -> ImpairmentChanges:
        queue_octets, queue_us = 0, 0.0
        if text.endswith("B"):
            queue_octets = units.size_octets(text)
        else:
            queue_us = units.duration_us(text)
        if not queue_octets and not queue_us:
            raise ValueError("which would let nothing wait")
        return {"queue_octets": queue_octets, "queue_us": queue_us}

    def write(impairment: Impairment) -> str:
        if impairment.queue_octets:
            return units.size_text(impairment.queue_octets)
        return units.duration_text(impairment.queue_us)

    return Key(
        ("queue_octets", "queue_us"),
        read,
        write,
        "a duration or a size such as 50ms or 256kB, or none",
        _text("how much may wait for the rate, such as 50ms or 256kB", "[0-9.]+ ?(us|ms|s|m|B|kB|MB|GB)"),
        needs="rate",
    )


def _reorder_frames() -> Key:
    def read(text: str) -> ImpairmentChanges:
        if not re.fullmatch("[0-9]{1,4}", text):
            raise ValueError("no whole number")
        return {"reorder_frames": int(text)}

    return Key(
        ("reorder_frames",),
        read,
        lambda impairment: str(impairment.reorder_frames),
        f"a whole number from 1 to {MAXIMUM_REORDER_FRAMES}",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": MAXIMUM_REORDER_FRAMES,
            "description": "later frames that overtake a reordered one",
        },
        needs="reorder",
    )


def _text(description: str, pattern: str) -> Mapping[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$", "description": description}


def _text_or_zero(description: str, pattern: str) -> Mapping[str, Any]:
    return {"anyOf": [_text(description, pattern), {"const": 0}]}


KEYS: Mapping[str, Key] = {
    "delay": _duration("delay_us"),
    "jitter": _duration("jitter_us"),
    "jitter_model": _choice("jitter_model", JitterModel, needs="jitter"),
    "loss": _share("loss"),
    "loss_model": _choice("loss_model", LossModel),
    "enter_burst": _share("enter_burst", needs="loss_model"),
    "leave_burst": _share("leave_burst", needs="loss_model"),
    "loss_in_burst": _share("loss_in_burst", needs="loss_model"),
    "duplicate": _share("duplicate"),
    "reorder": _share("reorder"),
    "reorder_frames": _reorder_frames(),
    "corrupt": _share("corrupt"),
    "rate": _rate(),
    "queue": _queue(),
}


def read_value(key: str, value: object) -> ImpairmentChanges:
    """What a key with this value changes. Raises ValueError("expected ...")."""
    if value == NONE:
        return {name: _DEFAULTS[name] for name in KEYS[key].fields}
    try:
        if not isinstance(value, str) and type(value) is not int:
            raise ValueError("neither text nor a whole number")
        changes = KEYS[key].read(str(value))
        Impairment(**changes)
    except ValueError:
        raise ValueError(f"expected {KEYS[key].expected}") from None
    return changes


def read_words(words: Iterable[str]) -> ImpairmentChanges:
    """What words such as `delay=5ms` change. Raises ValueError with one sentence."""
    changes: ImpairmentChanges = {}
    seen: set[str] = set()
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"found {word!r}, expected KEY=VALUE, such as delay=5ms")
        if key not in KEYS:
            raise ValueError(unknown_key(key))
        if key in seen:
            raise ValueError(f"{key} is given twice, expected it once")
        seen.add(key)
        try:
            changes |= read_value(key, value)
        except ValueError as error:
            raise ValueError(f"{key}: found {value!r}, {error}") from None
    return changes


def unknown_key(key: str) -> str:
    """The sentence for a key that does not exist."""
    return f"unknown key {key!r}{nearest(key, KEYS) or ', expected one of ' + ', '.join(KEYS)}"


def impairment_text(impairment: Impairment) -> str:
    """What differs from no impairment, as `read_words` reads it; `none` where nothing does."""
    words = [f"{name}={key.write(impairment)}" for name, key in KEYS.items() if _is_set(key, impairment)]
    return " ".join(words) or NONE


def without_effect(changes: ImpairmentChanges, impairments: Sequence[Impairment]) -> Iterator[str]:
    """A sentence for each key that was set and that none of the impairments makes use of."""
    for name, key in KEYS.items():
        asked = any(changes.get(field, _DEFAULTS[field]) != _DEFAULTS[field] for field in key.fields)
        if asked and key.needs and not any(_is_set(KEYS[key.needs], it) for it in impairments):
            yield f"{name} does nothing without {key.needs}"


def _is_set(key: Key, impairment: Impairment) -> bool:
    return any(getattr(impairment, field) != _DEFAULTS[field] for field in key.fields)


def difference(before: Impairment, after: Impairment) -> ImpairmentChanges:
    """The fields in which `after` differs, as it has them."""
    return {name: getattr(after, name) for name in _DEFAULTS if getattr(after, name) != getattr(before, name)}


def impairment_documents(nodes: Sequence[str], impairments: Sequence[Impairment]) -> list[dict[str, Any]]:
    """Each direction that is impaired, as JSON types: whose frames, and what differs from no impairment."""
    return [
        {"from": sender, "to": receiver, **difference(Impairment(), impairment)}
        for sender, receiver, impairment in zip(nodes, reversed(nodes), impairments, strict=True)
        if impairment != Impairment()
    ]


def impairments_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """Such documents of one link for people: `no`, or what is the same for both directions only once."""
    texts = {f"{it['from']}-{it['to']}": impairment_text(impairment_from_document(it)) for it in documents}
    if len(texts) == 2 and len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{direction} {text}" for direction, text in texts.items()) or "no"


def impairment_from_document(document: Mapping[str, Any]) -> Impairment:
    """The impairment of one such document."""
    return Impairment(**{name: value for name, value in document.items() if name in _DEFAULTS})


def direction_rows(link: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """A link as `impair show` is told of it: its name, direction, impairment and what plays, by direction."""
    rows = []
    for sender, direction in zip(link["nodes"], directions(link["nodes"]), strict=True):
        impaired = [
            impairment_text(impairment_from_document(it))
            for it in link["impairments"]
            if it["from"] == sender
        ]
        playing = [_playing_text(it) for it in link["playing"] if it["from"] == sender]
        rows.append((link["name"], direction, "".join(impaired) or NONE, "".join(playing) or "nothing"))
    return rows


def _playing_text(document: Mapping[str, Any]) -> str:
    rounds = -(-document["played"] // document["steps"]) or 1
    round_text = f"round {rounds}, " if document["loop"] else ""
    step = document["played"] - (rounds - 1) * document["steps"]
    return f"{document['file']}, {round_text}step {step} of {document['steps']}, {late_text(document)}"


def late_text(document: Mapping[str, Any]) -> str:
    """How late the steps of what plays took effect."""
    return f"{document['late_ms_mean']:.1f} ms late, at most {document['late_ms_max']:.1f}"
