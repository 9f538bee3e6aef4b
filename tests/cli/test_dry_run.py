"""`up --dry-run`: the whole address plan, for anybody who may read the file, and none of its secrets."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from netns_lab import cli, templates

PASSWORD, SAK, CONTENT = "hunter2", "5a" * 32, "content-of-a-key-file"


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    """A pair with a given password, a given key and a file, an impairment and a service."""
    text = templates.pair("pair").replace("asn: 64512", f"asn: 64512, password: {PASSWORD}")
    path = tmp_path / "pair.yaml"
    text = text.replace(
        "h2: {}", f"h2: {{services: [{{name: web, cmd: httpd}}], files: {{/key: {CONTENT}}}}}"
    )
    text = text.replace("{name: lan1,", "{name: lan1, impair: {r1-h1: {loss: 5%}},")
    path.write_text(text.replace('"r2:eth1"]', f'"r2:eth1"], macsec: {{sak: "{SAK}"}}', 1))
    return path


def dry_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: Path, *words: str
) -> str:
    """What it prints for a user who is not root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["quadlink", "up", "--dry-run", str(path), *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert PASSWORD not in printed
    assert SAK not in printed
    assert CONTENT not in printed
    return printed


def test_the_document_holds_every_name_and_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, topology: Path
) -> None:
    document: dict[str, Any] = json.loads(dry_run(capsys, monkeypatch, topology, "--format", "json"))
    nodes = {node["name"]: node for node in document["nodes"]}
    assert [node["namespace"] for node in document["nodes"]] == ["pair-r1", "pair-r2", "pair-h1", "pair-h2"]
    assert nodes["h2"]["interfaces"][0]["addresses"] == ["10.2.0.2/24", "fd02::2/64"]
    assert nodes["h2"]["default_routes"][0] == {"family": "ipv4", "next_hops": ["10.2.0.1"]}
    assert nodes["r1"]["announces"] == ["10.1.0.0/16", "fd01::/48"]
    channel, lan, _ = document["links"]
    assert (channel["cipher"], lan["cipher"], lan["macsec"]) == ("gcm-aes-256", None, None)
    assert (channel["macsec"]["replay_window"], channel["macsec"]["given_sak"]) == (64, True)
    assert lan["impairments"] == [{"from": "r1", "to": "h1", "loss": 0.05}]
    assert (nodes["h2"]["services"], nodes["h2"]["files"]) == ([{"name": "web", "cmd": "httpd"}], ["/key"])
    assert [session["family"] for session in channel["sessions"]] == ["ipv4", "ipv6"]
    assert channel["sessions"][0]["speakers"][1]["address"] == "169.254.1.1"


def test_the_tables_say_the_same_and_that_nothing_was_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, topology: Path
) -> None:
    printed = dry_run(capsys, monkeypatch, topology)
    assert "r1 169.254.1.0 AS64512" in printed
    for words in ("02:", "r1-h1 loss=5%", "service web", "/key"):
        assert words in printed
    last = printed.splitlines()[-1]
    assert last.startswith(
        "`up` would make lab pair: 4 namespaces, 3 links (1 macsec, 2 plain), 2 BGP sessions"
    )
    assert last.endswith("nothing was made")
