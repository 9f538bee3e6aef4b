"""The picture of a measurement: there, with what it says as text, and not crowded."""

from pathlib import Path

from netns_lab.measurement import Measurement
from netns_lab.timeline import Milestone, Step
from netns_lab.timeline_picture import COLOURS, MOST_ROWS, draw, rows_of, runs_by_flow

from tests.stopwatch.recordings import MS, a_cut_of_ch1


def test_both_pictures_are_drawn_and_say_what_happened(tmp_path: Path) -> None:
    measurement = Measurement(a_cut_of_ch1())
    png, svg = draw(measurement, tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    words = svg.read_text()
    for milestone in measurement.timeline:
        assert milestone.text.replace(">", "&gt;") in words
    assert "link ch1 failed (carrier) in lab quad" in words
    assert "8 flows hit, outage median 20.0, p99 40.0, max 40.0 ms; 36 packets lost" in words
    assert "aws-h1 to gcp-h1 v4" in words
    first = svg.read_bytes()
    draw(measurement, tmp_path)
    assert svg.read_bytes() == first


def test_losses_are_spans_up_to_the_next_packet_that_was_delivered() -> None:
    runs = dict(runs_by_flow(Measurement(a_cut_of_ch1()), -10, 100))
    assert runs[0].lost == [(0.0, 40.0)]
    assert runs[0].delivered == [(-20.0, 20.0), (40.0, 60.0)]


def test_many_milestones_of_one_step_are_one_row() -> None:
    many = [
        Milestone(n * MS, Step.SESSION_DOWN, f"r{n % 4}", f"session {n} of r{n % 4}")
        for n in range(2 * MOST_ROWS)
    ]
    rows = rows_of([Milestone(0, Step.FAULT, "r1", "r1 failed (dead)"), *many], 0)
    assert [row.text for row in rows[:2]] == [
        "0.00 ms  r1 failed (dead)",
        "0.00 to 56.00 ms  session 0 of r0 and 14 more",
    ]
    assert (len(rows), rows[1].first_ms, rows[1].last_ms) == (5, 0.0, 56.0)


def test_every_step_has_a_colour_of_its_own() -> None:
    assert len(set(COLOURS.values())) == len(COLOURS) == len(Step)
