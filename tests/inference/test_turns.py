import sys

from inference.turns import SWITCH_S, ShortTurns


def test_turns_are_as_long_as_before_when_the_last_thread_is_done() -> None:
    usual_s, short = sys.getswitchinterval(), ShortTurns()

    with short:
        with short:
            inside_s = sys.getswitchinterval()
        still_s = sys.getswitchinterval()

    assert inside_s == still_s == SWITCH_S < usual_s
    assert sys.getswitchinterval() == usual_s
