"""For which SecY `quadlink explain` explains a frame: one of a running lab, or one that options describe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dataplane.interface import LinkState
from dataplane.links.secys import secy_config
from dataplane.macsec.dissection import clear_tags, sci_text
from dataplane.macsec.judgement import Receiver
from dataplane.macsec.sak import Sak
from dataplane.macsec.sectag import DecodeError, SecTag, clear_header_octets
from dataplane.macsec.secy import SecYConfig, SecYError, ValidateFrames
from dataplane.macsec.suites import GCM_AES_256, CipherSuite, cipher_suite
from netns_lab.directory import LabDirectory, LabError
from netns_lab.running_links import asked_engine, named_links

OWN_SCI = bytes(8)
"""Of the receiving SecY, where nothing depends on it."""
FROM_FILE = "@"


@dataclass(frozen=True, slots=True)
class Question:
    """For which SecY, in which modes of validateFrames, and what was assumed of it."""

    receiver: Receiver
    modes: Sequence[ValidateFrames]
    notes: Sequence[str]


Asker = Callable[[bytes], Question]
"""What is asked about a frame."""


@dataclass(frozen=True, slots=True)
class ReceiverOptions:
    """What a user told of a SecY; None: what the frame or the SAK suggests, of `validate` every mode."""

    cipher: str | None = None
    sci: str | None = None
    sak: str | None = None
    salt: str | None = None
    ssci: int | None = None
    confidentiality_offset: int = 0
    validate: ValidateFrames | None = None
    replay_window: int = 0
    replay_protect: bool = True
    next_pn: int = 1
    clear_tags: int | None = None


def described(options: ReceiverOptions, frame: bytes) -> Question:
    """The SecY that options describe. Raises LabError where there can be none like that."""
    notes = []
    tags = clear_tags(frame) if options.clear_tags is None else options.clear_tags
    if tags and options.clear_tags is None:
        notes.append(f"clear_tags {tags} is assumed, because a SecTAG follows the VLAN tags")
    sak = _given_sak(options)
    try:
        config = SecYConfig(
            OWN_SCI,
            cipher=_suite(options, sak).name,
            replay_protect=options.replay_protect,
            replay_window=options.replay_window,
            clear_tags=tags,
        )
        receiver = Receiver(
            config,
            next_pn=options.next_pn,
            lowest_pn=max(1, options.next_pn - options.replay_window),
            sci=None if options.sci is None else _octets("--sci", options.sci),
            sak=sak,
            ssci=options.ssci,
        )
    except SecYError as refusal:
        raise LabError(f"explain: {refusal}") from None
    modes = list(ValidateFrames)[::-1] if options.validate is None else [options.validate]
    return Question(receiver, modes, notes)


def _suite(options: ReceiverOptions, sak: Sak | None) -> CipherSuite:
    """The one that was named, or that fits the SAK."""
    if options.cipher is not None:
        try:
            return cipher_suite(options.cipher)
        except ValueError as error:
            raise LabError(f"--cipher: {error}") from None
    if sak is None:
        return GCM_AES_256
    xpn = "XPN-" if sak.salt else ""
    return cipher_suite(f"GCM-AES-{xpn}{'128' if len(sak.key) == 16 else '256'}")


def of_link(directory: LabDirectory, link: str, options: ReceiverOptions, with_keys: bool) -> Asker:
    """The SecYs of a running lab's link, as they are now. Raises LabError.

    Of the options only the SAK counts; `with_keys` asks the engine for it.
    """
    with asked_engine(directory) as engine:
        (state,) = named_links(engine, [link])
        if state.macsec is None:
            raise LabError(f"link {link} is plain: it has no SecY")
        sak = engine.export_sak(link) if with_keys else _given_sak(options)
    return partial(_of_link_state, state, sak)


def _of_link_state(state: LinkState, sak: Sak | None, frame: bytes) -> Question:
    """For the SecY of the link that the frame goes to."""
    assert state.macsec is not None
    end, notes = _receiving_end(state, frame)
    channel = state.secys[end].channels[0]
    config = secy_config(state.macsec, bytes.fromhex(state.secys[end].sci))
    if sak is not None:
        sak = replace(sak, confidentiality_offset=state.macsec.confidentiality_offset)
    try:
        receiver = Receiver(
            config,
            next_pn=channel.next_pn,
            lowest_pn=channel.lowest_pn,
            sci=bytes.fromhex(channel.sci),
            an=channel.an,
            sak=sak,
            ssci=channel.ssci,
        )
    except SecYError as refusal:
        raise LabError(f"link {state.name}: {refusal}") from None
    return Question(receiver, [config.validate_frames], notes)


def _receiving_end(state: LinkState, frame: bytes) -> tuple[int, list[str]]:
    """The end whose SecY hears the frame's sender: by the SCI of the frame, else by its source address."""
    try:
        sci = SecTag.decode(frame[clear_header_octets(frame, clear_tags(frame)) :]).sci
    except DecodeError:
        sci = None
    for told in (sci, frame[6:12]):
        for end, secy in enumerate(state.secys):
            if told and bytes.fromhex(secy.channels[0].sci).startswith(told):
                return end, [f"received at {state.ends[end].node}, if it came now"]
    ends = " nor ".join(
        f"{end.node} ({sci_text(bytes.fromhex(secy.sci))})"
        for end, secy in zip(state.ends, state.secys, strict=False)
    )
    return 0, [f"it is neither from {ends}; received at {state.ends[0].node}, if it came now"]


def _given_sak(options: ReceiverOptions) -> Sak | None:
    """The key that an option says, or for @FILE the file: command lines can be read by everybody."""
    if options.sak is None:
        return None
    text = options.sak
    if text.startswith(FROM_FILE):
        text = Path(text[1:]).read_bytes().decode(errors="replace").strip()
    salt = b"" if options.salt is None else _octets("--salt", options.salt)
    return Sak(_octets("--sak", text), salt, confidentiality_offset=options.confidentiality_offset)


def _octets(option: str, text: str) -> bytes:
    """Never tells the text: it may be a key."""
    try:
        return bytes.fromhex(text.replace(":", ""))
    except ValueError:
        raise LabError(f"{option}: found {len(text)} characters that are no octets in hex") from None
