"""The doctor: it tries what it speaks of, leaves nothing, and names what is missing with its remedy."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from netns_lab import doctor_kernel
from netns_lab.directory import LabDirectory
from netns_lab.doctor import Check, Finding, Lacking, Status, Unchecked, examine
from netns_lab.marks import new_mark

from tests.lab.harness import QUADLINK, quadlink

pytestmark = pytest.mark.lab

NAME = f"doc{os.getpid()}"


def findings(answer: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in json.loads(answer.stdout)["findings"]}


def devices() -> set[str]:
    return {name for _, name in socket.if_nameindex()} | {path.name for path in Path("/run/netns").glob("*")}


def raising(error: Exception) -> str:
    raise error


@pytest.mark.parametrize(
    ("error", "needed", "finding"),
    [
        (Lacking("none"), True, Finding("a", "b", Status.FAIL, "none", "mend")),
        (Lacking("none"), False, Finding("a", "b", Status.WARN, "none", "mend")),
        (Lacking("none", "other"), True, Finding("a", "b", Status.FAIL, "none", "other")),
        (OSError(2, "No such file"), True, Finding("a", "b", Status.FAIL, "No such file", "mend")),
        (Unchecked("dark"), True, Finding("a", "b", Status.WARN, "not checked: dark", None)),
    ],
)
def test_what_a_probe_raises_becomes_a_finding(error: Exception, needed: bool, finding: Finding) -> None:
    assert Check("a", "b", lambda: raising(error), "mend", needed).run() == finding


def test_a_machine_that_runs_these_tests_is_well_and_keeps_nothing() -> None:
    before = devices()
    answer = quadlink("doctor", "--format", "json")
    assert (answer.returncode, answer.stderr) == (0, "")
    found = findings(answer)
    needed = [f for f in found.values() if f["area"] in ("permissions", "kernel", "software")]
    assert [f["check"] for f in needed if f["status"] == "fail"] == []
    for check in (
        "port: tap, carrier",
        "port: packet",
        "port: xdp",
        "IPv6",
        "nexthop groups",
        "TCP MD5",
        "ciphers",
    ):
        assert found[check]["status"] == "ok"
        assert found[check]["fix"] is None
    assert devices() == before


def test_a_root_without_capabilities_is_told_so_and_nothing_is_tried_outside_a_namespace() -> None:
    before = devices()
    command = ["setpriv", "--inh-caps=-sys_admin", "--bounding-set=-sys_admin", str(QUADLINK)]
    answer = subprocess.run(
        [*command, "doctor", "--format", "json"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    found = findings(answer)
    assert found["capabilities"]["found"] == "this root lacks CAP_SYS_ADMIN"
    assert found["network namespaces"]["status"] == "fail"
    assert "--cap-add" in found["network namespaces"]["fix"]
    assert found["nexthop groups"]["found"] == "not checked: there is no namespace to try it in"
    assert devices() == before


def test_who_is_not_root_hears_what_could_not_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = {finding.check: finding for finding in examine()}
    assert Status.FAIL not in {finding.status for finding in found.values()}
    assert found["network namespaces"].found == "not checked: needs root"
    assert found["TCP MD5"].fix == "sudo quadlink doctor"
    assert found["ExaBGP"].status is Status.OK


def test_a_kernel_that_refuses_is_reported_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_kernel, "TCP_MD5SIG", 9999)
    found = {finding.check: finding for finding in examine()}
    assert found["TCP MD5"].status is Status.FAIL
    assert found["TCP MD5"].found == "Protocol not available"
    assert found["TCP MD5"].fix == doctor_kernel.NEWER_KERNEL


@pytest.fixture
def remains() -> Iterator[None]:
    """What a dead lab and another tool may leave."""
    directory, mark = LabDirectory(NAME), new_mark(NAME)
    subprocess.run(["ip", "netns", "add", f"clab-{NAME}"], check=True)
    try:
        directory.create(mark).close()
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", f"clab-{NAME}"], check=True)
        directory.remove(mark)


def test_remains_of_other_tools_and_of_dead_labs_are_named_and_left_alone(remains: None) -> None:
    answer = quadlink("doctor", "--format", "json")
    assert answer.returncode == 0
    found = findings(answer)
    assert found["containerlab"]["status"] == found["dead labs"]["status"] == "warn"
    assert f"namespace clab-{NAME}" in found["containerlab"]["found"]
    assert found["containerlab"]["fix"] == "containerlab destroy --all --cleanup"
    assert NAME in found["dead labs"]["found"]
    assert found["dead labs"]["fix"] == "quadlink gc"
    assert LabDirectory(NAME).path.exists()
    assert Path(f"/run/netns/clab-{NAME}").exists()
    table = quadlink("doctor").stdout.splitlines()
    assert table[0].split() == ["area", "check", "status", "found", "fix"]
    assert len(table) == len(found) + 1
