"""What became of one frame in the reference SecY."""

from typing import NamedTuple

from dataplane.macsec.counters import Verdict


class Outcome(NamedTuple):
    """A verdict and, where the frame has become another, that frame."""

    verdict: Verdict
    frame: bytes | None = None
    """None where it stays as it is."""
    shift: int = 0
    """How many octets the new frame begins behind the place where the old one began."""
