"""`quadlink capture`: both sides of what crosses, in files, pipes and lines; no frame waits for it."""

# mypy: disable-error-code="no-untyped-call"

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from scapy.contrib.macsec import MACsecSA
from scapy.layers.inet import UDP
from scapy.layers.l2 import Ether

from dataplane.captures.files import RecordedFrame, read_frames
from dataplane.client import EngineClient
from tests.lab.harness import QUADLINK, Lab
from tests.lab.two_hosts import cross, two_hosts
from tests.waiting import eventually

pytestmark = pytest.mark.lab

DATAGRAMS = 20
COMMAND_TIMEOUT_S = 30
LINKS = {"ch1": "{cipher: gcm-aes-128}", "ch2": "{cipher: gcm-aes-256}", "ch3": "{cipher: gcm-aes-xpn-256}"}
COMMENT = re.compile(r"sci=([0-9a-f]{16}) pn=(\d+)")
UDP_ONLY = "udp and not port 5353"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts, and three links that differ in their cipher suites."""
    folder = tmp_path_factory.mktemp("capture")
    with two_hosts(folder / f"c{os.getpid()}.yaml", LINKS) as lab:
        yield lab


@pytest.fixture
def engine(lab: Lab) -> Iterator[EngineClient]:
    client = EngineClient(lab.directory.engine_socket)
    yield client
    client.close()


def captures(engine: EngineClient) -> int:
    """Descriptors of memory for captures that the engine has."""
    count = 0
    for path in Path(f"/proc/{engine.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += "quadlink-capture" in os.readlink(path)
    return count


@contextmanager
def capture(lab: Lab, engine: EngineClient, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A capture that has begun; it is there no more after the block, in which it should end."""
    assert captures(engine) == 0
    command = [str(QUADLINK), "--name", lab.name, "capture", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            eventually(lambda: captures(engine) > 0 or process.poll() is not None)
            yield process
        finally:
            process.kill()
    eventually(lambda: captures(engine) == 0)


def ended(process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """stdout and stderr of a capture that is told to end, and does well."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=COMMAND_TIMEOUT_S)
    assert process.returncode == 0, err
    return out.decode(), err.decode()


def frames_of(path: Path) -> dict[str, list[RecordedFrame]]:
    """By interface."""
    frames: dict[str, list[RecordedFrame]] = {}
    with path.open("rb") as file:
        for frame in read_frames(file):
            frames.setdefault(frame.interface or "", []).append(frame)
    return frames


def identity(frame: RecordedFrame) -> tuple[str, int]:
    found = COMMENT.match(frame.comment or "")
    assert found is not None, frame.comment
    return found[1], int(found[2])


def is_datagram(frame: bytes) -> bool:
    return UDP in Ether(frame) and len(frame) == 44


@pytest.mark.parametrize("link", LINKS)
def test_the_three_sights_of_each_frame_are_in_the_file_and_know_each_other(
    lab: Lab, engine: EngineClient, link: str, tmp_path: Path
) -> None:
    path = tmp_path / "capture.pcapng"
    sak = engine.export_sak(link).key
    with capture(lab, engine, link, "-w", str(path), "--format", "json") as process:
        assert cross(lab, link, DATAGRAMS) == DATAGRAMS
        document = json.loads(ended(process)[0])
    frames = frames_of(path)
    assert set(frames) <= {
        f"{link} clear a",
        f"{link} wire a->b",
        f"{link} clear b",
        f"{link} wire b->a",
    }
    wire = {identity(frame): frame for frame in frames[f"{link} wire a->b"]}
    sent = [frame for frame in frames[f"{link} clear a"] if is_datagram(frame.data)]
    received = [frame for frame in frames[f"{link} clear b"] if is_datagram(frame.data)]
    assert len(sent) == len(received) == DATAGRAMS
    assert [(identity(frame), frame.data) for frame in sent] == [
        (identity(frame), frame.data) for frame in received
    ]
    for before, after in zip(sent, received, strict=True):
        between = wire[identity(before)]
        times = [each.time_ns or 0 for each in (before, between, after)]
        assert times == sorted(times)
        if "xpn" not in LINKS[link]:
            assert decrypted(between.data, sak) == before.data
    assert (document["frames"], document["dropped"]) == (sum(map(len, frames.values())), 0)


def decrypted(frame: bytes, sak: bytes) -> bytes:
    association = MACsecSA(sci=frame[20:28], an=0, pn=1, key=sak, icvlen=16, encrypt=True, send_sci=True)
    return bytes(association.decap(association.decrypt(Ether(frame))))


def test_side_direction_filter_and_count_choose_the_frames(
    lab: Lab, engine: EngineClient, tmp_path: Path
) -> None:
    path = tmp_path / "capture.pcapng"
    words = ("ch1", "ch2", "--direction", "b-a", "--filter", UDP_ONLY, "--snap", "40", "-w", str(path))
    with capture(lab, engine, *words, "--side", "clear") as process:
        cross(lab, "ch1")  # from a to b: not these
        cross(lab, "ch2")
        ended(process)
    assert frames_of(path) == {}
    with capture(lab, engine, *(word.replace("b-a", "a-b") for word in words), "--count", "5") as process:
        cross(lab, "ch1")
        cross(lab, "ch2")
        assert process.wait(COMMAND_TIMEOUT_S) == 0  # by its count alone
    frames = frames_of(path)
    assert sum(map(len, frames.values())) == 5
    assert set(frames) <= {f"{link} clear {node}" for link in ("ch1", "ch2") for node in "ab"}
    assert all((len(frame.data), frame.octets) == (40, 44) for each in frames.values() for frame in each)


def test_without_a_file_there_is_a_line_a_frame_or_a_json_object(lab: Lab, engine: EngineClient) -> None:
    with capture(lab, engine, "ch1", "--filter", UDP_ONLY) as process:
        cross(lab, "ch1")
        out, err = ended(process)
    first, *_ = lines = out.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{9} ch1 clear a    out    44  IPv4 169.* UDP .*\[PN \d+\]", first)
    assert len(lines) == 6
    assert "frames captured: 6, dropped: 0" in err
    with capture(lab, engine, "ch1", "--side", "wire", "--format", "json") as process:
        cross(lab, "ch1")
        out, err = ended(process)
    documents = list(map(json.loads, out.splitlines()))
    assert {document["interface"] for document in documents} <= {"ch1 wire a->b", "ch1 wire b->a"}
    with capture(lab, engine, "ch1", "--side", "clear", "--filter", UDP_ONLY, "--snap", "20") as process:
        cross(lab, "ch1")
        out, err = ended(process)
    assert all("headers cut off behind octet 20 [PN " in line for line in out.splitlines()), out
    (fields,) = {tuple(document) for document in documents}
    assert fields == (
        *("time_ns", "interface", "direction", "octets", "sci", "pn", "verdict", "dropped", "summary"),
    )


def test_a_lost_frame_says_so(lab: Lab, engine: EngineClient) -> None:
    with capture(lab, engine, "ch1", "--format", "json", "--direction", "a-b") as process:
        lab.run("fail", "link", "ch1", "--mode", "silent")
        assert cross(lab, "ch1") == 0
        lab.run("heal")
        engine.inject("ch1", "a", bytes(12) + b"\x08\x00" + bytes(50))
        out, _ = ended(process)
    found: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert any(f["interface"] == "ch1 wire a->b" and f["dropped"] == "fault" for f in found)
    refused = [f for f in found if f["dropped"] == "validate"]
    assert [(f["verdict"], f["direction"], f["pn"]) for f in refused] == [("InPktsNoTag", "inbound", None)]


def test_a_capture_that_stands_still_costs_no_frame_and_tells_what_it_missed(
    lab: Lab, engine: EngineClient, tmp_path: Path
) -> None:
    many = 3000
    path = tmp_path / "capture.pcapng"
    with capture(lab, engine, "ch2", "--buffer", "64kB", "-w", str(path), "--format", "json") as process:
        process.send_signal(signal.SIGSTOP)
        assert cross(lab, "ch2", many) == many
        process.send_signal(signal.SIGCONT)
        document = json.loads(ended(process)[0])
    seen = {each["interface"]: each["frames"] + each["dropped"] for each in document["interfaces"]}
    assert document["dropped"] > many
    assert seen["ch2 clear a"] >= many
    assert seen["ch2 wire a->b"] >= many
    assert seen["ch2 clear b"] >= many


def test_a_killed_capture_and_one_whose_reader_has_gone_leave_nothing(
    lab: Lab, engine: EngineClient, tmp_path: Path
) -> None:
    files = set(lab.directory.path.iterdir())
    with capture(lab, engine, "ch1", "-w", str(tmp_path / "capture.pcapng")) as process:
        process.kill()
        process.wait()
    with capture(lab, engine, "ch1", "-w", "-") as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"\n\r\r\n"
        process.stdout.close()
        cross(lab, "ch1")
        assert process.wait(COMMAND_TIMEOUT_S) == 0  # as after `| tshark -c 10`
        assert process.stderr is not None
        assert b"dropped" in process.stderr.read()
    assert set(lab.directory.path.iterdir()) == files


def test_what_cannot_be_captured_is_one_sentence_and_leaves_the_file_as_it_is(
    lab: Lab, tmp_path: Path
) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_text("the capture of yesterday")
    for words, expected in (
        (("ch9",), "no link ch9"),
        (("ch1", "--direction", "a-c"), "--direction: found 'a-c', expected a-b or b-a for link ch1"),
        (("ch1", "--filter", "udp prt 7"), "--filter: found 'udp prt 7', expected a filter"),
        (("ch1", "--side", "dark"), "--side: found 'dark', expected clear, wire or both"),
        (("ch1", "--buffer", "1kB"), "--buffer: found 1000 octets, expected 64kB to 1GB"),
        (("ch1", "--buffer", "2GB"), "--buffer: found 2000000000 octets, expected 64kB to 1GB"),
        (("ch3", "--with-keys"), "--with-keys: link ch3 has what Wireshark does not decrypt"),
    ):
        answer = lab.run("capture", *words, "-w", str(path))
        assert answer.returncode == 2
        assert expected in answer.stderr
        assert len(answer.stderr.splitlines()) == 1
    full = lab.run("capture", "ch1", "-w", "/dev/full")
    assert (full.returncode, full.stderr) == (
        2,
        "quadlink: [Errno 28] No space left on device: '/dev/full'\n",
    )
    assert path.read_text() == "the capture of yesterday"
    assert not path.with_name("capture.pcapng.keys").exists()


def test_with_keys_there_are_settings_for_wireshark_and_the_engine_logs_it(
    lab: Lab, engine: EngineClient, tmp_path: Path
) -> None:
    path = tmp_path / "capture.pcapng"
    log = lab.directory.log("engine")
    lines = log.read_text().count("the SAK of link ch1 was exported")
    with capture(lab, engine, "ch1", "-w", str(path), "--side", "wire", "--with-keys") as process:
        cross(lab, "ch1")
        ended(process)
    assert log.read_text().count("the SAK of link ch1 was exported") == lines + 1
    folder = path.with_name("capture.pcapng.keys")
    key, name = (folder / "psk_config_data").read_text().strip().split(",")
    assert name == '"ch1"'
    assert (folder / "preferences").read_text() == f"macsec.psk: {key}\n"
    assert [each.stat().st_mode & 0o777 for each in (folder, *folder.iterdir())] == [0o700, 0o600, 0o600]
    assert bytes.fromhex(key) not in path.read_bytes()
    assert key not in path.read_text(errors="replace")
    datagrams = [decrypted(frame.data, bytes.fromhex(key)) for frame in frames_of(path)["ch1 wire a->b"]]
    assert sum(map(is_datagram, datagrams)) == 3


@pytest.fixture
def tshark() -> str:
    found = shutil.which("tshark")
    if found is None:
        pytest.skip("needs tshark, which `sudo ./quadlink test` installs")
    return found


def test_tshark_reads_a_pipe_while_it_is_written(lab: Lab, engine: EngineClient, tshark: str) -> None:
    fields = ("frame.interface_name", "frame.comment", "udp.length", "macsec.PN")
    words = [word for field in fields for word in ("-e", field)]
    with capture(lab, engine, "ch1", "-w", "-", "--direction", "a-b") as process:
        command = [tshark, "-l", "-r", "-", "-T", "fields", *words]
        with subprocess.Popen(command, stdin=process.stdout, stdout=subprocess.PIPE, text=True) as reader:
            assert process.stdout is not None
            process.stdout.close()
            cross(lab, "ch1", DATAGRAMS)
            process.send_signal(signal.SIGTERM)
            assert process.wait(COMMAND_TIMEOUT_S) == 0
            out, _ = reader.communicate(timeout=COMMAND_TIMEOUT_S)
    rows = [line.split("\t") for line in out.splitlines()]
    udp = {row[1].split()[1] for row in rows if row[2] == "10"}
    wire = {f"pn={row[3]}" for row in rows if row[0] == "ch1 wire a->b"}
    assert len(udp) == DATAGRAMS
    assert udp <= wire


def test_the_settings_decrypt_what_was_captured(
    lab: Lab, engine: EngineClient, tshark: str, tmp_path: Path
) -> None:
    """By scapy, and by tshark where it is one of 4.4 or later, which are the first to decrypt MACsec."""
    path = tmp_path / "capture.pcapng"
    with capture(lab, engine, "ch1", "-w", str(path), "--side", "wire", "--with-keys") as process:
        cross(lab, "ch1")
        ended(process)
    folder = path.with_name("capture.pcapng.keys")
    key = bytes.fromhex((folder / "psk_config_data").read_text().partition(",")[0])
    inside = [Ether(decrypted(frame.data, key)) for frames in frames_of(path).values() for frame in frames]
    assert sum(UDP in packet and packet[UDP].len == 10 for packet in inside) == 3
    known = subprocess.run([tshark, "-G", "fields"], capture_output=True, text=True, check=True).stdout
    if "macsec.decrypted_data" not in known:
        return
    done = subprocess.run(
        [tshark, "-r", str(path), "-Y", "macsec && udp.length == 10"],
        env=os.environ | {"WIRESHARK_CONFIG_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 3
