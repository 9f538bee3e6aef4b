"""One end of a BFD session against a neighbor that a test plays."""

import itertools

import pytest

from control.bfd.packet import ControlPacket, Diagnostic, State
from control.bfd.session import NEXT_STATE, NS_PER_US, Session, Settings

MINE, YOURS = 7, 9
MS_NS = 1_000_000
SETTINGS = Settings(interval_us=50_000, multiplier=3)

# The figure of 6.2, an arrow a line, without the timer; what has no arrow there changes nothing.
FIGURE = """
DOWN DOWN INIT
DOWN INIT UP
INIT ADMIN_DOWN DOWN
INIT INIT UP
INIT UP UP
UP ADMIN_DOWN DOWN
UP DOWN DOWN
"""
ARROWS = {
    (State[state], State[received]): State[then]
    for state, received, then in map(str.split, FIGURE.strip().splitlines())
}


class Neighbor:
    """A session, the time, and the packets that a neighbor with the same settings would send."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.now_ns = 5_000 * MS_NS
        self.session = Session(MINE, settings, self.now_ns, lambda: 0.0)

    def says(self, state: State, **fields: object) -> list[ControlPacket]:
        """Sends a packet; what the session answers at once."""
        packet = ControlPacket(state, 0, 3, YOURS, MINE, 50_000, 50_000)
        for name, value in fields.items():
            object.__setattr__(packet, name, value)
        assert self.session.receive(packet, self.now_ns)
        return self.session.packets()

    def wait_ms(self, time_ms: float) -> list[ControlPacket]:
        """What the session sends in that time."""
        end_ns = self.now_ns + int(time_ms * MS_NS)
        while (deadline_ns := self.session.next_deadline()) is not None and deadline_ns <= end_ns:
            self.now_ns = max(self.now_ns, deadline_ns)
            self.session.advance(self.now_ns)
        self.now_ns = end_ns
        return self.session.packets()

    def bring(self, state: State) -> None:
        """Leads the session to a state."""
        self.wait_ms(0)
        match state:
            case State.ADMIN_DOWN:
                self.session.disable(self.now_ns)
            case State.INIT:
                self.says(State.DOWN)
            case State.UP:
                self.says(State.INIT)
                self.says(State.UP, final=True)
        assert self.session.state is state
        self.session.packets()


@pytest.fixture
def neighbor() -> Neighbor:
    return Neighbor()


@pytest.mark.parametrize(("state", "received"), list(itertools.product(State, State)))
def test_every_state_and_every_received_state(neighbor: Neighbor, state: State, received: State) -> None:
    neighbor.bring(state)
    then = ARROWS.get((state, received), state)
    assert NEXT_STATE[state, received] is then
    neighbor.says(received)
    assert neighbor.session.state is then
    fell = then is State.DOWN and state is not State.DOWN
    assert not fell or neighbor.session.diagnostic is Diagnostic.NEIGHBOR_SIGNALED_DOWN
    lost = state is State.UP and received is State.DOWN
    assert neighbor.session.path_lost == lost


@pytest.mark.parametrize("state", list(State))
def test_silence_ends_init_and_up_after_the_detection_time(neighbor: Neighbor, state: State) -> None:
    neighbor.bring(state)
    neighbor.says(State.UP if state is not State.INIT else State.DOWN)
    neighbor.wait_ms(149.9)
    assert neighbor.session.state is state
    sent = neighbor.wait_ms(0.2)
    if state in (State.INIT, State.UP):
        assert neighbor.session.state is State.DOWN
        assert neighbor.session.diagnostic is Diagnostic.DETECTION_TIME_EXPIRED
        assert (sent[-1].state, sent[-1].diagnostic, sent[-1].your_discriminator) == (State.DOWN, 1, 0)
    else:
        assert neighbor.session.state is state
    assert neighbor.session.path_lost == (state is State.UP)
    assert neighbor.session.remote is None


def test_nothing_is_sent_faster_than_a_second_until_up(neighbor: Neighbor) -> None:
    assert len(neighbor.wait_ms(0)) == 1
    assert neighbor.wait_ms(749) == []
    assert len(neighbor.wait_ms(2)) == 1
    assert neighbor.says(State.DOWN)[-1].state is State.INIT
    assert neighbor.session.interval_us == 1_000_000
    (up,) = neighbor.says(State.INIT)
    assert (up.state, up.poll, up.desired_min_tx_us) == (State.UP, True, 50_000)
    assert neighbor.session.interval_us == 50_000
    assert all(packet.poll for packet in neighbor.wait_ms(100))
    neighbor.says(State.UP, final=True)
    assert not any(packet.poll for packet in neighbor.wait_ms(100))


@pytest.mark.parametrize(("multiplier", "latest_ms"), [(1, 90), (2, 100), (255, 100)])
def test_jitter_is_between_75_and_100_percent_or_90_of_multiplier_1(
    multiplier: int, latest_ms: float
) -> None:
    for drawn, part_ms in ((0.0, 75), (0.5, (75 + latest_ms) / 2), (1.0, latest_ms)):
        neighbor = Neighbor(Settings(100_000, multiplier))
        neighbor.session._random = lambda drawn=drawn: drawn  # type: ignore[misc]
        neighbor.bring(State.UP)
        neighbor.says(State.UP, desired_min_tx_us=60_000_000)
        begin_ns = neighbor.now_ns
        sent_ns: list[int] = []
        while len(sent_ns) < 4:
            deadline_ns = neighbor.session.next_deadline()
            assert deadline_ns is not None
            neighbor.session.advance(deadline_ns)
            sent_ns += [deadline_ns] * len(neighbor.session.packets())
        assert sent_ns == [begin_ns + int(part_ms * n * MS_NS) for n in range(1, 5)]


def test_the_slower_of_both_wishes_and_the_multiplier_of_the_other_end_count(neighbor: Neighbor) -> None:
    neighbor.bring(State.UP)
    neighbor.says(State.UP, required_min_rx_us=80_000, desired_min_tx_us=20_000, multiplier=4)
    assert neighbor.session.interval_us == 80_000
    assert neighbor.session.detection_time_us == 4 * 50_000
    neighbor.says(State.UP, desired_min_tx_us=300_000, multiplier=5)
    assert neighbor.session.detection_time_us == 5 * 300_000


def test_an_interval_changes_while_up_only_as_the_neighbor_can_know(neighbor: Neighbor) -> None:
    neighbor.bring(State.UP)
    session = neighbor.session
    session.change(Settings(200_000, 3), neighbor.now_ns)
    (told,) = session.packets()
    assert (told.poll, told.desired_min_tx_us, told.required_min_rx_us) == (True, 200_000, 200_000)
    assert (session.interval_us, session.detection_time_us) == (50_000, 600_000)
    neighbor.says(State.UP, final=True)
    assert session.interval_us == 200_000
    session.change(Settings(10_000, 3), neighbor.now_ns)
    assert session.packets()[-1].poll
    assert (session.interval_us, session.detection_time_us) == (50_000, 600_000)
    neighbor.says(State.UP, final=True, required_min_rx_us=5_000, desired_min_tx_us=5_000)
    assert (session.interval_us, session.detection_time_us) == (10_000, 30_000)


def test_a_change_during_a_poll_sequence_is_followed_by_another(neighbor: Neighbor) -> None:
    neighbor.bring(State.UP)
    neighbor.session.change(Settings(200_000, 3), neighbor.now_ns)
    neighbor.session.change(Settings(300_000, 3), neighbor.now_ns)
    neighbor.says(State.UP, final=True)
    assert neighbor.session.periodic_packet.poll
    assert neighbor.session.interval_us == 50_000
    neighbor.says(State.UP, final=True)
    assert not neighbor.session.periodic_packet.poll
    assert neighbor.session.interval_us == 300_000


def test_another_multiplier_needs_no_poll_sequence(neighbor: Neighbor) -> None:
    neighbor.bring(State.UP)
    neighbor.session.change(Settings(50_000, 5), neighbor.now_ns)
    (told,) = neighbor.session.packets()
    assert (told.multiplier, told.poll) == (5, False)


def test_a_poll_is_answered_at_once_even_while_polling(neighbor: Neighbor) -> None:
    neighbor.bring(State.UP)
    neighbor.session.change(Settings(200_000, 3), neighbor.now_ns)
    neighbor.session.packets()
    (answer,) = neighbor.says(State.UP, poll=True)
    assert (answer.final, answer.poll) == (True, False)


def test_packets_of_another_session_are_left_alone(neighbor: Neighbor) -> None:
    neighbor.bring(State.UP)
    stray = ControlPacket(State.DOWN, 0, 3, YOURS, MINE + 1, 50_000, 50_000)
    assert not neighbor.session.receive(stray, neighbor.now_ns)
    assert neighbor.session.state is State.UP
    assert neighbor.session.packets() == []


def test_administratively_down_takes_no_path_away_at_either_end(neighbor: Neighbor) -> None:
    neighbor.bring(State.UP)
    neighbor.says(State.DOWN)
    assert neighbor.session.path_lost
    neighbor.says(State.ADMIN_DOWN)
    assert not neighbor.session.path_lost
    neighbor.bring(State.UP)
    neighbor.says(State.ADMIN_DOWN)
    assert neighbor.session.state is State.DOWN
    assert not neighbor.session.path_lost
    neighbor.bring(State.UP)
    neighbor.session.disable(neighbor.now_ns)
    (told,) = neighbor.session.packets()
    assert (told.state, told.diagnostic) == (State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
    assert not neighbor.session.path_lost
    assert neighbor.says(State.DOWN, poll=True) == []


def test_a_neighbor_in_demand_mode_or_that_wants_nothing_gets_nothing_periodic(neighbor: Neighbor) -> None:
    neighbor.bring(State.UP)
    neighbor.says(State.UP, demand=True, desired_min_tx_us=60_000_000)
    assert neighbor.wait_ms(1_000) == []
    neighbor.session.change(Settings(200_000, 3), neighbor.now_ns)
    assert neighbor.wait_ms(100)[0].poll
    neighbor.says(State.UP, required_min_rx_us=0, desired_min_tx_us=60_000_000)
    assert neighbor.wait_ms(1_000) == []


@pytest.mark.parametrize(("state", "received"), list(itertools.product(State, State)))
def test_a_repetition_is_no_more_than_heard(neighbor: Neighbor, state: State, received: State) -> None:
    neighbor.bring(state)
    neighbor.says(received)
    session = neighbor.session
    repetition = session.repetition
    if repetition is None:
        return  # to take it again may change something
    before = (session.state, session.since_ns, session.periodic_packet, session.interval_us)
    neighbor.now_ns += MS_NS
    session.receive(repetition, neighbor.now_ns)
    assert session.packets() == []
    assert before == (session.state, session.since_ns, session.periodic_packet, session.interval_us)
    session.heard(neighbor.now_ns + MS_NS)
    time_ns = session.detection_time_us * NS_PER_US
    session.advance(neighbor.now_ns + time_ns)
    assert session.remote is not None
    session.advance(neighbor.now_ns + MS_NS + time_ns)
    assert session.remote is None
