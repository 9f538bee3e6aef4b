"""The probes' benchmark: that all of it runs, and that the figures are those of its own limit."""

import pytest

from bench import probes


@pytest.mark.lab
def test_it_runs_over_loopback_and_veth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "FLAT_OUT_S", 0.02)
    monkeypatch.setattr(probes, "UNHURRIED_S", 0.02)
    monkeypatch.setattr(probes, "ROUND_TRIPS", 10)
    figures = {figure.name: figure for figure in probes.run(lambda text: None, rounds=1)}
    for path in ("loopback", "veth"):
        for how in ("one by one", "in trains of 64"):
            assert figures[f"{path}, {how}: highest rate without loss"].value > 0
            assert figures[f"{path}, {how}: sending a packet"].value > 0
        for how in ("asleep", "spinning"):
            for what in ("round trip", "one-way latency at 10000 packets/s"):
                median, tail = (figures[f"{path}, {how}: {what} p{at}"].value for at in (50, 99))
                assert 0 < median <= tail
    assert figures["veth, frames between AF_XDP sockets: highest rate without loss"].value > 0
    assert [name for name in figures if figures[name].goal is not None] == [
        f"{path}, in trains of 64: highest rate without loss" for path in ("loopback", "veth")
    ]
