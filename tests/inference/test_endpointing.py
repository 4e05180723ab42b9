"""Where speech begins and ends, from scripted probabilities."""

import pytest

from inference.endpointing import FRAME_MS, MIN_SPEECH_FRAMES, NEAR_FRAMES, Endpointer, Turn

SPEECH, DIP, SILENCE = 0.9, 0.4, 0.05


def turns(probs: list[float], endpoint_ms: int = 320) -> list[tuple[int, Turn]]:
    """Frame and kind of every change."""
    endpointer = Endpointer(endpoint_ms)
    changes = [(frame, endpointer.push(prob)) for frame, prob in enumerate(probs)]
    return [(frame, turn) for frame, turn in changes if turn is not Turn.NONE]


@pytest.mark.parametrize(
    ("name", "probs", "expected"),
    [
        ("silence is not speech", [SILENCE] * 50, []),
        ("a click is not speech", [SPEECH] * (MIN_SPEECH_FRAMES - 1) + [SILENCE] * 50, []),
        ("clicks do not add up", [SPEECH, SPEECH, SILENCE] * 20, []),
        ("half-loud noise is not speech", [DIP] * 50, []),
        ("speech begins with its third frame", [SPEECH] * 3, [(2, Turn.BEGAN)]),
        ("a dip at the beginning does not matter", [SPEECH, DIP, DIP], [(2, Turn.BEGAN)]),
        ("a dip within a word does not end it", [SPEECH] * 5 + [DIP] * 50, [(2, Turn.BEGAN)]),
        ("a short pause does not end it", ([SPEECH] * 5 + [SILENCE] * 9) * 5, [(2, Turn.BEGAN)]),
        ("silence ends it", [SPEECH] * 5 + [SILENCE] * 50, [(2, Turn.BEGAN), (14, Turn.OVER)]),
        (
            "speech may begin again",
            ([SPEECH] * 5 + [SILENCE] * 15) * 2,
            [(2, Turn.BEGAN), (14, Turn.OVER), (22, Turn.BEGAN), (34, Turn.OVER)],
        ),
    ],
)
def test_turns(name: str, probs: list[float], expected: list[tuple[int, Turn]]) -> None:
    assert turns(probs) == expected, name


@pytest.mark.parametrize("endpoint_ms", [100, 320, 500, 2_000])
def test_speech_is_over_after_the_endpoint_and_not_earlier(endpoint_ms: int) -> None:
    changes = turns([SPEECH] * 5 + [SILENCE] * 100, endpoint_ms)

    frame, turn = changes[-1]
    silent_ms = (frame - 4) * FRAME_MS
    assert turn is Turn.OVER
    assert endpoint_ms <= silent_ms < endpoint_ms + FRAME_MS


def test_the_frames_of_the_speech_are_told() -> None:
    endpointer = Endpointer(320)
    for prob in [SILENCE] * 7 + [SPEECH] * 5 + [SILENCE] * 20:
        endpointer.push(prob)

    assert (endpointer.began, endpointer.last_voiced) == (7, 11)


def test_a_candidate_is_voice_that_is_not_speech_yet() -> None:
    endpointer = Endpointer(320)
    candidates = []
    for prob in [SILENCE, SPEECH, SPEECH, SPEECH]:
        endpointer.push(prob)
        candidates.append(endpointer.has_candidate)

    assert candidates == [False, True, True, False]


def test_after_a_stop_speech_has_to_begin_anew() -> None:
    endpointer = Endpointer(320)
    for _ in range(5):
        endpointer.push(SPEECH)

    endpointer.stop()

    assert [endpointer.push(SPEECH) for _ in range(3)] == [Turn.NONE, Turn.NONE, Turn.BEGAN]
    assert endpointer.began == 5


def test_speech_that_is_never_loud_never_begins() -> None:
    endpointer = Endpointer(endpoint_ms=500)

    turns = {endpointer.push(SPEECH, is_near=False) for _ in range(100)}

    assert turns == {Turn.NONE}
    assert not endpointer.has_candidate


def test_speech_that_grows_loud_began_where_its_quiet_part_did() -> None:
    endpointer = Endpointer(endpoint_ms=500)
    for _ in range(5):
        endpointer.push(0.0, is_near=False)

    turns = [endpointer.push(SPEECH, is_near=frame == 6) for frame in range(10)]

    assert turns.index(Turn.BEGAN) == 6
    assert endpointer.began == 5


@pytest.mark.parametrize(("num_between", "turn"), [(NEAR_FRAMES - 1, Turn.BEGAN), (NEAR_FRAMES + 1, Turn.NONE)])
def test_a_loud_sound_shortly_before_the_voice_belongs_to_it(num_between: int, turn: Turn) -> None:
    endpointer = Endpointer(endpoint_ms=500)
    endpointer.push(0.1, is_near=True)
    for _ in range(num_between):
        endpointer.push(0.1, is_near=False)

    turns = [endpointer.push(SPEECH, is_near=False) for _ in range(3)]

    assert turns[-1] is turn
