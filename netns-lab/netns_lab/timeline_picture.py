"""A measurement as a picture, PNG and SVG: the timeline, and under it what each flow lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from control.faults.outage import NOT_DELIVERED
from netns_lab.measurement import NS_PER_MS, FlowResult, Measurement
from netns_lab.timeline import Milestone, Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "timeline"
WIDTH_IN, ROW_IN, FLOW_IN, LINE_IN, MARGINS_IN = 13.0, 0.27, 0.13, 0.2, 1.9
PNG_DPI = 110
MOST_ROWS, MOST_FLOWS = 30, 40
MOST_CHARACTERS = 90
ROOM_SHARE = 0.48
"""Of the width: what the longest text needs."""
# The colours of Okabe and Ito, which those who see few colours tell apart, too.
COLOURS = {
    Step.FAULT: "#000000",
    Step.DETECTED: "#E69F00",
    Step.MOVED: "#0072B2",
    Step.NEW_PATH: "#009E73",
    Step.LAST_LOSS: "#D55E00",
    Step.RESTORED: "#117733",
    Step.SESSION_DOWN: "#CC79A7",
    Step.REWRITTEN: "#56B4E9",
    Step.HEALED: "#999999",
}
LOST, DELIVERED, CUT_OFF = "#D55E00", "#D0D7DE", "#CC79A7"


class Row(NamedTuple):
    """One line of the timeline: a milestone, or several that are alike, from the first to the last."""

    first_ms: float
    last_ms: float
    step: Step
    text: str


class Runs(NamedTuple):
    """Of one flow, spans in which packets were delivered or lost, as (begin, length) in ms after the act."""

    delivered: list[tuple[float, float]]
    lost: list[tuple[float, float]]


def draw(measurement: Measurement, directory: Path) -> list[Path]:
    """Writes both pictures into the directory."""
    files = []
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": NAME, "font.family": "DejaVu Sans"}):
        figure = _figure(measurement)
        for canvas, suffix, settings in (
            (FigureCanvasAgg(figure), "png", {"dpi": PNG_DPI}),
            (FigureCanvasSVG(figure), "svg", {"metadata": {"Date": None}}),
        ):
            file = directory / f"{NAME}.{suffix}"
            canvas.print_figure(file, format=suffix, facecolor="white", **settings)
            files.append(file)
    return files


def rows_of(milestones: Sequence[Milestone], t_ns: int) -> list[Row]:
    """A row for each milestone; where they are many, one for those of the same step at the same place, and
    where these are still many, one for those of the same step."""
    groups: dict[object, list[Milestone]] = {}
    for keys in (lambda m: m, lambda m: (m.step, m.where), lambda m: m.step):
        groups = {}
        for milestone in milestones:
            groups.setdefault(keys(milestone), []).append(milestone)
        if len(groups) <= MOST_ROWS:
            break
    return [_row(group, t_ns) for group in groups.values()]


def _row(group: list[Milestone], t_ns: int) -> Row:
    first_ms, last_ms = ((m.t_ns - t_ns) / NS_PER_MS for m in (group[0], group[-1]))
    when, more = f"{first_ms:.2f} ms", ""
    if len(group) > 1:
        when, more = f"{first_ms:.2f} to {last_ms:.2f} ms", f" and {len(group) - 1} more"
    text, room = group[0].text, MOST_CHARACTERS - len(when + more)
    shown = text if len(text) <= room else f"{text[: room - 1]}…"
    return Row(first_ms, last_ms, group[0].step, f"{when}  {shown}{more}")


def _figure(measurement: Measurement) -> Figure:
    rows = rows_of(measurement.timeline, measurement.recording.t_ns)
    flows = [r for r in measurement.results if r.hit] or list(measurement.results)
    flows.sort(key=lambda r: (r.flow.direction, r.pair, r.flow.source_port))
    heights = [max(len(rows), 4) * ROW_IN, max(len(flows), 8) * FLOW_IN]
    summary = _summary(measurement)
    height_in = sum(heights) + MARGINS_IN + len(summary) * LINE_IN
    figure = Figure(figsize=(WIDTH_IN, height_in))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    figure.subplots_adjust(
        left=0.13,
        right=0.98,
        bottom=0.55 / height_in,
        top=1 - (0.75 + len(summary) * LINE_IN) / height_in,
        hspace=0.55 / (sum(heights) / 2),
    )
    figure.text(0.02, 1 - 0.3 / height_in, _title(measurement), fontsize=13, weight="bold", va="center")
    for number, line in enumerate(summary, 1):
        y = 1 - (0.38 + number * LINE_IN) / height_in
        figure.text(0.02, y, line, fontsize=9, color="#444444", va="center")
    begin_ms, end_ms = _span(measurement, rows)
    above.set_xlim(begin_ms, end_ms)
    _draw_timeline(above, rows)
    _draw_flows(below, measurement, flows, begin_ms, end_ms)
    return figure


def _title(measurement: Measurement) -> str:
    it = measurement.recording
    return f"{it.what or 'nothing done'} in lab {it.plan.name}"


def _summary(measurement: Measurement) -> list[str]:
    lines = [
        f"{way}: {outage.flows} flows hit, outage median {outage.outage_ms_median:.1f}, "
        f"p99 {outage.outage_ms_p99:.1f}, max {outage.outage_ms_max:.1f} ms; {outage.lost} packets lost"
        for way in measurement.directions
        for outage in (measurement.outage(way),)
    ]
    if measurement.partitioned:
        lines.append(
            f"{len(measurement.partitioned)} flows are partitioned: no way was left between their ends"
        )
    known = f"outages are known to {measurement.resolution_ms:.1f} ms"
    return [*lines, f"{known}; the machine itself paused for {measurement.host.jitter_ms:.1f} ms at most"]


def _span(measurement: Measurement, rows: Sequence[Row]) -> tuple[float, float]:
    """From shortly before the act until all has settled, in ms after it."""
    it = measurement.recording
    whole_ms = (it.until_ns - it.t_ns) / NS_PER_MS
    last_ms = max((row.last_ms for row in rows), default=whole_ms)
    if any(result.outage.dark for result in measurement.results):
        last_ms = whole_ms
    margin_ms = max(0.06 * last_ms, 1.0)
    first_ms = max((it.begin_ns - it.t_ns) / NS_PER_MS, min(-margin_ms, *(row.first_ms for row in rows), 0.0))
    return first_ms, min(last_ms + margin_ms, whole_ms)


def _draw_timeline(axes: Axes, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        colour = COLOURS[row.step]
        axes.plot([row.first_ms, row.last_ms], [place, place], "-o", color=colour, markersize=5, linewidth=2)
        at_ms, offset, align = _beside(row, *axes.get_xlim())
        axes.annotate(
            row.text,
            (at_ms, place),
            xytext=(offset, 0),
            textcoords="offset points",
            ha=align,
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1} if offset == 0 else None,
        )
        axes.text(
            -0.008, place, str(row.step), transform=axes.get_yaxis_transform(), ha="right", va="center",
            fontsize=7, color=colour,
        )  # fmt: skip
    axes.axvline(0, color="#000000", linewidth=0.8, zorder=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(axis="x", color="#EEEEEE", zorder=0)
    axes.set_axisbelow(True)
    _only_bottom(axes)


def _beside(
    row: Row, begin_ms: float, end_ms: float
) -> tuple[float, int, Literal["left", "center", "right"]]:
    """Where a row's text has room: the time, points to the right of it, and which of its ends is there."""
    right_ms, left_ms = end_ms - row.last_ms, row.first_ms - begin_ms
    if max(right_ms, left_ms) < ROOM_SHARE * (end_ms - begin_ms):
        return (begin_ms + end_ms) / 2, 0, "center"
    return (row.last_ms, 8, "left") if right_ms >= left_ms else (row.first_ms, -8, "right")


