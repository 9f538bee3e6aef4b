"""The outage stopwatch on made-up records, where every loss and every dark time is known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.faults.outage import (
    NOT_DELIVERED,
    Delivery,
    FlowOutage,
    OutageSummary,
    arrivals,
    delivery,
    outages_after,
    rate_derived_ms,
    summarize,
)
from dataplane.probes.records import RECEIVED, SENT, Records

MS = 1_000_000
DELAY_NS = 300_000


def schedule(flow_count: int, packets: int, interval_ns: int = MS) -> Records:
    """Each flow sends every `interval_ns`, the flows in turn, from time 0 on; flow ids are 10, 11, ..."""
    sent = np.zeros(flow_count * packets, SENT)
    number = np.arange(len(sent))
    sent["flow"] = 10 + number % flow_count
    sent["sequence"] = number // flow_count
    sent["tx_ns"] = number * interval_ns // flow_count
    return sent


def deliver(sent: Records, delay_ns: int | np.ndarray[tuple[int], np.dtype[np.int64]] = DELAY_NS) -> Records:
    """Every packet of `sent`, `delay_ns` later, in order of arrival."""
    received = np.zeros(len(sent), RECEIVED)
    for field in ("flow", "sequence", "tx_ns"):
        received[field] = sent[field]
    received["rx_ns"] = sent["tx_ns"] + delay_ns
    return received[np.argsort(received["rx_ns"], kind="stable")]


def without(sent: Records, flow: int, sequences: Sequence[int]) -> Records:
    kept: Records = sent[~((sent["flow"] == flow) & np.isin(sent["sequence"], sequences))]
    return kept


def found_after(
    sent: Records, received: Records, t_fault_ns: int, until_ns: int, in_flight_ns: int = 0
) -> list[FlowOutage]:
    return outages_after(sent, arrivals(sent, received), t_fault_ns, until_ns, in_flight_ns=in_flight_ns)


def test_nothing_lost_is_no_outage() -> None:
    sent = schedule(2, 100)
    assert found_after(sent, deliver(sent), 50 * MS, 100 * MS) == [
        FlowOutage(flow, 50, 0, 0, 0.0, 0.0, 0.0, 1.0, False, None) for flow in (10, 11)
    ]


def test_a_dark_time_runs_from_the_first_lost_to_the_next_delivered_send() -> None:
    sent = schedule(2, 100)
    received = deliver(without(sent, 11, range(60, 73)))
    untouched, hit = found_after(sent, received, 50 * MS, 100 * MS)
    assert (untouched.lost, untouched.outage_ms) == (0, 0.0)
    # Flow 11 sends half a millisecond after flow 10: packet 73 leaves at 73.5 ms and arrives at 73.8.
    assert hit == FlowOutage(11, 50, 13, 1, 13.0, 13.0, 13.0, 1.0, False, 23.8)


def test_only_the_window_counts_and_in_flight_widens_it() -> None:
    sent = schedule(1, 100)
    received = deliver(without(sent, 10, [*range(10, 20), 48, 49, 50, *range(90, 95)]), 2 * MS)
    (narrow,) = found_after(sent, received, 50 * MS, 80 * MS)
    (wide,) = found_after(sent, received, 50 * MS, 80 * MS, in_flight_ns=2 * MS)
    assert (narrow.sent, narrow.lost, narrow.outage_ms) == (30, 1, 1.0)
    assert (wide.sent, wide.lost, wide.outage_ms) == (32, 3, 3.0)


def test_a_second_dark_time_is_lost_but_not_in_the_outage() -> None:
    sent = schedule(1, 100)
    (outage,) = found_after(sent, deliver(without(sent, 10, [60, 61, 80, 81, 82])), 50 * MS, 100 * MS)
    assert (outage.lost, outage.loss_runs, outage.outage_ms, outage.longest_ms, outage.loss_derived_ms) == (
        5,
        2,
        2.0,
        3.0,
        5.0,
    )


def test_a_flow_that_stays_dark_says_so_and_its_outage_is_a_lower_bound() -> None:
    sent = schedule(1, 100)
    (outage,) = found_after(sent, deliver(without(sent, 10, range(60, 100))), 50 * MS, 100 * MS)
    assert outage == FlowOutage(10, 50, 40, 1, 39.0, 39.0, 40.0, 1.0, True, None)


def test_a_flow_with_one_packet_has_no_interval() -> None:
    sent = schedule(1, 1)
    with pytest.raises(ValueError, match="flow 10 sent one packet: expected at least two"):
        found_after(sent, deliver(sent), 0, MS)


def test_no_records_are_no_flows() -> None:
    sent, received = np.zeros(0, SENT), np.zeros(0, RECEIVED)
    assert found_after(sent, received, 0, MS) == []
    assert delivery(sent, arrivals(sent, received), 0, MS) == Delivery(0, 0, None, None, None)
    assert summarize([]) == OutageSummary(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, None, None)


def test_a_summary_counts_flows_sums_loss_and_takes_median_and_maximum() -> None:
    sent = schedule(4, 100)
    kept = without(without(without(sent, 11, range(60, 64)), 12, range(60, 70)), 13, range(90, 100))
    outages = found_after(sent, deliver(kept), 50 * MS, 100 * MS)
    summary = summarize(outages)
    assert (summary.flows, summary.dark, summary.lost) == (4, 1, 4 + 10 + 10)
    assert (summary.outage_ms_max, summary.outage_ms_median) == (10.0, (4.0 + 9.0) / 2)
    assert (summary.first_restored_ms, summary.last_restored_ms) == (14.55, 20.8)


def test_delivery_is_of_what_was_sent_meanwhile() -> None:
    sent = schedule(1, 200)
    delay_ns = np.arange(200, dtype=np.int64) * 1000
    received = deliver(sent, delay_ns)
    rx_ns = arrivals(sent, received[~np.isin(received["sequence"], [0, 150])])
    assert delivery(sent, rx_ns, 0, 101 * MS) == Delivery(101, 1, 50.5, 99.0, 100.0)
    assert delivery(sent, rx_ns, 150 * MS, 152 * MS) == Delivery(2, 1, 151.0, 151.0, 151.0)


def test_the_99th_percentile_is_an_outage_that_was() -> None:
    sent = schedule(200, 100)
    kept = sent
    for flow, dark_ms in ((10, 30), (11, 20), (12, 10)):
        kept = without(kept, flow, range(60, 60 + dark_ms))
    summary = summarize(found_after(sent, deliver(kept), 50 * MS, 100 * MS))
    # 1 % of 200 are above it: the third longest.
    assert (summary.outage_ms_max, summary.outage_ms_p99, summary.outage_ms_median) == (30.0, 10.0, 0.0)


def rate_derived(sent: Sequence[float], lost: Iterable[float], until_ms: int) -> float:
    """Of packets sent at these ms, the last arriving first; in samples of 10 ms."""
    gone = set(lost)
    tx_ns = np.array([round(at * MS) for at in sent], np.int64)
    rx_ns = np.array([NOT_DELIVERED if at in gone else round((200 - at) * MS) for at in sent], np.int64)
    return rate_derived_ms(tx_ns, rx_ns, 0, until_ms * MS, 10 * MS)


def test_the_rate_derived_time_ends_with_the_last_sample_that_lacks_packets() -> None:
    # 200 packets/s, two a sample. Those of 20 to 44 ms are lost: both of the samples that begin at 20 and
    # 30 ms, and one of that of 40 ms, which is not more than one.
    flow = [5.0 * n for n in range(-2, 20)]
    assert rate_derived(flow, [at for at in flow if 20 <= at < 45], 100) == 40.0
    assert rate_derived(flow, [-5.0, 20.0, 30.0], 100) == rate_derived(flow, [], 100) == 0.0
    # 3200 packets/s, 32 a sample. One of sixteen flows is 6 % of them, two are 12.5 %, more than a tenth.
    flows = [[at + which * 0.3125 for at in flow] for which in range(16)]
    all_flows = [at for times in flows for at in times]
    lost = [[at for at in times if 30 <= at < 70] for times in flows]
    assert rate_derived(all_flows, lost[0], 100) == 0.0
    assert rate_derived(all_flows, lost[0] + lost[1], 100) == 70.0


def test_the_rate_of_less_than_a_sample_is_not_judged() -> None:
    flow = [0.0, 5.0, 10.0, 15.0]
    assert rate_derived(flow, flow, 9) == 0.0
    assert rate_derived(flow, flow, 19) == 10.0


@dataclass(frozen=True)
class Story:
    """What befell the packets of a few flows: which are lost, how late each is, which arrive twice."""

    sent: Records
    lost: np.ndarray[tuple[int], np.dtype[np.bool_]]
    received: Records


@st.composite
def stories(draw: st.DrawFn) -> Story:
    sent = schedule(draw(st.integers(1, 4)), draw(st.integers(2, 30)))
    lost = np.array(draw(st.lists(st.booleans(), min_size=len(sent), max_size=len(sent))))
    delay_ns = st.integers(1, 5 * MS)
    delays = np.array(draw(st.lists(delay_ns, min_size=len(sent), max_size=len(sent))), np.int64)
    once = deliver(sent[~lost], delays[~lost])
    copies = once[draw(st.lists(st.integers(0, len(once) - 1), max_size=5)) if len(once) else []]
    received = np.concatenate([once, copies])
    received["rx_ns"][len(once) :] += draw(delay_ns)
    return Story(sent, lost, received[np.argsort(received["rx_ns"], kind="stable")])


@given(stories())
def test_neither_delay_nor_reordering_nor_copies_change_what_is_lost(story: Story) -> None:
    assert (arrivals(story.sent, story.received) == NOT_DELIVERED).tolist() == story.lost.tolist()


@given(stories())
def test_a_copy_arrives_first_where_it_arrived_first(story: Story) -> None:
    for packet, rx_ns in zip(story.sent, arrivals(story.sent, story.received), strict=True):
        same = (story.received["flow"] == packet["flow"]) & (story.received["sequence"] == packet["sequence"])
        assert rx_ns == min(story.received["rx_ns"][same], default=NOT_DELIVERED)


@given(st.integers(1, 4), st.integers(10, 40), st.data())
def test_a_drop_window_is_measured_exactly(flow_count: int, packets: int, data: st.DataObject) -> None:
    """What leaves while the path is cut is lost; the dark time of each flow follows from its own schedule."""
    sent = schedule(flow_count, packets)
    end_ns = packets * MS
    cut_ns = data.draw(st.integers(0, end_ns))
    healed_ns = data.draw(st.integers(cut_ns, end_ns))
    in_cut = (sent["tx_ns"] >= cut_ns) & (sent["tx_ns"] < healed_ns)
    for outage in found_after(sent, deliver(sent[~in_cut]), cut_ns, end_ns):
        tx_ns = sent["tx_ns"][sent["flow"] == outage.flow].tolist()
        lost = [t for t in tx_ns if cut_ns <= t < healed_ns]
        after = [t for t in tx_ns if t >= healed_ns]
        assert outage.lost == len(lost)
        assert outage.dark == (lost != [] and after == [])
        end = after[0] if after else tx_ns[-1]
        assert outage.outage_ms == ((end - lost[0]) / MS if lost else 0.0)
        assert outage.dark or abs(outage.outage_ms - (healed_ns - cut_ns) / MS) <= outage.resolution_ms
        if lost and after:
            assert outage.restored_ms == (after[0] + DELAY_NS - cut_ns) / MS


@given(stories(), st.integers(0, 30 * MS), st.integers(0, 30 * MS))
def test_every_packet_is_before_the_fault_in_its_window_or_after(
    story: Story, t_fault_ns: int, length_ns: int
) -> None:
    until_ns = t_fault_ns + length_ns
    before = delivery(story.sent, arrivals(story.sent, story.received), 0, t_fault_ns)
    during = summarize(found_after(story.sent, story.received, t_fault_ns, until_ns))
    rest = summarize(found_after(story.sent, story.received, until_ns, 1 << 62))
    assert before.lost + during.lost + rest.lost == np.count_nonzero(story.lost)
