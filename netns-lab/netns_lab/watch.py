"""`inspect --watch`: a view drawn again and again, in place on a terminal, else one after the other."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from netns_lab.api import ControllerGone
from netns_lab.inspection import View
from netns_lab.output import Format, Output

# xterm's control sequences: to the alternate screen with the cursor hidden, and back to what was there.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, END_OF_LINE, END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(title: str, look: Callable[[], View], interval_s: float, output: Output) -> None:
    """Shows what `look` returns every interval_s until Ctrl-C. A controller that is away is waited for."""
    in_place = output.format is Format.TABLE and sys.stdout.isatty()
    try:
        if in_place:
            with _alternate_screen():
                _repeat(look, lambda view: _draw(title, view), interval_s)
        else:
            _repeat(look, lambda view: _append(view, output), interval_s)
    except KeyboardInterrupt:
        return


def _repeat(look: Callable[[], View], draw: Callable[[View], None], interval_s: float) -> None:
    while True:
        try:
            view = look()
        except ControllerGone as error:
            view = View({"problems": [str(error)]}, "", [str(error)])
        draw(view)
        time.sleep(interval_s)


def _append(view: View, output: Output) -> None:
    output.line(view.document, f"{view.table}\n")
    for sentence in view.problems:
        output.warn(sentence)


def _draw(title: str, view: View) -> None:
    lines = [f"{title}  {time.strftime('%H:%M:%S')}", "", *view.table.splitlines()]
    if view.problems:
        lines += ["", *view.problems]
    sys.stdout.write(frame(lines, *shutil.get_terminal_size()))
    sys.stdout.flush()


def frame(lines: Sequence[str], columns: int, rows: int) -> str:
    """One write that puts the lines over what the screen shows: not cleared before, it does not flicker.

    The last column stays free: a line that fills it makes terminals disagree about what comes next.
    """
    if len(lines) > rows:
        left_out = len(lines) - rows + 1
        lines = [*lines[: rows - 1], f"({left_out} more lines)"]
    end = f"{END_OF_LINE}\n"
    return HOME + end.join(line[: columns - 1] for line in lines) + END_OF_LINE + END_OF_SCREEN


@contextmanager
def _alternate_screen() -> Iterator[None]:
    sys.stdout.write(ENTER)
    try:
        yield
    finally:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
