"""Waits until a lab does what its topology says: sessions established, prefixes installed."""

import time

from netns_lab.api import ControllerClient
from netns_lab.directory import LabDirectory
from netns_lab.installed_routes import not_installed
from netns_lab.route_views import routes_of
from netns_lab.state import load_plan

POLL_INTERVAL_S = 0.05


def missing(controller: ControllerClient, directory: LabDirectory) -> list[str]:
    """What keeps a lab from being ready, one sentence each."""
    # The kernels are asked only once BGP has nothing to wait for.
    found: list[str] = controller.call("missing")
    return found or not_installed(controller, {it.name: routes_of(it) for it in load_plan(directory).nodes})


def wait_until_ready(directory: LabDirectory, timeout_s: float) -> list[str]:
    """What is still missing after the time, one sentence each; empty as soon as nothing is."""
    deadline = time.monotonic() + timeout_s
    with ControllerClient(directory) as controller:
        while True:
            asked = time.monotonic()
            found = missing(controller, directory)
            answered = time.monotonic()
            if not found or answered > deadline:
                return found
            time.sleep(max(POLL_INTERVAL_S, answered - asked))  # the controller has other work, too
