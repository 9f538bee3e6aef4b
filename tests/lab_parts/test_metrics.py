"""What Prometheus is answered, read by its own parser and held against its conventions."""

import re
from collections import Counter

import numpy as np
from netns_lab.metrics import LabReading, LinkReading, registry
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dataplane.interface import EndState, LinkState
from dataplane.links.link import LATENCY_SLOT, LINK_SLOTS, WIRE_COUNTERS, WIRE_SLOTS, LinkCounters
from dataplane.links.specification import Impairment, LinkType, MacsecSpecification
from dataplane.macsec.counters import SLOTS


def reading(lab: str, name: str, macsec: MacsecSpecification | None) -> LinkReading:
    """A link whose counters are all different."""
    ends = EndState("a", name, 2, True), EndState("b", name, 2, False)
    kind, none = LinkType.MACSEC if macsec else LinkType.PLAIN, Impairment()
    state = LinkState(name, kind, ends, "up", (), macsec, (), 0, (none, none))
    return LinkReading(state, (True, False), LinkCounters.of(np.arange(LINK_SLOTS, dtype=np.uint64)))


SESSION = {
    "node": "a",
    "peer": "b",
    "link": "ch1",
    "neighbor": "10.0.0.1",
    "state": "established",
    "prefixes": 3,
}
LABS = [
    LabReading(
        lab,
        {"engine": True, "guard": True, "controller": False},
        [reading(lab, "ch1", MacsecSpecification()), reading(lab, "lan1", None)],
        [SESSION, {**SESSION, "neighbor": "fd00::1", "state": "down", "prefixes": 0}],
    )
    for lab in ("one", "two")
]


def answer() -> str:
    return generate_latest(registry(lambda: LABS)).decode()


def samples(**labels: str) -> dict[str, list[Sample]]:
    """The samples with these labels, by name."""
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(answer()):
        for sample in family.samples:
            if labels.items() <= sample.labels.items():
                found.setdefault(sample.name, []).append(sample)
    return found


def test_names_types_and_helps_follow_the_conventions() -> None:
    families = list(text_string_to_metric_families(answer()))
    assert [name for name, count in Counter(family.name for family in families).items() if count > 1] == []
    for family in families:
        assert re.fullmatch("quadlink_[a-z]+(_[a-z]+)*", family.name)
        assert family.documentation.endswith(".")
        assert family.type in ("counter", "gauge", "histogram")
        assert not re.search("_(ms|us|ns|bytes|total|count)$", family.name)
        assert family.samples
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            assert all(re.fullmatch("[a-z]+", label) for label in sample.labels)
    every = [(s.name, tuple(sorted(s.labels.items()))) for family in families for s in family.samples]
    assert [series for series, count in Counter(every).items() if count > 1] == []
    text = answer().splitlines()
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for kind in ("HELP", "TYPE"):
            assert sum(line.startswith(f"# {kind} {name} ") for line in text) == 1


def test_every_counter_of_a_wire_has_its_metric() -> None:
    found = samples(lab="one", link="ch1", direction="b->a")
    names = {name: WIRE_SLOTS + slot for slot, name in enumerate(WIRE_COUNTERS)}
    drops = {sample.labels["reason"]: sample.value for sample in found.pop("quadlink_link_drops_total")}
    expected = {name.removeprefix("drop_"): slot for name, slot in names.items() if name.startswith("drop_")}
    assert drops == expected
    assert found["quadlink_link_frames_total"][0].value == names["rx_frames"]
    assert found["quadlink_link_sent_octets_total"][0].value == names["tx_octets"]
    assert found["quadlink_link_queue_octets"][0].value == names["queue_octets"]
    buckets = found.pop("quadlink_link_latency_seconds_bucket")
    counts = [bucket.value for bucket in buckets]
    assert counts == np.cumsum(np.arange(WIRE_SLOTS + LATENCY_SLOT, 2 * WIRE_SLOTS)).tolist()
    assert [float(bucket.labels["le"]) for bucket in buckets[:3]] == [1e-6, 2e-6, 4e-6]
    assert buckets[-1].labels["le"] == "+Inf"
    assert found.pop("quadlink_link_latency_seconds_count")[0].value == counts[-1]
    assert found.pop("quadlink_link_latency_seconds_sum")[0].value == names["latency_ns"] / 1e9
    told = sorted(sample.value for each in found.values() for sample in each)
    assert told == sorted(set(names.values()) - set(expected.values()) - {names["latency_ns"]})


def test_ends_secys_sessions_and_processes_have_theirs() -> None:
    found = samples(lab="two", node="b")
    carriers = {sample.labels["link"]: sample.value for sample in found["quadlink_link_carrier"]}
    assert carriers == {"ch1": 0, "lan1": 0}
    secy = {sample.labels["counter"]: sample.value for sample in found["quadlink_macsec_counter_total"]}
    assert secy.keys() == SLOTS.keys()
    assert {sample.labels["link"] for sample in found["quadlink_macsec_counter_total"]} == {"ch1"}
    every = samples(lab="two")
    assert {s.labels["neighbor"]: s.value for s in every["quadlink_bgp_session_up"]} == {
        "10.0.0.1": 1,
        "fd00::1": 0,
    }
    assert [sample.value for sample in every["quadlink_bgp_session_prefixes"]] == [3, 0]
    assert {s.labels["process"]: s.value for s in every["quadlink_process_up"]} == {
        "engine": 1,
        "guard": 1,
        "controller": 0,
    }
    infos = {s.labels["link"]: (s.labels["type"], s.labels["cipher"]) for s in every["quadlink_link_info"]}
    assert infos == {"ch1": ("macsec", "gcm-aes-256"), "lan1": ("plain", "")}


def test_without_a_lab_there_is_a_page_without_samples() -> None:
    families = text_string_to_metric_families(generate_latest(registry(list)).decode())
    assert not any(family.samples for family in families)
