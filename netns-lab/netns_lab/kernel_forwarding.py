"""Where the kernels of a lab's routers send packets now, whoever installed the routes: iproute2 is asked."""

import json
import re
import subprocess
from collections.abc import Iterable
from typing import Any

from netns_lab.directory import LabError
from netns_lab.plan import LabPlan

_REFUSED = re.compile(r"Command failed -:(\d+)")


def read_forwarding(plan: LabPlan, addresses: Iterable[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """By router and address, the interfaces of the route that fits best; none where there is no route."""
    asked = sorted(addresses)
    found = {}
    for node in plan.nodes:
        if node.kind == "router":
            nexthops = {nexthop["id"]: nexthop for nexthop in _ip(node.namespace, ["nexthop"])[0] or ()}
            routes = _ip(node.namespace, [f"route get fibmatch {address}" for address in asked])
            for address, route in zip(asked, routes, strict=True):
                found[node.name, address] = _interfaces(route[0], nexthops) if route else ()
    return found


def _interfaces(route: dict[str, Any], nexthops: dict[int, dict[str, Any]]) -> tuple[str, ...]:
    if "nhid" in route:
        group = nexthops.get(route["nhid"], {})
        members = [nexthops.get(member["id"], {}) for member in group.get("group", [])] or [group]
    else:
        members = route.get("nexthops", [route])
    return tuple(dict.fromkeys(member["dev"] for member in members if "dev" in member))


def _ip(namespace: str, commands: list[str]) -> list[Any]:
    """What `ip` answers to each as JSON, None where it refuses one; LabError where it cannot be asked."""
    done = subprocess.run(
        ["ip", "-n", namespace, "-json", "-force", "-batch", "-"],
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    refused = {int(number) for number in _REFUSED.findall(done.stderr)}
    answers: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    for number in range(1, len(commands) + 1):
        if number in refused:
            answers.append(None)
            continue
        while done.stdout[at : at + 1].isspace():
            at += 1
        try:
            answer, at = decoder.raw_decode(done.stdout, at)
        except ValueError as error:
            raise LabError(f"ip in {namespace} says: {done.stderr.strip() or 'nothing'}") from error
        answers.append(answer)
    return answers
