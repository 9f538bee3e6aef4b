"""No octet of a key is left in the memory of a process once its SA is gone."""

import os
import secrets
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataplane.macsec.native import cipher_libraries

ROOT = Path(__file__).resolve().parents[2]


class Holder:
    """A process that has keys in a SecY; see key_holder.py."""

    def __init__(self, library: str, octets: int) -> None:
        end, self._keys = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.native.key_holder", library, str(octets), str(end)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[end],
        )
        os.close(end)
        self.octets = octets

    def do(self, command: str) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "0\n"

    def install_new_key(self) -> bytes:
        key = secrets.token_bytes(self.octets)
        os.write(self._keys, key)
        self.do("install")
        return key

    def holds(self, key: bytes) -> bool:
        """Whether any 16 octets of the key are in its memory, in this order or with words turned round."""
        words = struct.pack(f">{len(key) // 4}I", *struct.unpack(f"<{len(key) // 4}I", key))
        parts = [form[at : at + 16] for form in (key, words) for at in range(0, len(key), 16)]
        memory = self.memory()
        return any(part in region for region in memory for part in parts)

    def memory(self) -> list[bytes]:
        """What can be written to, which is all that a key can be in."""
        folder = Path(f"/proc/{self._process.pid}")
        regions = []
        with (folder / "mem").open("rb", buffering=0) as file:
            for line in (folder / "maps").read_text().splitlines():
                span, rights = line.split()[:2]
                start, end = (int(address, 16) for address in span.split("-"))
                if "w" in rights:
                    file.seek(start)
                    regions.append(file.read(end - start))
        return regions

    def close(self) -> None:
        os.close(self._keys)
        self._process.communicate(timeout=30)


@pytest.fixture(params=cipher_libraries())
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[16, 32])
def holder(request: pytest.FixtureRequest, library: str) -> Iterator[Holder]:
    holder = Holder(library, request.param)
    yield holder
    holder.close()


@pytest.mark.parametrize("end", ["remove", "close"])
def test_a_key_goes_with_its_sa(holder: Holder, end: str) -> None:
    key = holder.install_new_key()
    assert holder.holds(key)
    holder.do("use")
    holder.do(end)
    assert not holder.holds(key)


def test_a_key_goes_when_another_takes_its_place(holder: Holder) -> None:
    before = holder.install_new_key()
    holder.do("use")
    after = holder.install_new_key()
    assert holder.holds(after)
    assert not holder.holds(before)
