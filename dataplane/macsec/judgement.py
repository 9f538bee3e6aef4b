"""What IEEE 802.1AE-2018 10.6 does with a received frame, and why: the reference SecY, with a key or without.

Without the key it runs under each presumption that is open: there is no such SA, the ICV is wrong, or right.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dataplane.frame_summary import ethertype_name
from dataplane.macsec.associations import Protection, ReceiveChannel, ReceiveSA, SecYState
from dataplane.macsec.counters import SLOTS, Verdict, new_counters
from dataplane.macsec.outcome import Outcome
from dataplane.macsec.packet_numbers import ReplayWindow, recovered_pn
from dataplane.macsec.sak import Sak
from dataplane.macsec.sectag import (
    ADDRESS_OCTETS,
    END_STATION_PORT,
    ETHERNET_HEADER_OCTETS,
    SINGLE_COPY_BROADCAST_PORT,
    DecodeError,
    SecTag,
    clear_header_octets,
    ethertype,
)
from dataplane.macsec.secy import (
    EAPOL_ETHERTYPE,
    MACSEC_ETHERTYPE,
    SecYConfig,
    ValidateFrames,
    check_association,
    check_pn,
    check_sci,
)
from dataplane.macsec.verification import find_channel, verify

NO_SA, WRONG_ICV, RIGHT_ICV = "no such SA", "ICV wrong", "ICV right"
"""What can be presumed."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """The SecY that a frame is judged for: its parameters, and one receive SA as it is before the frame."""

    config: SecYConfig
    next_pn: int = 1
    lowest_pn: int = 1
    sci: bytes | None = None
    """Of the receive SC; None: that of the frame, in so far as the frame tells."""
    an: int | None = None
    """None: that of the frame."""
    sak: Sak | None = None
    ssci: int | None = None

    def __post_init__(self) -> None:
        """Raises SecYError where there cannot be such an SA."""
        suite = self.config.suite
        for pn in (self.lowest_pn, self.next_pn):
            if pn != suite.pn_end:  # one that has seen the last packet number
                check_pn(suite, pn)
        if self.sci is not None:
            check_sci(self.sci)
        if self.sak is not None:
            check_association(suite, self.an or 0, self.sak, 1, self.ssci)


@dataclass(frozen=True, slots=True)
class Check:
    """A check that a frame meets or fails; None where that depends on what is not known."""

    clause: str
    what: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Result:
    """Where a frame ends in one mode, under each of some presumptions; none where it is the same under all.

    `counters` are those that rise, and by how much.
    """

    validate_frames: ValidateFrames
    presumptions: tuple[str, ...]
    verdict: Verdict
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a frame; the checks are those of a SecY that is strict."""

    checks: tuple[Check, ...]
    results: tuple[Result, ...]
    opened: bytes | None
    """The frame without SecTAG and ICV, where the SAK is known and its own."""


class _Presumed(Protection):
    """Stands for a key that is not known: says of every ICV what is presumed."""

    def __init__(self, valid: bool) -> None:
        self._valid = valid

    def validate(
        self, pn: int, header: bytes, secure_data: bytes, icv: bytes, encrypted: bool
    ) -> bytes | None:
        return secure_data if self._valid else None


def judge(frame: bytes, receiver: Receiver, modes: Sequence[ValidateFrames]) -> Judgement:
    """Runs the reference SecY on a frame in each mode. Any octets can be judged."""
    results: list[Result] = []
    for mode in modes:
        found: dict[tuple[Verdict, tuple[tuple[str, int], ...]], list[str]] = {}
        for presumption, state in _presumptions(frame, _in_mode(receiver, mode)):
            outcome, rises = _run(state, frame)
            found.setdefault((outcome.verdict, tuple(rises.items())), []).append(presumption)
        results += [
            Result(mode, tuple(names) if len(found) > 1 else (), verdict, dict(counters))
            for (verdict, counters), names in found.items()
        ]
    checks = tuple(_checks(frame, _in_mode(receiver, ValidateFrames.STRICT)))
    return Judgement(checks, tuple(results), _opened(frame, receiver))


def _in_mode(receiver: Receiver, mode: ValidateFrames) -> Receiver:
    return replace(receiver, config=replace(receiver.config, validate_frames=mode))


def _opened(frame: bytes, receiver: Receiver) -> bytes | None:
    """What the SAK makes of a frame, also of one that comes too late."""
    if receiver.sak is None or _tag(frame, receiver.config) is None:
        return None
    config = replace(
        receiver.config,
        validate_frames=ValidateFrames.STRICT,
        replay_protect=False,
        detect_duplicates=False,
    )
    ((_, state),) = _presumptions(frame, replace(receiver, config=config))
    return verify(state, frame).frame


def _run(state: SecYState, frame: bytes) -> tuple[Outcome, dict[str, int]]:
    outcome = verify(state, frame)
    state.count(outcome.verdict.name)
    return outcome, {name: int(state.counters[slot]) for name, slot in SLOTS.items() if state.counters[slot]}


