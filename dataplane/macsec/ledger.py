"""The packet-number ledger: what a given SAK has used outlives the engine, so that no nonce comes twice.

A given SAK comes back with the next run, and AES-GCM gives its key away when a nonce does. So packet numbers
are written down in blocks before they are used. A file belongs to one SAK and the part of its nonces that
does not count (IEEE 802.1AE-2018 14.5, 14.7), and is named by their hash, from which neither can be read.
Its last complete line holds, so a crash in the middle of a write loses nothing. A line is the first packet
number that nobody has reserved, then, with an XPN suite, what its salt does to packet numbers.
"""

import fcntl
import hashlib
import os
import re
import stat
from pathlib import Path

from dataplane.macsec.sak import Sak
from dataplane.macsec.suites import CipherSuite

LEDGER_DIRECTORY = Path("/var/lib/quadlink/packet-numbers")
BLOCK = 1 << 22
"""Packet numbers that are reserved at once: what a crash costs, and seconds of traffic at any rate."""
_LABEL = b"quadlink packet numbers\0"
_LINE = re.compile(rb"([1-9][0-9]{0,19}) ([0-9a-f]{16}|-)")
_TORN = re.compile(rb"[1-9]?[0-9]{0,19}( [0-9a-f-]{0,16})?\0*")
"""What a crash leaves of a line; some file systems fill it up with zeros."""
_SSCI_OCTETS = 4


class LedgerError(ValueError):
    """Packet numbers of a given SAK that cannot be reserved; the text never tells the key."""


class LedgerUnusable(LedgerError):
    """Nothing can be written down here."""


class PacketNumbers:
    """The packet numbers of one SAK and SCI, for the one engine that has them open."""

    def __init__(self, descriptor: int, path: Path, salt: str, pn_end: int, block: int) -> None:
        """Takes the descriptor; raises LedgerError where another engine has these packet numbers open."""
        self._descriptor = descriptor
        self._salt = salt
        self._pn_end = pn_end
        self._block = block
        self.reserved_pn = 1
        """The first that is not reserved: any before it may have been used."""
        self.opened_pn = 1
        """The same when they were opened."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerError(
                "another link uses this SAK under the same SCI or SSCI, expected a SAK of its own"
            ) from None
        *lines, torn = os.pread(descriptor, os.fstat(descriptor).st_size, 0).split(b"\n")
        self._octets = sum(len(line) + 1 for line in lines)
        line = _LINE.fullmatch(lines[-1]) if lines else None
        if not _TORN.fullmatch(torn) or (lines and line is None):
            raise LedgerError(f"{path} is damaged: remove it, and never use its SAK again")
        if line is None:
            return
        if line[2] != salt.encode():
            raise LedgerError("this SAK was used with another salt, expected that one or a fresh SAK")
        self.opened_pn = self.reserved_pn = int(line[1])

    @property
    def half_used_pn(self) -> int:
        """From this packet number on it is time to reserve the next block."""
        return self.reserved_pn - self._block // 2

    def reserve(self, first_pn: int) -> None:
        """Reserves a block from first_pn on; it is on the disk when this returns. Raises LedgerUnusable."""
        self._write(min(first_pn + self._block, self._pn_end))

    def give_back(self, next_pn: int) -> None:
        """Ends the use: packet numbers from next_pn on were not used. Raises LedgerUnusable."""
        try:
            self._write(next_pn)
        finally:
            self.close()

    def close(self) -> None:
        """Ends the use; what was reserved stays so."""
        os.close(self._descriptor)

    def _write(self, reserved_pn: int) -> None:
        line = f"{reserved_pn} {self._salt}\n".encode()
        try:
            os.ftruncate(self._descriptor, self._octets)  # what a write that failed has left
            if os.pwrite(self._descriptor, line, self._octets) != len(line):
                raise LedgerUnusable("the packet-number ledger has no room")
            os.fsync(self._descriptor)
        except OSError as error:
            raise LedgerUnusable(f"the packet-number ledger cannot be written: {error.strerror}") from None
        self._octets += len(line)
        self.reserved_pn = reserved_pn


class Ledger:
    """The ledger in a directory that only its owner may enter, made when it is first needed."""

    def __init__(self, directory: Path = LEDGER_DIRECTORY, block: int = BLOCK) -> None:
        self._directory = directory
        self._block = block

    def check(self) -> None:
        """Raises LedgerUnusable where packet numbers cannot be kept; makes nothing."""
        place = self._directory
        try:
            while not place.exists() and place != place.parent:
                place = place.parent
            status = place.stat()
        except OSError as error:
            raise self._unusable(error) from None
        if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            raise LedgerUnusable(f"the packet-number ledger {self._directory} cannot be written to")
        others = status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077
        if place == self._directory and others:
            raise LedgerUnusable(
                f"the packet-number ledger {self._directory} is open to others, expected mode 0700 and no "
                "other owner"
            )

    def file(self, sak: Sak, sci: bytes, ssci: int | None) -> Path:
        """Where the packet numbers of `sak` under this SCI or, with an XPN suite, SSCI are kept."""
        fixed = sci
        if ssci is not None:
            fixed = (ssci ^ int.from_bytes(sak.salt[:_SSCI_OCTETS])).to_bytes(_SSCI_OCTETS)
        return self._directory / hashlib.sha256(_LABEL + sak.key + fixed).hexdigest()

    def open(self, suite: CipherSuite, sak: Sak, sci: bytes, ssci: int | None) -> PacketNumbers:
        """The packet numbers that `file` keeps, for this engine alone until they are closed.

        Raises LedgerError, also where they were used with another salt, which could make the same nonces.
        """
        self._make()
        salt = "-" if ssci is None else sak.salt[_SSCI_OCTETS:].hex()
        path = self.file(sak, sci, ssci)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            numbers = PacketNumbers(descriptor, path, salt, suite.pn_end, self._block)
            _sync_names(self._directory)  # a file that was made must be found after a crash, too
        except BaseException:
            os.close(descriptor)
            raise
        return numbers

    def _make(self) -> None:
        """Makes the directory where there is none, so that a crash does not take it away again."""
        try:
            missing = [place for place in (self._directory, *self._directory.parents) if not place.exists()]
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for place in missing:
                _sync_names(place.parent)
        except OSError as error:
            raise self._unusable(error) from None
        self.check()

    def _unusable(self, error: OSError) -> LedgerUnusable:
        return LedgerUnusable(f"the packet-number ledger {self._directory} cannot be used: {error.strerror}")


def _sync_names(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
