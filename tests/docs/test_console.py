"""What counts as the output that a document shows, and what does not."""

import pytest

from tests.docs.console import Block, Command, console_blocks, difference

DOCUMENT = """\
Text.

```console
$ first
one
two
$ second \\
  goes on
$ third
```

```yaml
name: x
```

```console second
$ fourth
```
"""


def test_blocks_hold_commands_with_their_lines_and_output() -> None:
    assert console_blocks(DOCUMENT) == [
        Block(
            (
                Command(4, "first", ("one", "two")),
                Command(7, "second \\\n  goes on", ()),
                Command(9, "third", ()),
            ),
            False,
        ),
        Block((Command(17, "fourth", ()),), True),
    ]


SHOWN = ["node  for s  pid", "...", "aws ... 1.50 s  1234  ch1 at 10:11:12.123"]


@pytest.mark.parametrize(
    "printed",
    [
        "node for s pid\naws up 20.1 s 99 ch1 at 23:00:00.5\n",
        "node    for s    pid\ngcp x\n\naws  is  here 1,000.0 s  7  ch1 at 10:11:12.123",
    ],
)
def test_blanks_numbers_times_and_left_out_text_may_differ(printed: str) -> None:
    assert difference(SHOWN, printed) is None


@pytest.mark.parametrize(
    ("shown", "printed", "first"),
    [
        (["a 10.1.0.1/24"], "a 10.1.0.2/24", "a 10.1.0.1/24"),
        (["4 paths"], "3 paths", "4 paths"),
        (["ch123 up"], "ch124 up", "ch123 up"),
        (["one", "two"], "one\ntwo\nthree", "two"),
        (["one", "two"], "one", "two"),
        (["one", "...", "two"], "one\nthree", "two"),
        (["took 1.5 s"], "took long", "took 1.5 s"),
    ],
)
def test_all_else_is_literal_and_whole(shown: list[str], printed: str, first: str) -> None:
    assert difference(shown, printed) == first


def test_a_command_without_output_shown_may_print_anything() -> None:
    assert difference([], "anything") is None
