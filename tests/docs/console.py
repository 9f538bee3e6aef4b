"""Console blocks of a document: what a reader types and sees, and whether that is what was promised.

    ```console
    $ a command, which `\\` at the end of its line continues
    what it prints
    ```

A command without output shown need only succeed. In what is shown, `...` stands for any text, and alone on a
line for any lines. Times of day, numbers with a decimal point and whole numbers of three or more digits stand
for any others, unless they are part of a name or an address. Blanks count as one. All else is literal.

A block that begins with ```console second is typed in a second terminal while the last command of the block
before is still running.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

ANY = "..."
SHAPES = (
    (r"\d\d:\d\d:\d\d\.\d+", r"\d\d:\d\d:\d\d\.\d+"),
    (r"(?<![\w.:/-])[\d,]*\d\.\d+(?![\d.:/])", r"[\d,]*\d\.\d+"),
    (r"(?<![\w.:/-])\d{3,}(?![\w.:/-])", r"\d+"),
)
TOKEN = re.compile("|".join([re.escape(ANY), " +", *(f"({shape})" for shape, _ in SHAPES)]))


@dataclass(frozen=True, slots=True)
class Command:
    """A command, where it stands, and what it is shown to print; nothing shown: anything."""

    line: int
    text: str
    output: tuple[str, ...]

    @property
    def typed(self) -> str:
        """The command without the comment behind it."""
        return re.split("  +# ", self.text)[0]


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of one block."""

    commands: tuple[Command, ...]
    second_terminal: bool


def fences(markdown: str) -> list[tuple[int, str, list[str]]]:
    """Every fenced block: the number of its first line, what is written behind the fence, its lines."""
    found: list[tuple[int, str, list[str]]] = []
    inside = False
    for number, line in enumerate(markdown.splitlines(), start=1):
        if line.startswith("```"):
            if not inside:
                found.append((number + 1, line.strip("`").strip(), []))
            inside = not inside
        elif inside:
            found[-1][2].append(line)
    return found


def console_blocks(markdown: str) -> list[Block]:
    """The console blocks of a document."""
    return [
        Block(tuple(_commands(number, lines)), info.endswith(" second"))
        for number, info, lines in fences(markdown)
        if info.split()[:1] == ["console"]
    ]


def _commands(number: int, lines: Sequence[str]) -> list[Command]:
    commands: list[Command] = []
    continued = False
    for offset, line in enumerate(lines):
        if line.startswith("$ ") and not continued:
            commands.append(Command(number + offset, line.removeprefix("$ "), ()))
        elif not commands:
            raise ValueError(f"line {number + offset}: output before the first command")
        else:
            last = commands.pop()
            text, output = (f"{last.text}\n{line}", ()) if continued else (last.text, (*last.output, line))
            commands.append(Command(last.line, text, output))
        continued = commands[-1].text.endswith("\\") and not commands[-1].output
    return commands


def difference(shown: Sequence[str], printed: str) -> str | None:
    """The first line shown that what was printed has nothing for; None where all is as shown."""
    if not shown:
        return None
    lines = "".join(f"{_blanks_as_one(line)}\n" for line in printed.splitlines())
    for end in range(1, len(shown) + 1):
        pattern = "".join(_line_pattern(line) for line in shown[:end])
        if end == len(shown):
            pattern += r"\Z"
        if not re.match(pattern, lines):
            return shown[end - 1]
    return None


def _line_pattern(line: str) -> str:
    if line.strip() == ANY:
        return r"(?:.*\n)*?"
    pattern, position = "", 0
    line = _blanks_as_one(line)
    for token in TOKEN.finditer(line):
        pattern += re.escape(line[position : token.start()]) + _token_pattern(token)
        position = token.end()
    return rf"{pattern}{re.escape(line[position:])}\n"


def _token_pattern(token: re.Match[str]) -> str:
    if token.lastindex is not None:
        return SHAPES[token.lastindex - 1][1]
    return ".*?" if token[0] == ANY else " "


def _blanks_as_one(line: str) -> str:
    return re.sub(" +", " ", line).strip()
