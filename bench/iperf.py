"""TCP throughput between two namespaces, measured by iperf3."""

import json
import subprocess
from collections.abc import Mapping
from functools import partial
from itertools import count

from netns_lab.directory import LabError

from bench.pairs import Pair
from dataplane.namespace import run_in_namespace

SERVER_PORT = 5201
BITS_PER_GBIT = 1e9
GRACE_S = 20.0

_client_ports = count(20000, 16)
"""Every run has ports of its own, so that none waits for another's connection to be forgotten."""


def throughput_gbps(pair: Pair, duration_s: int, omitted_s: int = 1, streams: int = 1) -> float:
    """Gbit/s of payload that arrives at the destination in `duration_s`, which begins after `omitted_s`.

    LabError where iperf3 fails.
    """
    serve = ["iperf3", "--server", "--one-off", "--bind", pair.address, "--port", str(SERVER_PORT)]
    ask = ["iperf3", "--client", pair.address, "--port", str(SERVER_PORT), "--json"]
    ask += ["--time", str(duration_s), "--omit", str(omitted_s), "--parallel", str(streams)]
    ask += ["--cport", str(next(_client_ports))]
    server = run_in_namespace(pair.destination, partial(_start, [*serve, "--forceflush"]))
    try:
        assert server.stdout is not None
        while "listening" not in (line := server.stdout.readline()):
            if not line:
                raise LabError(f"iperf3 does not listen in {pair.destination}")
        client = run_in_namespace(pair.source, partial(_start, ask))
        try:
            said = client.communicate(timeout=duration_s + omitted_s + GRACE_S)[0]
        finally:
            client.kill()
            client.wait()
    finally:
        server.kill()
        server.communicate()
    return received_gbps(json.loads(said))


def received_gbps(document: Mapping[str, object]) -> float:
    """Gbit/s of payload that the receiver of an iperf3 run counted; LabError where the run failed."""
    match document:
        case {"end": {"sum_received": {"bits_per_second": rate}}} if "error" not in document:
            return float(rate) / BITS_PER_GBIT
    raise LabError(f"iperf3 failed: {document.get('error', 'no result')}")


def _start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
