"""What the crypto benchmark compares: that all do the same work, and that it yields every figure."""

import json

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from netns_lab.output import Format, Output

from bench.crypto import Effort, run
from bench.figures import report
from bench.macsec_loops import BareLoop, PythonLoop, ScapyLoop
from bench.secys import SCI, STRIDE, RoundTrip, check_valid, frames_of, key
from dataplane.frames import FrameBatch
from dataplane.macsec.native import cipher_libraries

SIZES = (64, 594, 59, 60, 1518)
TINY = Effort(
    rounds=1,
    small_frames=64,
    large_frames=12,
    python_frames=12,
    associations=(4, 64),
    many_frames=1000,
    batch_sizes=(1,),
    example_rounds=1,
)


@pytest.mark.parametrize("loop", [PythonLoop(key(0), SCI), ScapyLoop(key(0), SCI)])
def test_a_loop_in_python_makes_and_takes_what_the_secy_does(loop: PythonLoop | ScapyLoop) -> None:
    frames = frames_of(SIZES)
    trip = RoundTrip(FrameBatch.from_frames(frames))
    trip.protect()
    protected = loop.protect(frames)
    assert trip.batch.frames() == protected
    assert loop.validate(protected) == frames
    trip.validate()
    check_valid(trip.batch)


@pytest.mark.parametrize("library", cipher_libraries())
def test_the_bare_loop_is_aes_gcm_with_a_key_a_frame(library: str) -> None:
    batch = FrameBatch.from_frames(frames_of(SIZES))
    before = batch.copy()
    keys = [key(number) for number in range(4)]
    bare = BareLoop(library, keys, batch)
    bare.encrypt()
    for i, octets in enumerate(SIZES):
        text = int(batch.offset[i]) + 12
        aad = before.arena[text - 28 : text].tobytes()
        nonce = bytes(8) + i.to_bytes(4, "little")
        expected = AESGCM(keys[STRIDE * i % 4]).encrypt(nonce, before.frame(i)[12:], aad)
        assert batch.arena[text : text + octets + 4].tobytes() == expected
    bare.decrypt()
    assert np.array_equal(batch.offset, before.offset)
    assert batch.frames() == before.frames()
    bare.encrypt()
    batch.arena[int(batch.offset[2]) + 20] ^= 1
    with pytest.raises(RuntimeError, match="4 of 5 ICVs are right"):
        bare.decrypt()


def test_it_yields_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    report(run(said.append, TINY), Output(Format.JSON))
    figures = json.loads(capsys.readouterr().out)["figures"]
    names = [entry["name"] for entry in figures]
    assert len(set(names)) == len(names)
    assert all(entry["samples"] and entry["value"] >= 0 for entry in figures)
    assert {entry["reference"] for entry in figures} - {None} <= set(names)
    with_goal = [entry for entry in figures if entry["goal"] is not None]
    assert all(entry["met"] is not None for entry in with_goal)
    for library in cipher_libraries():
        assert next(e["value"] for e in figures if e["name"].startswith(f"allocations by {library}")) == 0
