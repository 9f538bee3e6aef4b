"""Programs of Debian packages: where they are found, and that a folder of the cache is whole or not there."""

from pathlib import Path

import pytest
from netns_lab import debian_packages
from netns_lab.debian_packages import PackagesUnavailable, cached, fetch_program, find_program, list_libraries
from netns_lab.directory import LabError
from netns_lab.planning import plan_lab
from netns_lab.routing_daemons.daemon import fetch_daemons
from netns_lab.topology import parse_topology


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, on a machine that has nothing installed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(debian_packages, "USR", tmp_path / "usr")
    return tmp_path


def _program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_a_program_on_path_comes_before_an_installed_one_and_that_before_the_cache(cache: Path) -> None:
    def unpack(folder: Path) -> None:
        _program(folder / "usr/sbin/bird")
        _program(folder / "usr/lib/x/libbird.so.1")
        list_libraries(folder)

    assert find_program("sbin/bird", "bird2") is None
    root = cached(debian_packages._place_of("bird2"), unpack)
    found = find_program("sbin/bird", "bird2")
    assert found is not None
    assert (found.path, found.environment) == (
        root / "usr/sbin/bird",
        {"LD_LIBRARY_PATH": str(root / "usr/lib/x")},
    )
    for place in ("usr/sbin/bird", "path/bird"):
        _program(cache / place)
        found = find_program("sbin/bird", "bird2")
        assert found is not None
        assert (found.path, found.environment) == (cache / place, {})


def test_another_program_of_the_same_name_is_not_taken_for_a_private_one(cache: Path) -> None:
    _program(cache / "path/bgpd")  # OpenBGPD's, where FRR's is wanted
    assert find_program("lib/frr/bgpd", "frr") is None


def test_what_cannot_be_fetched_is_one_sentence_and_leaves_no_half_folder(cache: Path) -> None:
    with pytest.raises(PackagesUnavailable, match="there is no apt-get here"):
        fetch_program("sbin/bird", "bird2")
    assert not debian_packages._place_of("bird2").exists()
    assert find_program("sbin/bird", "bird2") is None


def test_a_lab_whose_daemon_cannot_be_had_is_refused_with_what_to_do(cache: Path) -> None:
    topology = "name: one\nnodes: {r1: {bgp: {asn: 64512, daemon: bird}}}\n"
    plan = plan_lab(parse_topology(topology, "t.yaml"), bytes)
    said: list[str] = []
    with pytest.raises(LabError) as refused:
        fetch_daemons(plan, said.append)
    assert said == ["fetching BIRD, Debian's package bird2"]
    assert str(refused.value) == (
        "BIRD of r1 is not on this machine and cannot be fetched (there is no apt-get here); "
        "install Debian's package bird2"
    )
