"""`up` on a lab that runs: what differs is changed and told, what stays loses no packet and no session."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns_lab import templates
from netns_lab.claim import Claim
from netns_lab.state import load_plan

from tests.lab.harness import brought_up, quadlink
from tests.lab.probing import probes
from tests.waiting import eventually

pytestmark = pytest.mark.lab


class Changing:
    """A quad and the file that it is brought up from."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.yaml"
        self.text = templates.quad(name)
        self.path.write_text(self.text)
        self.lab = brought_up(self.path)

    def edit(self, *changes: tuple[str, str]) -> None:
        for old, new in changes:
            assert self.text.count(old) == 1, old
            self.text = self.text.replace(old, new)
        self.path.write_text(self.text)

    def up(self, *words: str) -> subprocess.CompletedProcess[str]:
        return quadlink("up", *words, str(self.path))

    def ages(self) -> dict[str, float]:
        """Of each session, by router and neighbor."""
        sessions = self.lab.json("inspect", "bgp")["sessions"]
        return {f"{it['node']} {it['neighbor']} {it['link']}": it["since_s"] for it in sessions}

    def interfaces(self, node: str) -> set[str]:
        return {link["ifname"] for link in self.lab.ip(node, "link")} - {"lo"}


@pytest.fixture(scope="module")
def quad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    name = f"c{os.getpid()}"
    try:
        yield Changing(tmp_path_factory.mktemp("changing"), name)
    finally:
        quadlink("down", "--name", name)


def test_links_and_nodes_come_and_go_and_the_rest_loses_nothing(quad: Changing) -> None:
    before, pids = quad.ages(), quad.lab.json("inspect", "links")["pids"]
    lan3 = '  - {name: gcp-lan3, type: plain, endpoints: ["gcp:lan3", "gcp-h3:eth0"]}\n'
    quad.edit(
        ('name: ch2, endpoints: ["aws:ch2", "gcp:ch2"]', 'name: ch5, endpoints: ["aws:ch5", "gcp:ch5"]'),
        ("  gcp-h2: {}\n", "  gcp-h2: {}\n  gcp-h3: {exec: [echo made]}\n"),
        ("10.2.0.0/16,", "10.2.0.0/16, 10.3.0.0/16,"),
        ('"gcp-h2:eth0"]}\n', f'"gcp-h2:eth0"]}}\n{lan3}'),
    )
    told = [
        "node gcp changed: announces +10.3.0.0/16",
        "node gcp-h3 added",
        "link ch2 removed",
        "link ch5 added",
        "link gcp-lan3 added",
    ]
    dry = quad.up("--dry-run")
    assert dry.stdout.splitlines()[:-1] == told, dry.stderr
    assert load_plan(quad.lab.directory) == quad.lab.plan
    with probes(quad.lab.plan) as running:
        answer = quad.up()
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == told
    assert running.lost == 0
    after = quad.ages()
    stays = {name for name in before if not name.endswith("ch2")}
    assert stays == {name for name in after if not name.endswith("ch5")}
    assert all(after[name] >= before[name] for name in stays)
    assert quad.lab.json("inspect", "links")["pids"] == pids
    assert quad.lab.paths("aws", "10.3.0.0/16") == quad.lab.paths("gcp", "10.1.0.0/16") == 4
    assert quad.interfaces("aws") == {"ch1", "ch3", "ch4", "ch5", "lan1", "lan2"}
    assert quad.lab.run("ping-all").returncode == 0


def test_the_same_file_again_is_nothing_to_change(quad: Changing) -> None:
    answer = quad.up()
    assert (answer.returncode, answer.stdout) == (0, "nothing to change\n"), answer.stderr
    document = json.loads(quad.up("--format", "json").stdout)
    assert (document["action"], document["changes"], document["ready"]) == ("unchanged", [], True)


def test_a_lab_keeps_its_engine(quad: Changing) -> None:
    another = "engine: {workers: 1, busy_poll: true}\n"
    quad.edit(("nodes:", f"{another}nodes:"))
    answer = quad.up()
    quad.edit((another, ""))
    assert answer.returncode == 2
    assert "its `engine` cannot change" in answer.stderr


