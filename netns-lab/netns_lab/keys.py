"""Given SAKs on their way from the topology file to the engine.

The command that makes a link reads them and hands them on. No plan, no file and no other process of a lab has
one: a later command finds them in the topology file again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dataplane.macsec.sak import Sak

if TYPE_CHECKING:
    from netns_lab.models import Link, Topology

GivenKeys = dict[str, Sak]
"""By link; whoever installs one takes it out."""


def given_keys(topology: Topology) -> GivenKeys:
    """The SAKs that a topology gives."""
    return {link.name: sak for link in topology.links if (sak := _sak(link)) is not None}


def fingerprint(link: Link) -> str | None:
    """What tells a given SAK and salt from others and does not tell them, in hex; None without."""
    sak = _sak(link)
    return hashlib.sha256(sak.key + sak.salt).hexdigest() if sak is not None else None


def _sak(link: Link) -> Sak | None:
    macsec = link.macsec
    if link.type != "macsec" or macsec.sak is None:
        return None
    salt = bytes.fromhex(macsec.salt.get_secret_value()) if macsec.salt else b""
    return Sak(bytes.fromhex(macsec.sak.get_secret_value()), salt)
