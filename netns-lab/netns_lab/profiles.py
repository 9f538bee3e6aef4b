"""The BGP and BFD timers that clouds use at the ends of their interconnects, by name.

A cloud's BFD is its least interval times its multiplier. The sources are their documentation: AWS Direct
Connect, Google Cloud Router, Azure ExpressRoute.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """What a router's settings are where they are not given."""

    hold_time_s: int
    bfd_interval_us: int
    bfd_multiplier: int


PROFILES = {
    "lab": Profile(hold_time_s=3, bfd_interval_us=50_000, bfd_multiplier=3),
    "aws": Profile(hold_time_s=90, bfd_interval_us=300_000, bfd_multiplier=3),
    "google": Profile(hold_time_s=60, bfd_interval_us=1_000_000, bfd_multiplier=5),
    "azure": Profile(hold_time_s=180, bfd_interval_us=300_000, bfd_multiplier=3),
}
