"""Frames as hex digits: how people write them, and tcpdump, tshark, Wireshark, xxd and hexdump print them."""

import re
from collections.abc import Iterator

_OFFSET = re.compile(r"\s*(?:0x)?([0-9a-fA-F]{4,8})(?::\s+|\s{2,})(?=[0-9a-fA-F]{2})")
_SEPARATOR = re.compile(r"(?:0x|\\x|[\s:,.;{}\"-])+")
_GAP = re.compile(r"\s{2,}")
_FRAMED_CHARACTERS = re.compile(r"(.*?)\s{2,}\|.{1,16}\|\s*$")
"""Of hexdump -C, which leaves a gap in the middle of the octets, too."""
SHOWN_CHARACTERS = 12


def frames_of_text(text: str) -> list[bytes]:
    """The frames of a dump, or of digits with any of the usual separators, where an empty line ends a frame.

    A dump is what begins with the offset 0 somewhere; what stands between its frames is no part of them.
    Raises ValueError with one sentence where the digits make no octets.
    """
    lines = text.splitlines()
    if any((match := _OFFSET.match(line)) and int(match[1], 16) == 0 for line in lines):
        return list(_dumped(lines))
    frames = [octets for block in re.split(r"\n\s*\n", text) if (octets := _octets(block))]
    if not frames:
        raise ValueError("found no octets, expected hex digits")
    return frames


def _dumped(lines: list[str]) -> Iterator[bytes]:
    frame = b""
    for number, line in enumerate(lines, start=1):
        match = _OFFSET.match(line)
        if match is None:
            continue
        offset = int(match[1], 16)
        if offset == 0 and frame:
            yield frame
            frame = b""
        if offset != len(frame):
            raise ValueError(f"line {number}: found offset {offset:#06x}, expected {len(frame):#06x}")
        try:
            frame += _dumped_octets(line[match.end() :])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    yield frame


def _dumped_octets(rest: str) -> bytes:
    """The octets of a line behind its offset, without the characters that some print beside them."""
    framed = _FRAMED_CHARACTERS.match(rest)
    return _octets(framed[1] if framed else _GAP.split(rest.strip())[0])


def _octets(text: str) -> bytes:
    digits = _SEPARATOR.sub(" ", text).strip()
    groups = digits.split()
    for group in groups:
        if not re.fullmatch("[0-9a-fA-F]+", group):
            raise ValueError(f"found {group[:SHOWN_CHARACTERS]!r}, expected hex digits")
    if any(len(group) % 2 for group in groups):
        if len(groups) > 1 and all(len(group) <= 2 for group in groups):  # 2:0:0:0:0:1
            return bytes(int(group, 16) for group in groups)
        odd = next(group for group in groups if len(group) % 2)
        raise ValueError(
            f"found {len(odd)} hex digits at {odd[:SHOWN_CHARACTERS]!r}, expected two for each octet"
        )
    return bytes.fromhex("".join(groups))