def _presumptions(frame: bytes, receiver: Receiver) -> Iterator[tuple[str, SecYState]]:
    """What may be the case, each with a SecY in which it is."""
    if receiver.sak is not None:
        yield "", _state(frame, receiver)
        return
    if receiver.sci is None:
        yield NO_SA, SecYState(receiver.config, new_counters())
    yield WRONG_ICV, _state(frame, receiver, presumed_valid=False)
    yield RIGHT_ICV, _state(frame, receiver)


def _state(frame: bytes, receiver: Receiver, presumed_valid: bool = True) -> SecYState:
    """A SecY with the receive SA, fresh for each frame."""
    config, sci = receiver.config, _channel_sci(frame, receiver)
    tag = _tag(frame, config)
    an = receiver.an if receiver.an is not None or tag is None else tag.an
    protection: Protection = _Presumed(presumed_valid)
    if receiver.sak is not None:
        protection = Protection(receiver.sak, sci, receiver.ssci)
    window = ReplayWindow(receiver.next_pn, receiver.lowest_pn, config.detect_duplicates)
    channel = ReceiveChannel({an or 0: ReceiveSA(protection, window)})
    return SecYState(config, new_counters(), channels={sci: channel})


def _channel_sci(frame: bytes, receiver: Receiver) -> bytes:
    """Of the receive SC; where nobody tells it the source's with port 1, or 0 with SCB."""
    if receiver.sci is not None:
        return receiver.sci
    tag = _tag(frame, receiver.config)
    if tag is not None and tag.sci is not None:
        return tag.sci
    broadcast = tag is not None and tag.single_copy_broadcast
    return frame[6:ADDRESS_OCTETS] + (SINGLE_COPY_BROADCAST_PORT if broadcast else END_STATION_PORT)


def _tag(frame: bytes, config: SecYConfig) -> SecTag | None:
    """A valid SecTAG, if the frame has one for such a SecY."""
    try:
        return SecTag.decode(frame[clear_header_octets(frame, config.clear_tags) :])
    except DecodeError:
        return None


def _checks(frame: bytes, receiver: Receiver) -> Iterator[Check]:
    """The checks in order, up to the first that fails."""
    config = receiver.config
    if len(frame) < ETHERNET_HEADER_OCTETS:
        yield Check("802.3", f"{len(frame)} octets, expected {ETHERNET_HEADER_OCTETS} of header", False)
        return
    outermost = ethertype(frame[ADDRESS_OCTETS:])
    if outermost == EAPOL_ETHERTYPE:
        yield Check("802.1X 6.4", "EAPOL is for the Uncontrolled Port", False)
        return
    mpdu = frame[clear_header_octets(frame, config.clear_tags) :]
    if ethertype(mpdu) != MACSEC_ETHERTYPE:
        bypasses = ", which bypasses this SecY" if outermost in config.bypass else ""
        yield Check("10.6", f"no SecTAG but {ethertype_name(ethertype(mpdu))}{bypasses}", False)
        return
    yield Check("10.6", "there is a SecTAG", True)
    try:
        tag = SecTag.decode(mpdu)
    except DecodeError as invalid:
        clause, _, what = str(invalid).partition(": ")
        yield Check(clause, what, False)
        return
    if tag.pn == 0 and not config.suite.xpn:
        yield Check("9.12", f"PN is 0, which {config.suite.name} never sends", False)
        return
    yield Check("9.12", "the SecTAG is valid (a to i)", True)
    if tag.encrypted and not tag.changed:
        yield Check("9.5", "E is set and C is not: for the key agreement entity alone", False)
        return
    yield from _association_checks(frame, receiver, tag)


def _association_checks(frame: bytes, receiver: Receiver, tag: SecTag) -> Iterator[Check]:
    """10.6.1 to 10.6.5."""
    config, state = receiver.config, _state(frame, receiver)
    channel = find_channel(state, tag, frame[6:ADDRESS_OCTETS])
    sa = None if channel is None else channel.sas.get(tag.an)
    known = receiver.sci is not None or receiver.sak is not None
    sci = (tag.sci or _channel_sci(frame, receiver)).hex()
    yield Check(
        "10.6.1", f"the SC of SCI {sci} has an SA under AN {tag.an}", sa is not None if known else None
    )
    if sa is None:
        return
    window = sa.window
    pn = recovered_pn(window.lowest_pn, tag.pn) if config.suite.xpn else tag.pn
    late = window.is_late(pn)
    off = "" if config.replay_protect else "; replayProtect is off"
    relation = "below" if late else "not below"
    yield Check("10.6.2", f"PN {pn} is {relation} lowestPN {window.lowest_pn}{off}", not late)
    if late and config.replay_protect:
        return
    valid = verify(state, frame).verdict.passes
    if receiver.sak is None:
        yield Check("10.6.3", "the ICV is that of the frame", None)
    else:
        yield Check("10.6.3", f"the ICV is {'' if valid else 'not '}that of the frame", valid)
    if valid:
        moved = f"nextPN is then {window.next_pn} and lowestPN {window.lowest_pn}"
        yield Check("10.6.5", moved, None if receiver.sak is None else True)
