"""A SecY of many receive SCs finds each of them, whichever came and went before."""

import random

import pytest

from dataplane.macsec.counters import Verdict
from dataplane.macsec.secy import RECEIVE_CHANNEL_LIMIT, SecYConfig, SecYError
from tests.macsec.traffic import FRAME, PEER, SAK, SCI, SecYMaker, protected, validated

SCIS = [SCI[:6] + port.to_bytes(2) for port in range(RECEIVE_CHANNEL_LIMIT)]
"""Of one MAC address, so that nothing but the port tells them apart."""


def test_channels_come_and_go(make_secy: SecYMaker) -> None:
    receiver = make_secy(SecYConfig(PEER))
    wires = []
    for sci in SCIS:
        sender = make_secy(SecYConfig(sci))
        sender.install_transmit_sa(0, SAK)
        wires.append(protected(sender, FRAME, FRAME, FRAME))
    there: set[int] = set()
    order = random.Random(802_1)
    for turn, share in enumerate((1.0, 0.5, 0.9)):
        wanted = {number for number in range(len(SCIS)) if order.random() < share}
        for number in order.sample(range(len(SCIS)), len(SCIS)):
            if number in wanted - there:
                receiver.install_receive_sa(SCIS[number], 0, SAK, turn + 1)
            elif number in there - wanted:
                receiver.remove_receive_sa(SCIS[number], 0)
        there = wanted
        outcomes = validated(receiver, *(wire[turn] for wire in wires))
        assert outcomes == [
            FRAME if number in there else Verdict.InPktsNoSAError for number in range(len(SCIS))
        ]
        for number, sci in enumerate(SCIS):
            if number in there:
                assert receiver.channel_counters(sci)["InPktsOK"] >= 1
            else:
                with pytest.raises(SecYError, match="expected one"):
                    receiver.channel_counters(sci)
