"""The mark that everything a lab makes carries: which lab made it, and that it was a lab of quadlink.

LAB.ID: the id is drawn anew for every lab and ends in a checksum of the whole. So what merely looks alike, a
namespace, a process or a folder that somebody named after a lab, has no mark.
"""

import hashlib
import secrets

ID_OCTETS = 8
CHECKSUM_DIGITS = 8


def new_mark(lab: str) -> str:
    """A mark for the lab of that name; no other lab has it, neither one of the same name before or after."""
    id = secrets.token_hex(ID_OCTETS)
    return f"{lab}.{id}{_checksum(lab, id)}"


def lab_of(mark: str) -> str | None:
    """The name of the lab whose mark this is; None where the text is no mark."""
    lab, _, number = mark.rpartition(".")
    id, checksum = number[: 2 * ID_OCTETS], number[2 * ID_OCTETS :]
    return lab if checksum == _checksum(lab, id) else None


def _checksum(lab: str, id: str) -> str:
    return hashlib.sha256(f"quadlink {lab} {id}".encode()).hexdigest()[:CHECKSUM_DIGITS]
