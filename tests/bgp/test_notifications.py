"""Names for the codes of NOTIFICATION messages."""

import pytest

from control.bgp.notifications import readable


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("notification sent (4,0)", "hold timer expired (NOTIFICATION 4/0 sent)"),
        ("peer reset, message (notification received (6,2)) error(...)", "cease (NOTIFICATION 6/2 received)"),
        ("notification sent (99,1)", "notification sent (99,1)"),
        ("out of the blue", "out of the blue"),
    ],
)
def test_reason(reason: str, text: str) -> None:
    assert readable(reason) == text
