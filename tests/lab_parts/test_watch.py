"""A frame of `inspect --watch`: what one write does to a screen."""

from netns_lab.watch import frame


def test_a_frame_goes_over_the_one_before_and_leaves_nothing_of_it() -> None:
    assert frame(["one", "two"], 80, 24) == "\x1b[Hone\x1b[K\ntwo\x1b[K\x1b[J"


def test_a_frame_is_cut_to_the_screen_and_says_so() -> None:
    assert frame(["abcdef", "2", "3", "4"], 5, 3) == "\x1b[Habcd\x1b[K\n2\x1b[K\n(2 m\x1b[K\x1b[J"
