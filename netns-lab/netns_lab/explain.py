"""`quadlink explain`: what there is to say about a frame, as a document and as tables."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from dataplane.captures.files import NS_PER_S, RecordedFrame
from dataplane.macsec.counters import OUR_COUNTERS
from dataplane.macsec.dissection import Field, clear_tags, dissect, headline
from dataplane.macsec.judgement import Judgement, Result, judge
from netns_lab.output import table_text
from netns_lab.receivers import Question

DUMP_OCTETS = 16
DUMPED_LINES = 8
_MET = {True: "yes", False: "no", None: "not known"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say about one frame.

    `judgement` is None where not all of the frame was kept; `notes` are what was assumed, and why.
    """

    number: int
    recorded: RecordedFrame
    fields: Sequence[Field]
    judgement: Judgement | None
    inside: Sequence[Field]
    notes: Sequence[str]


def explain(number: int, recorded: RecordedFrame, question: Question) -> Explanation:
    """Explains a frame for a SecY, in each mode. Any octets can be explained."""
    frame, told, receiver = recorded.data, list(question.notes), question.receiver
    judgement = None
    if len(frame) < recorded.octets:
        told.append(
            f"{recorded.octets - len(frame)} octets of it were not kept: what becomes of it is unknown"
        )
    else:
        judgement = judge(frame, receiver, question.modes)
    tags = clear_tags(frame)
    if tags > receiver.config.clear_tags:
        told.append(
            f"a SecY with clear_tags {tags} finds the SecTAG behind {tags} VLAN tags, this one does not"
        )
    opened = None if judgement is None else judgement.opened
    return Explanation(number, recorded, dissect(frame), judgement, dissect(opened) if opened else (), told)


def brief_document(explanation: Explanation) -> dict[str, Any]:
    """A frame among others. `verdict`, in the first mode, is null where it depends on what is not known."""
    recorded, judgement = explanation.recorded, explanation.judgement
    data = recorded.data
    result = judgement.results[0] if judgement is not None else None
    return {
        "number": explanation.number,
        "time": _time(recorded),
        "interface": recorded.interface,
        "comment": recorded.comment,
        "octets": recorded.octets,
        "destination": data[:6].hex(":"),
        "source": data[6:12].hex(":"),
        "verdict": result.verdict.name if result is not None and not result.presumptions else None,
        "what": headline(data),
        "inside": headline(judgement.opened) if judgement and judgement.opened is not None else None,
    }


def brief_table(documents: Sequence[dict[str, Any]]) -> str:
    """Frames among others, a row each; columns that are empty in all of them are left out."""
    columns = [name for name in documents[0] if any(document[name] is not None for document in documents)]
    return table_text(columns, [[document[name] for name in columns] for document in documents])


def document(explanation: Explanation) -> dict[str, Any]:
    """All there is to say, as JSON types."""
    judgement = explanation.judgement
    return {
        **brief_document(explanation),
        "fields": [asdict(field) for field in explanation.fields],
        "notes": list(explanation.notes),
        "checks": [asdict(check) for check in judgement.checks] if judgement else None,
        "results": [_result_document(result) for result in judgement.results] if judgement else None,
        "opened": judgement.opened.hex() if judgement and judgement.opened is not None else None,
        "opened_fields": [asdict(field) for field in explanation.inside],
    }


def _result_document(result: Result) -> dict[str, Any]:
    return {
        "validate": result.validate_frames,
        "if": list(result.presumptions),
        "delivered": result.verdict.passes,
        "verdict": result.verdict.name,
        "counters": dict(result.counters),
    }


def text(explanation: Explanation) -> str:
    """The same for people."""
    recorded, judgement = explanation.recorded, explanation.judgement
    told = [f"frame {explanation.number}", f"{recorded.octets} octets", _time(recorded), recorded.interface]
    parts = [", ".join(word for word in told if word), _field_table(explanation.fields)]
    if recorded.comment:
        parts[0] += f"\n{recorded.comment}"
    if judgement is not None:
        checks = [(check.clause, check.what, _MET[check.met]) for check in judgement.checks]
        parts.append(
            table_text(("clause", "receiving it, IEEE 802.1AE-2018 and a strict SecY", "met"), checks)
        )
        parts.append(_result_table(judgement.results))
    if judgement is not None and judgement.opened is not None:
        parts += ["Inside:", _field_table(explanation.inside), _dump(judgement.opened)]
    parts += explanation.notes
    return "\n\n".join(parts)


def _field_table(fields: Sequence[Field]) -> str:
    rows, part = [], ""
    for field in fields:
        rows.append(
            (
                str(field.octet),
                field.part if field.part != part else "",
                field.name,
                field.text,
                field.meaning,
            )
        )
        part = field.part
    return table_text(("octet", "", "field", "value", ""), rows)


def _result_table(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        counters = ", ".join(
            f"{name} +{rise}{' (not of the standard)' if name in OUR_COUNTERS else ''}"
            for name, rise in result.counters.items()
        )
        presumed = " or ".join(result.presumptions) or "in any case"
        delivered = "delivered" if result.verdict.passes else "discarded"
        rows.append((result.validate_frames, presumed, delivered, counters))
    return table_text(("validateFrames", "if", "the frame is", "counters that rise"), rows)


def _dump(frame: bytes) -> str:
    """The User Data in the way of tcpdump -xx, its first lines."""
    lines = [
        f"{at:#06x}:  {frame[at : at + DUMP_OCTETS].hex(' ', 2)}"
        for at in range(0, min(len(frame), DUMP_OCTETS * DUMPED_LINES), DUMP_OCTETS)
    ]
    if len(frame) > DUMP_OCTETS * DUMPED_LINES:
        lines.append(f"... and {len(frame) - DUMP_OCTETS * DUMPED_LINES} octets more; --format json has all")
    return "\n".join(lines)


def _time(recorded: RecordedFrame) -> str | None:
    """ISO 8601 in UTC, to the nanosecond."""
    if recorded.time_ns is None:
        return None
    seconds, ns = divmod(recorded.time_ns, NS_PER_S)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
    except (OverflowError, ValueError, OSError):
        return None
