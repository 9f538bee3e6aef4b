"""Protects and validates a million frames of a numpy array, in place: the example of docs/batches.md."""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.native import NativeSecY, cipher_libraries
from dataplane.macsec.sak import Sak
from dataplane.macsec.secy import SecYConfig

PART_FRAMES = 1024
"""Frames of one call, and of one sample: a rate is the median over the parts of the batch."""
MIXED_OCTETS = (*[64] * 7, *[594] * 4, 1518)
"""A dozen frames of the Internet mix."""
HEADER = np.frombuffer(bytes.fromhex("02000000000b 02000000000a 0800"), np.uint8)


def frames_of_one_size(count: int, octets: int) -> FrameBatch:
    """Frames that are the rows of an array."""
    batch = FrameBatch.of_lengths(np.full(count, octets))
    frames = batch.array()
    frames[:] = np.arange(octets) % 256
    frames[:, : HEADER.size] = HEADER
    return batch


def frames_of_mixed_sizes(count: int) -> FrameBatch:
    """Frames of three sizes, each at its place in one array."""
    batch = FrameBatch.of_lengths(np.resize(MIXED_OCTETS, count))
    batch.arena[batch.offset[:, np.newaxis] + np.arange(HEADER.size)] = HEADER
    return batch


def secy_pair(cipher: str) -> tuple[NativeSecY, NativeSecY]:
    """One SecY that sends, another that receives from it."""
    sender = NativeSecY(SecYConfig(bytes.fromhex("02000000000a0001")), cipher_library=cipher)
    receiver = NativeSecY(SecYConfig(bytes.fromhex("02000000000b0001")), cipher_library=cipher)
    sak = Sak(np.random.default_rng().bytes(32))
    receiver.install_receive_sa(sender.config.sci, 0, sak)
    sender.install_transmit_sa(0, sak)
    return sender, receiver


def run(batch: FrameBatch, sender: NativeSecY, receiver: NativeSecY) -> tuple[float, float]:
    """Protects and validates every frame; the seconds a frame that each took."""
    protect_s, validate_s = [], []
    for first in range(0, len(batch), PART_FRAMES):
        part = batch[first : first + PART_FRAMES]
        began = time.perf_counter()
        sender.protect(part)
        protected = time.perf_counter()
        receiver.validate(part)
        validate_s.append((time.perf_counter() - protected) / len(part))
        protect_s.append((protected - began) / len(part))
    return statistics.median(protect_s), statistics.median(validate_s)


def at_least(least: int) -> Callable[[str], int]:
    """Reads a number of a command line."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"found {text!r}, expected a number from {least}")
        return int(text)

    return read


def main() -> None:
    """Prints the rates, and what became of the frames."""
    parser = argparse.ArgumentParser(prog="python -m bench.million_frames", description=__doc__)
    parser.add_argument("--frames", type=at_least(1), default=1_000_000)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--octets", type=at_least(HEADER.size), default=64, help="of each frame, without FCS")
    size.add_argument("--mixed", action="store_true", help="frames of 64, 594 and 1518 octets")
    parser.add_argument("--cipher", choices=cipher_libraries(), default=cipher_libraries()[0])
    chosen = parser.parse_args()
    try:
        batch = (
            frames_of_mixed_sizes(chosen.frames)
            if chosen.mixed
            else frames_of_one_size(chosen.frames, chosen.octets)
        )
    except ValueError as too_large:
        parser.error(str(too_large))
    sender, receiver = secy_pair(chosen.cipher)
    octets = int(batch.length.sum())
    print(f"{len(batch)} frames, {octets} octets, in an arena of {batch.arena.size} octets")

    for name, frame_s in zip(("protect", "validate"), run(batch, sender, receiver), strict=True):
        gbps = octets / len(batch) * 8 / frame_s / 1e9
        print(f"{name} ({sender.cipher_library}): {1e-6 / frame_s:.2f} million frames/s, {gbps:.1f} Gbit/s")
    for verdict, count in zip(*np.unique(batch.verdict, return_counts=True), strict=True):
        print(f"verdict: {count} {Verdict(verdict).name}")
    for name, value in counters_by_name(receiver.counters).items():
        if value:
            print(f"counter: {value} {name}")


if __name__ == "__main__":
    main()
