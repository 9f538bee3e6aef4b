"""What is said of a received frame, held against the published vectors, the SecYs and any octets."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from netns_lab.macsec_vectors import read_vectors

from dataplane.frames import FrameBatch
from dataplane.macsec.counters import Verdict, counters_by_name
from dataplane.macsec.dissection import dissect, headline
from dataplane.macsec.judgement import NO_SA, RIGHT_ICV, WRONG_ICV, Receiver, judge
from dataplane.macsec.native import NativeSecY
from dataplane.macsec.sectag import SecTag
from dataplane.macsec.secy import SecYConfig, ValidateFrames
from tests.macsec.strategies import OWN_SCI, configs, packet_numbers, saks, sscis, suites

VECTORS = read_vectors(Path(__file__).resolve().parents[1] / "vectors" / "macsec_frames.json")
ENDS_AT_STRICT = {
    "802.3": {"InDiscardsTooShort"},
    "802.1X 6.4": {"InDiscardsUncontrolled"},
    "10.6": {"InPktsNoTag", "InPassesBypass"},
    "9.12": {"InPktsBadTag"},
    "9.7": {"InPktsBadTag"},
    "9.5": {"InDiscardsKaY"},
    "10.6.1": {"InPktsNoSAError"},
    "10.6.2": {"InPktsLate", "InPktsDelayed", "InPktsNotValid"},
    "10.6.3": {"InPktsNotValid"},
}
"""The verdicts of a strict SecY where the first check that is not met has this clause."""


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Frames that get far: with a SecTAG in which anything may be wrong."""
    kind = draw(st.sampled_from([b"\x88\xe5", b"\x88\xe5", b"\x88\x8e", b"\x81\0\0\1\x88\xe5", b"\x08\0"]))
    tci, sl = draw(st.integers(0, 255)), draw(st.sampled_from([0, 0, 1, 47, 48, 64]))
    pn = draw(st.sampled_from([0, 1, 2, 1 << 31, (1 << 32) - 1]))
    rest = draw(st.binary(max_size=90))
    return bytes(6) + OWN_SCI[:6] + kind + bytes([tci, sl]) + pn.to_bytes(4) + rest


@given(st.binary(max_size=80) | frames())
def test_any_octets_are_dissected_judged_and_summed_up(frame: bytes) -> None:
    judgement = judge(frame, Receiver(SecYConfig(OWN_SCI, clear_tags=1)), list(ValidateFrames))
    assert {result.validate_frames for result in judgement.results} == set(ValidateFrames)
    assert [check.met for check in judgement.checks].count(False) <= 1
    assert judgement.opened is None
    octets = [field.octet for field in dissect(frame)]
    assert octets == sorted(octets)
    assert "\n" not in headline(frame)


@given(st.data())
def test_a_frame_with_its_key_is_judged_as_the_native_secy_does(data: st.DataObject) -> None:
    suite = data.draw(suites)
    config = replace(data.draw(configs(suite)), sci=bytes(7) + b"\1")
    sak, ssci = data.draw(saks(suite)), data.draw(sscis(suite))
    pn, lowest_pn = data.draw(packet_numbers(suite)), data.draw(packet_numbers(suite))
    sender = NativeSecY(SecYConfig(OWN_SCI, suite.name))
    sender.install_transmit_sa(0, sak, pn, ssci)
    batch = FrameBatch.from_frames([bytes(14) + data.draw(st.binary(max_size=60))])
    sender.protect(batch)
    frame = bytearray(batch.frame(0))
    if data.draw(st.booleans()):
        frame[data.draw(st.integers(12, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    native = NativeSecY(config)
    native.install_receive_sa(OWN_SCI, 0, sak, lowest_pn, ssci)
    received = FrameBatch.from_frames([bytes(frame)])
    native.validate(received)
    receiver = Receiver(config, lowest_pn, lowest_pn, OWN_SCI, 0, sak, ssci)
    judgement = judge(bytes(frame), receiver, [config.validate_frames])
    (result,) = judgement.results
    assert result.verdict == received.verdict[0]
    assert result.presumptions == ()
    rises = {name: value for name, value in counters_by_name(native.counters).items() if value}
    assert result.counters == rises
    if result.verdict in (Verdict.InPktsOK, Verdict.InPktsDelayed) and native.counters.sum() > 1:
        assert judgement.opened == received.frame(0)


@given(frames(), st.booleans())
def test_the_first_check_that_is_not_met_is_why_a_strict_secy_ends_a_frame(
    frame: bytes, protect: bool
) -> None:
    config = SecYConfig(OWN_SCI, clear_tags=1, replay_protect=protect, bypass=(0x0800,))
    for sci in (None, OWN_SCI, bytes(8)):
        receiver = Receiver(config, next_pn=3, lowest_pn=2, sci=sci)
        judgement = judge(frame, receiver, [ValidateFrames.STRICT])
        failed = next((check for check in judgement.checks if check.met is False), None)
        verdicts = {result.verdict.name for result in judgement.results}
        if failed is not None and failed.clause != "10.6.2":
            assert (
                verdicts
                <= ENDS_AT_STRICT[" ".join(failed.clause.split()[: 1 + failed.clause.startswith("802.1X")])]
            )
        elif failed is None:
            assert "InPktsOK" in verdicts


def test_without_the_key_every_presumption_has_its_result() -> None:
    tag = SecTag(an=0, short_length=4, pn=9, sci=OWN_SCI, encrypted=False, changed=False)
    frame = bytes(12) + tag.encode() + bytes(4 + 16)
    judgement = judge(frame, Receiver(SecYConfig(OWN_SCI)), list(ValidateFrames))
    assert {
        (result.validate_frames.value, result.presumptions, result.verdict.name, *result.counters.items())
        for result in judgement.results
    } == {
        ("strict", (NO_SA,), "InPktsNoSAError", ("InPktsNoSAError", 1)),
        ("strict", (WRONG_ICV,), "InPktsNotValid", ("InPktsNotValid", 1), ("InOctetsValidated", 4)),
        ("strict", (RIGHT_ICV,), "InPktsOK", ("InPktsOK", 1), ("InOctetsValidated", 4)),
        ("check", (NO_SA,), "InPktsNoSA", ("InPktsNoSA", 1)),
        ("check", (WRONG_ICV,), "InPktsInvalid", ("InPktsInvalid", 1), ("InOctetsValidated", 4)),
        ("check", (RIGHT_ICV,), "InPktsOK", ("InPktsOK", 1), ("InOctetsValidated", 4)),
        ("disabled", (NO_SA,), "InPktsNoSA", ("InPktsNoSA", 1)),
        ("disabled", (WRONG_ICV, RIGHT_ICV), "InPktsUnchecked", ("InPktsUnchecked", 1)),
        ("null", (), "InPassesNull", ("InPassesNull", 1)),
    }


def test_published_frames_open_with_their_keys() -> None:
    for vector in VECTORS.frames:
        config = SecYConfig(bytes(7) + b"\1", vector.suite, clear_tags=vector.clear_tags)
        receiver = Receiver(
            config, vector.pn, vector.pn, vector.sci, vector.an, vector.sak(), vector.ssci_number
        )
        judgement = judge(vector.protected_frame, receiver, list(ValidateFrames))
        assert judgement.opened == vector.plaintext_frame, vector.name
        assert {check.met for check in judgement.checks} == {True}, vector.name