def test_loss_is_given_to_a_link_and_a_node_goes_with_all_that_runs_in_it(quad: Changing) -> None:
    inside = subprocess.Popen(["ip", "netns", "exec", f"{quad.lab.name}-aws-h2", "sleep", "100"])
    assert quad.lab.run("impair", "set", "ch3", "delay=1ms", "loss=2%").returncode == 0
    before = quad.lab.link("ch3")
    quad.edit(
        ('"gcp:ch3"]}', '"gcp:ch3"], impair: {aws-gcp: {loss: 0.5%}}}'),
        ("  aws-h2: {}\n", ""),
        ('  - {name: aws-lan2, type: plain, endpoints: ["aws:lan2", "aws-h2:eth0"]}\n', ""),
        ("aws-h1: {}", "aws-h1: {loopback: [10.9.9.9/32], sysctl: {net.ipv4.ip_default_ttl: 9}}"),
    )
    answer = quad.up("--format", "json")
    document = json.loads(answer.stdout)
    assert document["ready"], answer.stderr
    assert [(change["kind"], change["name"], change["action"]) for change in document["changes"]] == [
        ("node", "aws-h2", "removed"),
        ("node", "aws-h1", "changed"),
        ("link", "aws-lan2", "removed"),
        ("link", "ch3", "changed"),
    ]
    assert inside.wait(timeout=10) == -signal.SIGTERM
    after = quad.lab.link("ch3")
    assert after["impairments"] == [
        {"from": "aws", "to": "gcp", "loss": 0.005, "delay_us": 1000},
        {"from": "gcp", "to": "aws", "loss": 0.02, "delay_us": 1000},
    ], "what was set by hand stays where the file says the same as before"
    assert after["tx_frames"] >= before["tx_frames"] > 0
    assert after["macsec"]["next_pn"] >= before["macsec"]["next_pn"]
    assert not Path(f"/run/netns/{quad.lab.name}-aws-h2").exists()
    assert "lan2" not in quad.interfaces("aws")
    assert [it["local"] for it in quad.lab.ip("aws-h1", "-4", "address", "show", "lo")[0]["addr_info"]] == [
        "127.0.0.1",
        "10.9.9.9",
    ]
    ttl = quad.lab.run("exec", "aws-h1", "--", "cat", "/proc/sys/net/ipv4/ip_default_ttl")
    assert ttl.stdout == "9\n"


def test_what_cannot_change_in_place_is_made_anew(quad: Changing) -> None:
    quad.edit(
        ('"gcp:ch1"]}', '"gcp:ch1"], mtu: 1400}'),
        (", sysctl: {net.ipv4.ip_default_ttl: 9}", ""),
        ("asn: 64513", "asn: 64599"),
    )
    answer = quad.up()
    assert answer.returncode == 0, answer.stderr
    assert "node gcp made anew: asn 64513 -> 64599" in answer.stdout
    assert "node aws-h1 made anew: sysctl -net.ipv4.ip_default_ttl=9" in answer.stdout
    assert "link ch1 made anew: mtu 1500 -> 1400, with node gcp" in answer.stdout
    assert quad.lab.ip("aws", "link", "show", "ch1")[0]["mtu"] == 1400
    assert quad.lab.run("ping-all").returncode == 0


def test_a_step_that_fails_is_named_and_a_second_up_goes_on(quad: Changing) -> None:
    foreign = f"{quad.lab.name}-new"
    quad.edit(
        ("  gcp-h3: {", "  new: {}\n  gcp-h3: {"),
        ("  - {name: ch5", '  - {name: ch6, endpoints: ["aws:ch6", "gcp:ch6"]}\n  - {name: ch5'),
    )
    subprocess.run(["ip", "netns", "add", foreign], check=True)
    try:
        answer = quad.up()
        assert (answer.returncode, answer.stdout) == (1, "")
        assert f"namespace {foreign} exists already and is not this lab's" in answer.stderr
        assert "`quadlink up` again goes on from there" in answer.stderr
        assert quad.lab.paths("aws", "10.3.0.0/16") == 4
    finally:
        subprocess.run(["ip", "netns", "delete", foreign], check=True)
    assert quad.up().returncode == 0
    assert quad.lab.paths("aws", "10.3.0.0/16") == 5


def test_one_up_at_a_time_changes_a_lab(quad: Changing) -> None:
    with Claim(quad.lab.directory.path):
        answer = quad.up()
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"lab {quad.lab.name} is being built or changed by another `quadlink up`" in answer.stderr


def test_a_lab_whose_engine_ended_is_built_anew(quad: Changing) -> None:
    engine = quad.lab.json("inspect", "links")["pids"]["engine"]
    os.kill(engine, signal.SIGKILL)
    eventually(lambda: quad.lab.run("inspect", "links").returncode == 1)
    answer = quad.up("--format", "json")
    assert answer.returncode == 0, answer.stderr
    assert f"the engine of lab {quad.lab.name} ended: building it anew" in answer.stderr
    assert json.loads(answer.stdout)["action"] == "rebuilt"
    assert quad.lab.paths("aws", "10.3.0.0/16") == 5
