"""What protecting and validating frames costs: beside the bare cipher library, Python, scapy, other suites.

One thread on one core. What is compared is timed in turn, each on a batch of many frames, and a figure is the
median of many such samples. The SecY's include the call from Python. Frames are without FCS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from bench import million_frames
from bench.allocations import allocations
from bench.figures import Figure, figure
from bench.macsec_loops import BareLoop, PythonLoop, ScapyLoop
from bench.running import Say
from bench.sampling import Work, interleaved, on_one_core
from bench.secys import SCI, Population, RoundTrip, Variant, check_valid, frames_of, key
from dataplane.frames import FrameBatch
from dataplane.macsec.native import cipher_libraries
from dataplane.macsec.suites import GCM_AES_128, GCM_AES_256, GCM_AES_XPN_128, GCM_AES_XPN_256

SMALL, LARGE = 64, 1500
IMIX = (*[64] * 7, *[594] * 4, 1518)
WAYS = {"protect": "encrypt", "validate": "decrypt"}
"""What a SecY does to a frame, and what the cipher library does then."""

RATE_GOALS = {SMALL: {"protect": 0.6, "validate": 0.5}, LARGE: {"protect": 0.85, "validate": 0.85}}
"""Of the rate of ipsec-mb in a bare loop, by octets of a frame."""
PYTHON_GOAL = 12
SCAPY_GOAL = 1000
VARIANT_GOAL = 1.3
EXAMPLE_GOAL = 0.8
GROWTH_GOAL = 1.1
SPREAD_GOAL = 2

SUITES = ((GCM_AES_256, GCM_AES_XPN_256), (GCM_AES_128, GCM_AES_XPN_128))
"""A suite, and the same with extended packet numbering."""

Samples = Mapping[str, list[float]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int = 101
    small_frames: int = 4096
    """In a batch of frames of 64 octets."""
    large_frames: int = 1020
    """In a batch of others."""
    python_frames: int = 256
    associations: tuple[int, ...] = (64, 4096)
    """Powers of two, at most small_frames."""
    many_frames: int = 1_000_000
    batch_sizes: tuple[int, ...] = (1, 16, 256)
    example_rounds: int = 5

    def batch(self, *sizes: int) -> FrameBatch:
        """Frames of these sizes, in turn."""
        count = self.small_frames if sizes == (SMALL,) else self.large_frames
        return FrameBatch.from_frames(frames_of(islice(cycle(sizes), count)))


def run(say: Say, effort: Effort = Effort()) -> list[Figure]:
    """All figures."""
    parts = {
        "against a bare loop": _beside_the_library,
        "against Python": _beside_python,
        "against scapy": _beside_scapy,
        "suites and options": _variants,
        "many SAs": _associations,
        "after many frames": _history,
        "batches of any size": _batch_sizes,
        "the example of docs/batches.md": _example,
        "allocations": _allocations,
    }
    figures = []
    with on_one_core() as core:
        for name, part in parts.items():
            say(f"bench: {name}, on core {core}")
            figures += part(effort)
    return figures


def _beside_the_library(effort: Effort) -> list[Figure]:
    figures = []
    for library in cipher_libraries():
        for octets, goals in RATE_GOALS.items():
            trip = RoundTrip(effort.batch(octets), cipher_library=library)
            bare = BareLoop(library, [key(0)], trip.batch)
            works = _round_trip(trip) | {
                "encrypt": Work(bare.encrypt, len(trip.batch)),
                "decrypt": Work(bare.decrypt, len(trip.batch)),
            }
            rates = _kpps(interleaved(works, effort.rounds))
            check_valid(trip.batch)
            for way, bare_way in WAYS.items():
                reference = figure(
                    f"{octets} B {bare_way}: bare loop over {library}", "kpps", rates[bare_way]
                )
                goal = goals[way] if library == "ipsec-mb" else None
                name = f"{octets} B {way}: SecY over {library}"
                own = figure(name, "kpps", rates[way], goal, "ratio at least", reference)
                figures += [reference, own]
    return figures


def _beside_python(effort: Effort) -> list[Figure]:
    loop, batch = PythonLoop(key(0), SCI), effort.batch(SMALL)
    return _beside("64 B", "Python loop", loop, batch, effort.python_frames, PYTHON_GOAL, effort.rounds)


def _beside_scapy(effort: Effort) -> list[Figure]:
    loop, batch = ScapyLoop(key(0), SCI), effort.batch(*IMIX)
    return _beside("IMIX", "scapy", loop, batch, len(IMIX), SCAPY_GOAL, effort.rounds)


def _beside(
    frames: str,
    other: str,
    loop: PythonLoop | ScapyLoop,
    batch: FrameBatch,
    few: int,
    goal: float,
    rounds: int,
) -> list[Figure]:
    """The SecY beside a loop in Python, which is given but a few of the frames."""
    trip = RoundTrip(batch)
    clear = batch.frames()[:few]
    protected = loop.protect(clear)
    works = _round_trip(trip) | {
        "protect, other": Work(lambda: loop.protect(clear), len(clear)),
        "validate, other": Work(lambda: loop.validate(protected), len(clear)),
    }
    rates = _kpps(interleaved(works, rounds))
    check_valid(batch)
    figures = []
    for way in WAYS:
        reference = figure(f"{frames} {way}: {other}", "kpps", rates[f"{way}, other"])
        name = f"{frames} {way}: SecY beside {other}"
        figures += [reference, figure(name, "kpps", rates[way], goal, "ratio at least", reference)]
    return figures


def _variants(effort: Effort) -> list[Figure]:
    figures = []
    for plain, xpn in SUITES:
        variants = {
            plain.name: Variant(plain),
            f"{plain.name}, integrity only": Variant(plain, encrypt=False),
            f"{plain.name}, offset 30": Variant(plain, confidentiality_offset=30),
            f"{plain.name}, offset 50": Variant(plain, confidentiality_offset=50),
            xpn.name: Variant(xpn),
        }
        for octets in RATE_GOALS:
            batch = effort.batch(octets)
            trips = {name: RoundTrip(batch, variant) for name, variant in variants.items()}
            works = {
                f"{octets} B {way}: {name}": work
                for name, trip in trips.items()
                for way, work in _round_trip(trip).items()
            }
            samples = interleaved(works, effort.rounds)
            check_valid(batch)
            for way in WAYS:
                names = [f"{octets} B {way}: {name}" for name in variants]
                figures += _beside_first(names, samples, VARIANT_GOAL)
    return figures


def _associations(effort: Effort) -> list[Figure]:
    """Frames of one SA, however many are installed, and frames of all of them."""
    validate, decrypt = f"{SMALL} B validate", f"{SMALL} B decrypt"
    populations, works = [], {}
    for installed in (1, *effort.associations):
        populations.append(Population(effort.batch(SMALL), installed, 1))
        works[f"{validate}: frames of one of {installed} SAs"] = _validation(populations[-1])
    one_of = list(works)
    all_of = {}
    for installed in effort.associations:
        populations.append(Population(effort.batch(SMALL), installed, installed))
        bare = BareLoop(cipher_libraries()[0], [*map(key, range(installed))], effort.batch(SMALL))
        name, bare_name = f"{validate}: frames of {installed} SAs", f"{decrypt}: bare loop, {installed} keys"
        all_of[name] = bare_name
        works[name] = _validation(populations[-1])
        works[bare_name] = Work(bare.decrypt, effort.small_frames, bare.encrypt)
    samples = interleaved(works, effort.rounds)
    for population in populations:
        check_valid(population.batch)
    figures = _beside_first(one_of, samples, GROWTH_GOAL)
    for name, bare_name in all_of.items():
        figures += _beside_first([bare_name, name], samples, SPREAD_GOAL)
    return figures


def _history(effort: Effort) -> list[Figure]:
    """The first batch of SecYs, and batches of SecYs that have seen many frames."""
    batch = effort.batch(SMALL)
    old, new = RoundTrip(batch), [RoundTrip(batch)]
    for _ in range(effort.many_frames // len(batch)):
        old.protect()
        old.validate()
    first, later = "the first batch", f"after {effort.many_frames} frames"
    works = {
        f"{SMALL} B protect: {first}": Work(
            lambda: new[-1].protect(), len(batch), lambda: new.append(RoundTrip(batch))
        ),
        f"{SMALL} B validate: {first}": Work(lambda: new[-1].validate(), len(batch)),
        f"{SMALL} B protect: {later}": Work(old.protect, len(batch)),
        f"{SMALL} B validate: {later}": Work(old.validate, len(batch)),
    }
    samples = interleaved(works, effort.rounds)
    check_valid(batch)
    figures = []
    for way in WAYS:
        figures += _beside_first(
            [f"{SMALL} B {way}: {when}" for when in (first, later)], samples, GROWTH_GOAL
        )
    return figures


def _batch_sizes(effort: Effort) -> list[Figure]:
    """Batches of few frames, and of many."""
    whole = effort.batch(SMALL)
    trips = {size: RoundTrip(whole[:size]) for size in (len(whole), *effort.batch_sizes)}
    works = {
        f"{SMALL} B {way}: batches of {size}": work
        for size, trip in trips.items()
        for way, work in _round_trip(trip).items()
    }
    samples = interleaved(works, effort.rounds)
    check_valid(whole)
    figures = []
    for way in WAYS:
        figures += _beside_first([name for name in works if way in name], samples)
    return figures


def _example(effort: Effort) -> list[Figure]:
    """A million frames of one array, beside a batch that stays in the cache."""
    library = cipher_libraries()[0]
    ends = million_frames.secy_pair(library)
    batch = million_frames.frames_of_one_size(effort.many_frames, SMALL)
    trip = RoundTrip(effort.batch(SMALL), cipher_library=library)
    example: dict[str, list[float]] = {way: [] for way in WAYS}
    batches: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(effort.example_rounds):
        for way, frame_s in zip(WAYS, million_frames.run(batch, *ends), strict=True):
            example[way].append(frame_s * 1e9)
        for way, samples in interleaved(_round_trip(trip), effort.rounds).items():
            batches[way] += samples
    check_valid(batch)
    check_valid(trip.batch)
    figures = []
    for way in WAYS:
        reference = figure(f"{SMALL} B {way}: in batches of {len(trip.batch)}", "kpps", _kpps(batches)[way])
        name = f"{SMALL} B {way}: bench.million_frames"
        own = figure(name, "kpps", _kpps(example)[way], EXAMPLE_GOAL, "ratio at least", reference)
        figures += [reference, own]
    return figures


def _allocations(effort: Effort) -> list[Figure]:
    return [
        figure(
            f"allocations by {library}, protect and validate",
            "per frame",
            [allocations(library, effort.many_frames) / effort.many_frames],
            0,
        )
        for library in cipher_libraries()
    ]


def _round_trip(trip: RoundTrip) -> dict[str, Work]:
    return {
        "protect": Work(trip.protect, len(trip.batch)),
        "validate": Work(trip.validate, len(trip.batch)),
    }


def _validation(population: Population) -> Work:
    return Work(population.validate, len(population.batch), population.prepare)


def _beside_first(names: Sequence[str], samples: Samples, goal: float | None = None) -> list[Figure]:
    """Times a frame, each beside the first of them, of which they may be `goal` times."""
    first, *others = names
    reference = figure(first, "ns/frame", samples[first])
    return [
        reference,
        *(figure(name, "ns/frame", samples[name], goal, "ratio at most", reference) for name in others),
    ]


def _kpps(samples: Samples) -> dict[str, list[float]]:
    """Thousands of frames a second, of nanoseconds a frame."""
    return {name: [1e6 / taken for taken in times] for name, times in samples.items()}
