"""What a node's kernel is told: addresses, interfaces and default routes, by iproute2's word."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from netns_lab.directory import LabError
from netns_lab.node_network import configure_network
from netns_lab.plan import DefaultRoute, InterfacePlan, NextHop, NodePlan

pytestmark = pytest.mark.lab

NAMESPACE = f"networktests-{os.getpid()}"
MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")


def ip(*words: str) -> Any:  # noqa: ANN401 - what ip(8) prints
    answer = subprocess.run(["ip", "-n", NAMESPACE, "-j", *words], check=True, capture_output=True)
    return json.loads(answer.stdout or b"[]")


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    """A namespace with two interfaces, down and without addresses."""
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        ip("link", "set", "lo", "up")
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


def node(gateway: str = "10.1.0.1") -> NodePlan:
    interfaces = tuple(
        InterfacePlan("h1", f"eth{number}", f"l{number}", mac, 1400, addresses)
        for number, mac, addresses in (
            (0, MACS[0], ("10.1.0.2/24", "fd01::2/64")),
            (1, MACS[1], ("10.1.1.2/24",)),
        )
    )
    routes = (
        DefaultRoute("ipv4", (NextHop(gateway, "eth0"), NextHop("10.1.1.1", "eth1"))),
        DefaultRoute("ipv6", (NextHop("fd01::1", "eth0"),)),
    )
    return NodePlan(
        name="h1",
        namespace=NAMESPACE,
        kind="host",
        mtu=1400,
        forwarding=False,
        loopback=("10.255.0.1/32", "fd00:255::1/128"),
        interfaces=interfaces,
        sysctls={},
        env={},
        default_routes=routes,
        asn=None,
        router_id="10.255.0.1",
        originate=(),
    )


def addresses() -> dict[str, set[str]]:
    """Global addresses by interface."""
    return {
        link["ifname"]: {
            f"{entry['local']}/{entry['prefixlen']}"
            for entry in link["addr_info"]
            if entry["scope"] == "global"
        }
        for link in ip("address")
    }


def test_a_node_gets_all_of_its_plan_and_the_same_again_changes_nothing() -> None:
    for _ in range(2):
        configure_network(node())
        assert addresses() == {
            "lo": {"10.255.0.1/32", "fd00:255::1/128"},
            "eth0": {"10.1.0.2/24", "fd01::2/64"},
            "eth1": {"10.1.1.2/24"},
        }
        links = {link["ifname"]: link for link in ip("link")}
        assert [(links[name]["address"], links[name]["mtu"]) for name in ("eth0", "eth1")] == [
            (mac, 1400) for mac in MACS
        ]
        assert all("UP" in links[name]["flags"] for name in ("eth0", "eth1"))
        default = ip("-4", "route", "show", "default")
        assert [[(hop["gateway"], hop["dev"]) for hop in route["nexthops"]] for route in default] == [
            [("10.1.0.1", "eth0"), ("10.1.1.1", "eth1")]
        ]
        default = ip("-6", "route", "show", "default")
        assert [(route["gateway"], route["dev"]) for route in default] == [("fd01::1", "eth0")]


def test_what_the_kernel_refuses_is_named_with_its_node() -> None:
    with pytest.raises(
        LabError, match=r"node h1: the kernel refused the default route by 192\.0\.2\.1, .*: "
    ):
        configure_network(node(gateway="192.0.2.1"))
