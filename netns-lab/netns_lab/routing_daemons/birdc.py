"""Commands to BIRD over its control socket, as birdc sends them, and what its answers mean."""

import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from netns_lab.clock import NS_PER_US, US_PER_S, wall_offset_ns
from netns_lab.routing_daemons.session import DaemonSession

TIMEOUT_S = 5.0
FIRST_ERROR = 8000
"""Codes of answers from here on are of refusals."""
PROTOCOL, DETAIL, BFD_SESSION = 1002, 1006, 1020
BFD_COLUMNS = 7
_LINE = re.compile(r"(\d{4})([ -])(.*)")


class BirdError(OSError):
    """BIRD refused a command, or did not answer."""


def bird_command(path: Path, command: str) -> list[tuple[int, str]]:
    """The lines of the answer with their codes. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        with connection.makefile("rw", errors="replace", newline="\n") as lines:
            list(_answer(lines))  # the greeting
            lines.write(f"{command}\n")
            lines.flush()
            answer = list(_answer(lines))
    if answer[-1][0] >= FIRST_ERROR:
        raise BirdError(f"BIRD refused `{command}`: {answer[-1][1]}")
    return answer


def _answer(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """CODE-TEXT, more text of the same code behind a space, and last CODE TEXT."""
    code = 0
    for line in lines:
        if found := _LINE.match(line):
            code = int(found[1])
            yield code, found[3]
            if found[2] == " ":
                return
        else:
            yield code, line[1:].rstrip("\n")
    raise BirdError("BIRD hung up")


def bird_sessions(path: Path) -> dict[str, DaemonSession]:
    """Every BGP session, by its neighbor's address. Raises OSError."""
    answer = bird_command(path, "show protocols all")
    return read_sessions(answer, _bfd_states(path), wall_offset_ns())


def _bfd_states(path: Path) -> dict[str, str]:
    """Of every BFD session, by its neighbor's address; none where BFD is not configured."""
    try:
        answer = bird_command(path, "show bfd sessions")
    except BirdError:
        return {}
    # Address, interface, state and so on, below a heading.
    rows = [text.split() for code, text in answer if code == BFD_SESSION]
    return {words[0]: words[2].lower() for words in rows if len(words) >= BFD_COLUMNS}


def read_sessions(
    answer: Sequence[tuple[int, str]], bfd: Mapping[str, str], offset_ns: int
) -> dict[str, DaemonSession]:
    """What `show protocols all` says of BGP; `offset_ns` is what the wall clock is ahead of the monotonic."""
    sessions = {}
    head: list[str] = []
    fields: dict[str, str] = {}
    for code, text in (*answer, (PROTOCOL, "")):
        if code == PROTOCOL:
            if head[1:2] == ["BGP"]:
                address = fields["Neighbor address"]
                sessions[address] = _session(head, fields, bfd.get(address), offset_ns)
            head, fields = text.split(), {}
        elif code == DETAIL and ":" in text:
            name, _, value = text.partition(":")
            fields[name.strip()] = value.strip()
    return sessions


def _session(
    head: Sequence[str], fields: Mapping[str, str], bfd: str | None, offset_ns: int
) -> DaemonSession:
    # Name, BGP, table, state, date, time, and what it is doing or what ended it.
    changed = datetime.fromisoformat(f"{head[4]} {head[5]}").timestamp()
    state = fields["BGP state"]
    up = state == "Established"
    routes = fields.get("Routes", "0").split()
    return DaemonSession(
        up,
        round(changed * US_PER_S) * NS_PER_US - offset_ns,
        int(routes[0]),
        "" if up else fields.get("Last error", state),
        bfd,
    )
