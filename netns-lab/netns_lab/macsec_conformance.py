"""Runs conformance vectors on implementations of the SecY: vectors in, results out."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import ONLY_2006, OUR_COUNTERS, Verdict, counters_by_name
from dataplane.macsec.sectag import ETHERNET_HEADER_OCTETS, DecodeError, SecTag, clear_header_octets
from dataplane.macsec.secy import SecY, SecYConfig, SecYError, ValidateFrames
from netns_lab.macsec_vectors import Association, ReceivedVector, SentVector, Vectors

OWN_SCIS = (bytes.fromhex("02000000000a0001"), bytes.fromhex("02000000000b0001"))
"""Of the receiving SecY: the one that is not the vector's."""
VALIDATED = ("InPktsOK", "InPktsDelayed", "InPktsInvalid", "InPktsNotValid")
SecYMaker = Callable[[SecYConfig], SecY]
SHOWN_OCTETS = 8
"""How much of two frames that differ is told."""


@dataclass(frozen=True, slots=True)
class Implementation:
    """A SecY to be held against vectors."""

    engine: str
    """native or reference"""
    cipher: str
    """The library that computes its AES-GCM."""
    make: SecYMaker

    @property
    def name(self) -> str:
        """Engine and library in one word."""
        return f"{self.engine}/{self.cipher}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one vector."""

    list: str
    """frames or received"""
    vector: str
    """Its name."""
    differences: dict[str, tuple[str, ...]]
    """For each implementation by name, what it did that the vector does not have."""

    @property
    def passed(self) -> bool:
        """Whether every implementation did what the vector has."""
        return not any(self.differences.values())

    @property
    def summary(self) -> str:
        """The differences in one line; each names its implementations unless all have it."""
        found: dict[str, list[str]] = {}
        for name, differences in self.differences.items():
            for difference in differences:
                found.setdefault(difference, []).append(name)
        return "; ".join(
            difference if len(names) == len(self.differences) else f"{', '.join(names)}: {difference}"
            for difference, names in found.items()
        )


def implementations(engine: str, cipher: str) -> list[Implementation]:
    """Those of this machine that `native`, `reference` or `all` and a library, or `auto` for each, mean.

    Raises SecYError for a library that this machine has not.
    """
    found = []
    if engine != "reference":
        from dataplane.macsec.native import NativeSecY, cipher_libraries

        usable = cipher_libraries()
        if cipher not in ("auto", *usable):
            raise SecYError(f"cipher library {cipher} is not usable here, expected {' or '.join(usable)}")
        found += [
            Implementation("native", library, partial(NativeSecY, cipher_library=library))
            for library in (usable if cipher == "auto" else (cipher,))
        ]
    if engine != "native":
        from dataplane.macsec.reference import ReferenceSecY

        found.append(Implementation("reference", "cryptography", ReferenceSecY))
    return found


def run_vectors(vectors: Vectors, implementations: Sequence[Implementation]) -> Iterator[Result]:
    """Runs every vector on every implementation."""
    everything: list[SentVector | ReceivedVector] = [*vectors.frames, *vectors.received]
    for vector in everything:
        yield Result(
            "frames" if isinstance(vector, SentVector) else "received",
            vector.name,
            {each.name: _differences(vector, each.make) for each in implementations},
        )


def _differences(vector: SentVector | ReceivedVector, make: SecYMaker) -> tuple[str, ...]:
    try:
        return tuple(_sent(vector, make) if isinstance(vector, SentVector) else _received(vector, make))
    except SecYError as refusal:
        return (f"refuses the vector's parameters: {refusal}",)


def _sent(vector: SentVector, make: SecYMaker) -> Iterator[str]:
    """Sends the frame, and gives what should have been sent to another SecY."""
    config = SecYConfig(
        vector.sci,
        vector.suite,
        always_include_sci=vector.sci_in_sectag,
        use_es=vector.es,
        use_scb=vector.scb,
        clear_tags=vector.clear_tags,
    )
    sender = make(config)
    sender.install_transmit_sa(vector.an, vector.sak(vector.encrypted), vector.pn, vector.ssci_number)
    kind = "Encrypted" if vector.encrypted else "Protected"
    user_octets = len(vector.plaintext_frame) - clear_header_octets(vector.plaintext_frame, vector.clear_tags)
    batch = FrameBatch.from_frames([vector.plaintext_frame])
    sender.protect(batch)
    yield from _wrong_outcomes(batch, [f"OutPkts{kind}"], [vector.protected_frame], "sent frame")
    yield from _wrong_rises(sender, {}, {f"OutPkts{kind}": 1, f"OutOctets{kind}": user_octets})

    receiver = make(_receiver_config(vector))
    receiver.install_receive_sa(vector.sci, vector.an, vector.sak(), vector.pn, vector.ssci_number)
    yield from _feed(receiver, vector, [vector.protected_frame], ["InPktsOK"], [vector.plaintext_frame])


