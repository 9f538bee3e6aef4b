"""What a proof says of one failure: as predicted, or a finding."""

from netns_lab.prediction import Pair
from netns_lab.proof.failures import Failure
from netns_lab.proof.verdict import Observation, cut_off_text, judge

THERE, BACK = Pair("a", "b", "ipv4"), Pair("b", "a", "ipv4")
FAILURE = Failure(())


def observation(
    silent: tuple[Pair, ...] = (), heard: tuple[Pair, ...] = (), instrument_lost: int = 0
) -> Observation:
    outage_ms = {THERE: 12.0, BACK: 0.0}
    return Observation(outage_ms, {THERE: 3}, frozenset(silent), frozenset(heard), instrument_lost)


def test_a_failure_that_all_survive_has_the_outage_of_those_it_touched() -> None:
    verdict = judge(FAILURE, observation(heard=(THERE, BACK)), {THERE, BACK}, {THERE, BACK})
    assert verdict.findings == ()
    assert verdict.as_json()["survived"]
    assert (verdict.outage_ms_median, verdict.outage_ms_max, verdict.lost) == (12.0, 12.0, 3)
    assert verdict.longest == THERE


def test_who_is_cut_off_as_predicted_has_no_outage() -> None:
    verdict = judge(FAILURE, observation(silent=(THERE, BACK)), set(), {THERE, BACK})
    assert verdict.findings == ()
    assert verdict.partitions
    assert (verdict.outage_ms_max, verdict.longest, verdict.lost) == (0.0, None, 0)


def test_dark_where_the_graph_has_a_way_is_a_finding() -> None:
    # Some flows of the pair arrive and some do not: that one of its ways is a hole is no less a finding.
    verdict = judge(FAILURE, observation(silent=(THERE,), heard=(THERE, BACK)), {THERE, BACK}, {THERE, BACK})
    assert verdict.findings == ("a to b (ipv4): predicted to be reachable, but dark",)


def test_reached_where_the_graph_has_no_way_is_a_finding() -> None:
    verdict = judge(FAILURE, observation(silent=(BACK,), heard=(THERE,)), set(), {THERE, BACK})
    assert verdict.findings == ("a to b (ipv4): predicted to be cut off, but reached",)


def test_losses_of_the_instrument_are_a_finding() -> None:
    verdict = judge(FAILURE, observation(heard=(THERE, BACK), instrument_lost=1), {THERE, BACK}, {THERE})
    assert len(verdict.findings) == 1


def test_who_is_cut_off_reads_as_hosts_where_they_reach_nobody_and_as_pairs_otherwise() -> None:
    hosts = ("a", "b", "c")
    assert cut_off_text((THERE, BACK), hosts) == "a - b"
    assert cut_off_text((THERE, BACK, Pair("a", "c", "ipv4")), hosts) == "a"
