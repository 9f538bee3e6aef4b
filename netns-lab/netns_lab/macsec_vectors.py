"""Conformance vectors, file format quadlink-macsec-vectors/1: JSON text to checked vectors.

Octets are in hexadecimal; frames start at the destination address and have no FCS. A field that the format
does not have is commentary, unless it holds a number, a list or an object: then it may be one misspelt. What
is wrong is told without quoting a key.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import model_validator as checked
from pydantic_core import ErrorDetails

from dataplane.macsec.counters import ONLY_2006, RECEIVE_COUNTERS
from dataplane.macsec.sak import Sak
from dataplane.macsec.sectag import ETHERNET_HEADER_OCTETS, VLAN_TAG_OCTETS
from dataplane.macsec.secy import (
    ASSOCIATION_NUMBERS,
    CLEAR_TAG_LIMIT,
    RESERVED_SCI,
    SCI_OCTETS,
    ValidateFrames,
)
from dataplane.macsec.suites import CONFIDENTIALITY_OFFSETS, SALT_OCTETS, CipherSuite, cipher_suite
from netns_lab.directory import LabError
from netns_lab.output import nearest
from netns_lab.source import field_path, shown

FORMAT = "quadlink-macsec-vectors/1"
SSCI_OCTETS = 4
MAX_DIGITS = 40
"""Of a number: more than any here has, and fewer than Python refuses."""
RECEIVE_VERDICTS = tuple(
    name for name in RECEIVE_COUNTERS if not name.startswith("InOctets") and name not in ONLY_2006
)

_EXPECTED = {
    "bool_type": "true or false",
    "greater_than_equal": "at least {ge}",
    "int_type": "a whole number",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "model_type": "an object",
    "string_type": "text",
    "too_short": "at least one entry",
}


def _octets(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("found no text, expected hexadecimal digits")
    wrong = re.search("[^0-9a-fA-F]", value)
    if wrong:
        raise ValueError(f"found {shown(wrong[0])} as digit {wrong.start() + 1}, expected hexadecimal digits")
    if len(value) % 2:
        raise ValueError(f"found {len(value)} hexadecimal digits, expected two for each octet")
    return bytes.fromhex(value)


def _name(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"found {shown(text)}, expected text that can be printed on a line")
    return text


def _sci(octets: bytes) -> bytes:
    if len(octets) != SCI_OCTETS:
        raise ValueError(f"found {len(octets)} octets, expected {SCI_OCTETS}")
    if octets == RESERVED_SCI:
        raise ValueError("found all ones, which is reserved, expected another SCI")
    return octets


def _with_header(octets: bytes) -> bytes:
    if len(octets) < ETHERNET_HEADER_OCTETS:
        raise ValueError(f"found {len(octets)} octets, expected at least {ETHERNET_HEADER_OCTETS}")
    return octets


def _commentary(value: object) -> object:
    if not isinstance(value, str | bool | None):
        raise ValueError
    return value


def _one_of(*values: object) -> BeforeValidator:
    """One of a few values as JSON has them: true is not 1."""

    def check(value: object) -> object:
        if not any(type(value) is type(each) and value == each for each in values):
            expected = ", ".join("null" if each is None else str(each) for each in values)
            raise ValueError(f"found {shown(value)}, expected one of {expected}")
        return value

    return BeforeValidator(check)


def _at_most(field: str, value: int, limit: int, suite: CipherSuite) -> None:
    if value > limit:
        raise ValueError(f"{field}: found {value}, expected at most {limit} for {suite.name}")


Octets = Annotated[bytes, BeforeValidator(_octets)]
Frame = Annotated[Octets, AfterValidator(_with_header)]
Offset = Annotated[int, _one_of(*CONFIDENTIALITY_OFFSETS)]
Mode = Annotated[ValidateFrames, BeforeValidator(ValidateFrames), _one_of(*map(str, ValidateFrames))]
ReceiveVerdict = Annotated[str | None, _one_of(*RECEIVE_VERDICTS, None)]


class _Commented(BaseModel):
    """Strict, but for fields that are commentary."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[object, AfterValidator(_commentary)]]


class Association(_Commented):
    """One transmitter's SA, which the vectors of both lists have."""

    name: Annotated[str, AfterValidator(_name)]
    suite: Annotated[str, AfterValidator(lambda name: cipher_suite(name).name)]
    key: Octets = Field(repr=False)
    sci: Annotated[Octets, AfterValidator(_sci)]
    an: int = Field(ge=0, le=ASSOCIATION_NUMBERS - 1)
    ssci: Octets = b""
    salt: Octets = b""
    confidentiality_offset: Offset = 0
    clear_tag_octets: Annotated[
        int, _one_of(*range(0, CLEAR_TAG_LIMIT * VLAN_TAG_OCTETS + 1, VLAN_TAG_OCTETS))
    ] = 0
    """Octets of VLAN tags in clear in front of the SecTAG."""

    @property
    def cipher_suite(self) -> CipherSuite:
        """The suite that `suite` names."""
        return cipher_suite(self.suite)

    @property
    def ssci_number(self) -> int | None:
        """The SSCI as the SecY takes it; None with a suite that has none."""
        return int.from_bytes(self.ssci) if self.ssci else None

    @property
    def clear_tags(self) -> int:
        """How many VLAN tags `clear_tag_octets` are."""
        return self.clear_tag_octets // VLAN_TAG_OCTETS

    def sak(self, encrypt: bool = True) -> Sak:
        """The key as the SecY takes it."""
        return Sak(self.key, self.salt, encrypt, self.confidentiality_offset)

    @checked(mode="after")
    def _fits_its_suite(self) -> Self:
        suite = self.cipher_suite
        for field, octets, expected in (
            ("key", self.key, suite.sak_octets),
            ("ssci", self.ssci, SSCI_OCTETS if suite.xpn else 0),
            ("salt", self.salt, SALT_OCTETS if suite.xpn else 0),
        ):
            if len(octets) != expected:
                raise ValueError(f"{field}: found {len(octets)} octets, expected {expected} for {suite.name}")
        if suite.xpn:
            _at_most("confidentiality_offset", self.confidentiality_offset, 0, suite)
        return self