def _received(vector: ReceivedVector, make: SecYMaker) -> list[str]:
    """Feeds the frames one at a time; then, to a fresh SecY, all in one batch."""
    receiver = _receiver(vector, make)
    differences = [
        f"frame {i}: {difference}"
        for i, (frame, verdict, delivered) in enumerate(
            zip(vector.frames, vector.verdicts, vector.delivered, strict=True)
        )
        for difference in _feed(receiver, vector, [frame], [verdict], [delivered])
    ]
    if differences or len(vector.frames) == 1:
        return differences
    at_once = _feed(_receiver(vector, make), vector, vector.frames, vector.verdicts, vector.delivered)
    return [f"in one batch: {difference}" for difference in at_once]


def _receiver(vector: ReceivedVector, make: SecYMaker) -> SecY:
    """A SecY with the vector's one SA, nextPN and lowestPN where the vector has them."""
    config = replace(
        _receiver_config(vector),
        validate_frames=vector.validate_frames,
        replay_protect=vector.replay_protect,
        replay_window=vector.replay_window,
    )
    receiver = make(config)
    lowest_pn = max(1, vector.next_pn - vector.replay_window) if vector.replay_protect else 1
    receiver.install_receive_sa(vector.sci, vector.an, vector.sak(), lowest_pn, vector.ssci_number)
    # A SecY starts nextPN at lowestPN. That makes a difference only without replay protection, where lowestPN
    # moves on with nextPN: there a valid frame brings nextPN to its place while the window is too wide for
    # lowestPN to follow. Past the widest window of an XPN suite that cannot be had.
    widest = vector.cipher_suite.replay_window_limit
    if not vector.replay_protect and 1 < vector.next_pn <= widest:
        sender = make(SecYConfig(vector.sci, vector.suite))
        sender.install_transmit_sa(vector.an, vector.sak(), vector.next_pn - 1, vector.ssci_number)
        batch = FrameBatch.from_frames([bytes(ETHERNET_HEADER_OCTETS)])
        sender.protect(batch)
        receiver.configure(replace(config, validate_frames=ValidateFrames.STRICT, replay_window=widest))
        receiver.validate(batch)
        receiver.configure(config)
    return receiver


def _receiver_config(vector: Association) -> SecYConfig:
    own_sci = next(sci for sci in OWN_SCIS if sci != vector.sci)
    return SecYConfig(own_sci, vector.suite, clear_tags=vector.clear_tags)


def _feed(
    receiver: SecY,
    vector: Association,
    frames: Sequence[bytes],
    verdicts: Sequence[str | None],
    delivered: Sequence[bytes | None],
) -> Iterator[str]:
    """Validates frames in one batch; tells what does not come of them as expected."""
    rises = Counter(verdict for verdict in verdicts if verdict is not None)
    if receiver.config.validate_frames is not ValidateFrames.DISABLED:
        for frame, verdict in zip(frames, verdicts, strict=True):
            if verdict in VALIDATED:
                rises += _validated_octets(frame, vector.clear_tags)
    before = counters_by_name(receiver.counters)
    batch = FrameBatch.from_frames(frames)
    receiver.validate(batch)
    yield from _wrong_outcomes(batch, verdicts, delivered, "delivered frame")
    yield from _wrong_rises(receiver, before, rises)


def _validated_octets(frame: bytes, clear_tags: int) -> Counter[str]:
    """The counter of octets that a validated frame raises, and by how much."""
    mpdu = frame[clear_header_octets(frame, clear_tags) :]
    try:
        tag = SecTag.decode(mpdu)
    except DecodeError:
        return Counter()
    data = tag.secure_data(len(mpdu))
    return Counter({"InOctetsDecrypted" if tag.encrypted else "InOctetsValidated": data.stop - data.start})


def _wrong_outcomes(
    batch: FrameBatch, verdicts: Sequence[str | None], frames: Sequence[bytes | None], what: str
) -> Iterator[str]:
    for i, (verdict, frame) in enumerate(zip(verdicts, frames, strict=True)):
        which = f"frame {i}: " if len(batch) > 1 else ""
        found = Verdict(batch.verdict[i])
        if found.name != verdict and not (verdict is None and found.name in OUR_COUNTERS):
            yield f"{which}verdict is {found.name}, expected {verdict or 'none of the standard'}"
        difference = _frame_difference(batch.frame(i) if found.passes else None, frame)
        if difference is not None:
            yield f"{which}{what} {difference}"


def _frame_difference(found: bytes | None, expected: bytes | None) -> str | None:
    """How two frames differ, octets counted from 0; None where they do not."""
    if found == expected:
        return None
    if found is None or expected is None:
        return "is missing" if found is None else "is there, expected none"
    if len(found) != len(expected):
        return f"has {len(found)} octets, expected {len(expected)}"
    places = [i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b]
    first, last = places[0], places[-1]
    end = min(last + 1, first + SHOWN_OCTETS)
    which = f"octet {first} is" if first == last else f"octets {first} to {last} are"
    more = "..." if end <= last else ""
    return f"{which} {found[first:end].hex()}{more}, expected {expected[first:end].hex()}{more}"


def _wrong_rises(secy: SecY, before: Mapping[str, int], expected: Mapping[str, int]) -> Iterator[str]:
    """Of the standard's counters, those that did not rise as expected."""
    for name, value in counters_by_name(secy.counters).items():
        rise = value - before.get(name, 0)
        if rise != expected.get(name, 0) and name not in OUR_COUNTERS and name not in ONLY_2006:
            yield f"{name} rises by {rise}, expected {expected.get(name, 0)}"
