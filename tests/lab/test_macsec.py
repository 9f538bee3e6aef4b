"""Links with every MACsec setting of a topology: they carry traffic, show what they are, end in silence."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dataplane.client import EngineClient
from dataplane.frames import FrameBatch
from dataplane.links.secys import secy_config
from dataplane.macsec.counters import SLOTS
from dataplane.macsec.native import cipher_libraries
from dataplane.macsec.reference import ReferenceSecY
from tests.lab.harness import Lab
from tests.lab.two_hosts import DATAGRAMS, cross, two_hosts
from tests.waiting import eventually

pytestmark = pytest.mark.lab

LINKS = {
    "plainest": ("{}", "encrypted", "OutPktsEncrypted", "InPktsOK"),
    "short": ("{cipher: gcm-aes-128, clear_tags: 2}", "encrypted", "OutPktsEncrypted", "InPktsOK"),
    "offset": (
        "{confidentiality_offset: 30, send_sci: false, end_station: true}",
        "encrypted from octet 30",
        "OutPktsEncrypted",
        "InPktsOK",
    ),
    "xpn": (
        "{cipher: gcm-aes-xpn-256, send_sci: false, next_pn: 4294967294}",
        "encrypted",
        "OutPktsEncrypted",
        "InPktsOK",
    ),
    "integrity": (
        "{cipher: gcm-aes-xpn-128, encrypt: false, cipher_library: openssl, detect_duplicates: true}",
        "integrity",
        "OutPktsProtected",
        "InPktsOK",
    ),
    "unchecked": ("{encrypt: false, validate: disabled}", "integrity", "OutPktsProtected", "InPktsUnchecked"),
    "open": ("{protect: false, validate: check}", "none", "OutPktsUntagged", "InPktsUntagged"),
    "untouched": ('{validate: "null", replay_protect: false}', "none", "OutPktsUntagged", "InPassesNull"),
    "bypassed": ("{bypass: [0x0806, 0x0800, 0x86dd]}", "encrypted", "OutPassesBypass", "InPassesBypass"),
    "ending": (f"{{next_pn: {2**32 - 40}}}", "encrypted", "OutPktsEncrypted", "InPktsOK"),
}
"""A link's settings, what it shows of them, and the counters of what it carries."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts and a link with each settings."""
    path = tmp_path_factory.mktemp("macsec") / f"m{os.getpid()}.yaml"
    with two_hosts(path, {link: settings for link, (settings, *_) in LINKS.items()}) as lab:
        yield lab


def secys(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    """Both ends of each link."""
    ends: dict[str, list[dict[str, Any]]] = {}
    for secy in lab.json("inspect", "macsec")["secys"]:
        ends.setdefault(secy["link"], []).append(secy)
    return ends


def test_links_carry_traffic_as_they_are_set_and_show_it(lab: Lab) -> None:
    assert {link: cross(lab, link) for link in LINKS} == dict.fromkeys(LINKS, DATAGRAMS)
    ends = secys(lab)
    rows = [line.split() for line in lab.run("inspect", "macsec").stdout.splitlines()]
    for link, (_, protection, sent, received) in LINKS.items():
        near, far = ends[link]
        assert near["counters"][sent] >= DATAGRAMS
        assert far["counters"][received] >= DATAGRAMS
        refused = [name for name in SLOTS if name.startswith(("InPktsNo", "InPktsBad", "InDiscards"))]
        assert not any(far["counters"][name] for name in refused)
        assert far["channels"][0]["sci"] == near["sci"]
        assert far["channels"][0]["counters"]["InPktsOK"] == far["counters"]["InPktsOK"]
        assert far["linux_counters"]["InPktsNoSCI"] == 0
        row = next(row for row in rows if row[0] == link)
        library = "openssl" if link == "integrity" else cipher_libraries()[0]
        assert row[2:4] == [near["cipher"], library]
        assert " ".join(row[4:]).startswith(f"{protection} 0 ")


def test_a_frame_is_explained_for_the_secy_that_it_goes_to(lab: Lab) -> None:
    engine = EngineClient(lab.directory.engine_socket)
    try:
        states = {state.name: state for state in engine.links()}
        saks = {link: engine.export_sak(link) for link in ("offset", "xpn")}
    finally:
        engine.close()
    for link, sak in saks.items():
        state = states[link]
        assert state.macsec is not None
        sender, (channel,) = state.secys[0], state.secys[1].channels
        sci = bytes.fromhex(sender.sci)
        secy = ReferenceSecY(secy_config(state.macsec, sci))
        sak = replace(sak, confidentiality_offset=state.macsec.confidentiality_offset)
        secy.install_transmit_sa(0, sak, channel.next_pn + 5, sender.ssci)
        frame = bytes(6) + sci[:6] + b"\x08\x00" + bytes(60)
        batch = FrameBatch.from_frames([frame])
        secy.protect(batch)
        octets = batch.frame(0).hex()
        (told,) = lab.json("explain", octets, "--link", link)["frames"]
        assert {tuple(result["if"]): result["verdict"] for result in told["results"]} == {
            ("ICV wrong",): "InPktsNotValid",
            ("ICV right",): "InPktsOK",
        }
        assert told["notes"] == ["received at b, if it came now"]
        (told,) = lab.json("explain", octets, "--link", link, "--with-keys")["frames"]
        assert [check["met"] for check in told["checks"]] == [True] * 6
        assert [result["counters"]["InPktsOK"] for result in told["results"]] == [1]
        assert bytes.fromhex(told["opened"]) == frame
        assert sak.key.hex() not in json.dumps(told)
    assert "was exported" in lab.directory.log("engine").read_text()
    assert "no link xpm, nearest is 'xpn'" in lab.run("explain", octets, "--link", "xpm").stderr


def test_a_sak_that_runs_out_is_an_event_and_then_its_link_is_silent_and_down(lab: Lab) -> None:
    texts = [
        event["text"] for event in lab.json("inspect", "events")["events"] if event["kind"] == "pn-pending"
    ]
    assert sorted(texts) == [
        f"{node} has used three quarters of the packet numbers of its SAK on ending" for node in "ab"
    ]
    assert cross(lab, "ending", 60) < 60
    eventually(lambda: lab.link("ending")["state"] == "down")
    near, far = secys(lab)["ending"]
    assert (near["next_pn"], near["operational"], near["counters"]["OutPktsEncrypted"]) == (2**32, False, 40)
    assert far["counters"]["InPktsOK"] == 40