class SentVector(Association):
    """Of the list `frames`: one SecY makes `protected_frame` of `plaintext_frame`, another undoes it."""

    pn: int = Field(ge=1)
    sci_in_sectag: bool
    es: bool
    scb: bool
    encrypted: bool
    confidentiality_offset: Offset
    plaintext_frame: Frame
    protected_frame: Frame

    @checked(mode="after")
    def _has_a_packet_number(self) -> Self:
        _at_most("pn", self.pn, self.cipher_suite.pn_end - 1, self.cipher_suite)
        return self


class ReceivedVector(Association):
    """Of the list `received`: what becomes of frames that are fed in order to a SecY with this one SA."""

    validate_frames: Mode
    replay_protect: bool
    replay_window: int = Field(ge=0)
    next_pn: int = Field(ge=1)
    frames: list[Octets] = Field(min_length=1)
    verdicts: list[ReceiveVerdict]
    """The counter that each frame raises; None where the standard has none for it."""
    delivered: list[Octets | None]
    """Each frame as it is handed up; None where it is not."""

    @checked(mode="after")
    def _is_whole(self) -> Self:
        suite = self.cipher_suite
        _at_most("next_pn", self.next_pn, suite.pn_end - 1, suite)
        _at_most("replay_window", self.replay_window, suite.replay_window_limit, suite)
        for field, entries in (("verdicts", self.verdicts), ("delivered", self.delivered)):
            if len(entries) != len(self.frames):
                expected = f"{len(self.frames)}, one for each of frames"
                raise ValueError(f"{field}: found {len(entries)} entries, expected {expected}")
        return self


class Vectors(_Commented):
    """A whole file."""

    format: Annotated[str, _one_of(FORMAT)]
    frames: list[SentVector] = []
    received: list[ReceivedVector] = []

    @checked(mode="after")
    def _has_some(self) -> Self:
        if not self.frames and not self.received:
            raise ValueError("found no vector, expected some in frames or received")
        return self


def read_vectors(path: Path) -> Vectors:
    """The vectors of a file. Raises LabError for one that cannot be read or does not follow the format."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: found no UTF-8 at octet {error.start}, expected JSON text") from None
    try:
        return parse_vectors(text)
    except ValueError as error:
        raise LabError(f"{path}: {error}") from None


def parse_vectors(text: str) -> Vectors:
    """The vectors of a file's text. Raises ValueError: in one sentence, the first thing wrong with it."""
    document = _parse_json(text)
    try:
        return Vectors.model_validate(document)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
    # Raised here, so that no traceback leads to an error that quotes a key.
    raise ValueError(_sentence(document, problem))


def _parse_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_unambiguous, parse_int=_parse_int)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: JSON syntax: {error.msg}"
    except RecursionError:
        problem = "found values nested too deeply"
    raise ValueError(problem)


def _parse_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"found a number of {len(digits)} digits, expected at most {MAX_DIGITS}")
    return int(digits)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in pairs:
        if field in found:
            of = f" of {shown(found['name'])}" if "name" in found else ""
            raise ValueError(f"found field {shown(field)}{of} twice, expected it once")
        found[field] = value
    return found


def _sentence(document: object, problem: ErrorDetails) -> str:
    """Which vector, which of its fields, what was found there and what was expected."""
    place = problem["loc"]
    model: type[BaseModel] = Vectors
    words = []
    if len(place) > 1 and isinstance(document, dict):
        vector = document[place[0]][place[1]]
        name = f" {shown(vector['name'])}" if isinstance(vector, dict) and "name" in vector else ""
        words.append(f"{place[0]}[{place[1]}]{name}")
        model = SentVector if place[0] == "frames" else ReceivedVector
        place = place[2:]
    field = ""
    for step in place:
        field = field_path(field, step)
    if field:
        words.append(field)
    if len(place) == 1 and place[0] not in model.model_fields:
        known = nearest(str(place[0]), model.model_fields)
        return f"{': '.join(words)}: found no such field in the format{known}, expected text, true or false"
    return ": ".join([*words, _complaint(problem)])


def _complaint(problem: ErrorDetails) -> str:
    context = problem.get("ctx", {})
    if problem["type"] == "value_error":
        return str(context["error"])
    if problem["type"] == "missing":
        return "found nothing, expected this field"
    return f"found {shown(problem['input'])}, expected {_EXPECTED[problem['type']].format(**context)}"