def _draw_flows(
    axes: Axes, measurement: Measurement, flows: Sequence[FlowResult], begin_ms: float, end_ms: float
) -> None:
    runs = dict(runs_by_flow(measurement, begin_ms, end_ms))
    for place, result in enumerate(flows):
        found = runs.get(result.flow.id, Runs([], []))
        axes.broken_barh(found.delivered, (place - 0.4, 0.8), facecolors=DELIVERED)
        axes.broken_barh(found.lost, (place - 0.4, 0.8), facecolors=CUT_OFF if result.partitioned else LOST)
    directions = [result.flow.direction for result in flows]
    if len(flows) <= MOST_FLOWS:
        axes.set_yticks(range(len(flows)), [_label(result) for result in flows], fontsize=6)
    else:
        firsts = [directions.index(direction) for direction in dict.fromkeys(directions)]
        axes.set_yticks(firsts, list(dict.fromkeys(directions)), fontsize=8)
    for place in range(1, len(flows)):
        if directions[place] != directions[place - 1]:
            axes.axhline(place - 0.5, color="#888888", linewidth=0.8)
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_ylim(len(flows) - 0.4, -0.6)
    axes.set_xlabel("ms after the fault, by the time of sending", fontsize=9)
    which = "flows that were hit" if any(result.hit for result in flows) else "all flows: none was hit"
    cut_off = ", lost where no way was left (pink)" if any(result.partitioned for result in flows) else ""
    axes.set_title(f"{which}: delivered (grey), lost (orange){cut_off}", fontsize=9, loc="left")
    _only_bottom(axes)


def _label(result: FlowResult) -> str:
    version = result.flow.family
    return f"{result.pair.source} to {result.pair.destination} v{version} {result.flow.source_port}"


def _only_bottom(axes: Axes) -> None:
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def runs_by_flow(measurement: Measurement, begin_ms: float, end_ms: float) -> Iterator[tuple[int, Runs]]:
    """By flow, its packets as spans: each lasts until the next is sent."""
    it = measurement.recording
    times_ms = (it.sent["tx_ns"] - it.t_ns) / NS_PER_MS
    lost = measurement.rx_ns == NOT_DELIVERED
    shown = (times_ms >= begin_ms - 2 * measurement.resolution_ms) & (times_ms < end_ms)
    for flow in it.flows:
        chosen = shown & (it.sent["flow"] == flow.id)
        sent_ms, gone = times_ms[chosen], lost[chosen]
        if len(sent_ms) == 0:
            continue
        starts = np.concatenate([[0], np.flatnonzero(np.diff(gone)) + 1])
        ends_ms = np.append(sent_ms[starts[1:]], min(sent_ms[-1] + measurement.resolution_ms, end_ms))
        spans = [(float(b), float(e - b)) for b, e in zip(sent_ms[starts], ends_ms, strict=True)]
        yield (
            flow.id,
            Runs(
                [span for span, start in zip(spans, starts, strict=True) if not gone[start]],
                [span for span, start in zip(spans, starts, strict=True) if gone[start]],
            ),
        )
