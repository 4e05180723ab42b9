"""How clips are played to an engine: as live streams would be."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from inference.bench.play import Played, dealt, play
from inference.bench.speech import Clip
from inference.engines.base import Hypothesis, Window
from inference.engines.fake import FakeEngine, FakeState, speak


def said(text: str, language: str = "en") -> Clip:
    return Clip(text, language, speak(text))


class Listening(FakeEngine):
    """Notes the steps: samples, whether final, language."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[list[tuple[int, bool, tuple[str, ...]]]] = []
        self.states: list[FakeState] = []

    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        self.steps.append([(len(window.audio), window.is_final, window.languages) for window in batch])
        self.states += [window.state for window in batch]
        return super().step(batch)


def played(engine: FakeEngine, *hands: list[Clip], step_ms: int = 500) -> Played:
    """Every step takes one second of this clock."""
    return play(engine, hands, step_ms, itertools.count().__next__)


def test_a_stream_hears_growing_windows_and_then_all_of_it() -> None:
    engine = Listening()

    played(engine, [said("alpha bravo charlie")])

    assert engine.steps == [[(8_000, False, ("en",))], [(16_000, False, ("en",))], [(19_200, True, ("en",))]]


def test_streams_share_their_steps_and_go_on_with_their_next_clip() -> None:
    engine = Listening()

    played(engine, [said("alpha"), said("bravo charlie")], [said("delta echo")])

    numbers = [[(num_samples, is_final) for num_samples, is_final, _languages in step] for step in engine.steps]
    assert numbers == [
        [(8_000, False)],
        [(6_400, True)],
        [(8_000, False)],
        [(12_800, True)],
        [(12_800, True)],
    ]


def test_each_stream_has_a_state_of_its_own_for_all_its_clips() -> None:
    engine = Listening()

    played(engine, [said("alpha"), said("bravo")], [said("charlie")])

    assert len({id(state) for state in engine.states}) == 2


def test_texts_are_those_of_the_finals_and_time_is_counted_by_kind() -> None:
    result = played(FakeEngine(), [said("alpha bravo charlie"), said("delta")])

    assert result.texts == {"alpha bravo charlie": "alpha bravo charlie", "delta": "delta"}
    assert result.audio_s == pytest.approx(1.6)
    assert (result.partials.num_windows, result.finals.num_windows) == (2, 2)
    assert (result.partials.cpu_s, result.finals.cpu_s, result.cpu_s) == (2, 2, 4)
    assert result.partials.window_ms == 1_000


def test_a_batch_costs_its_windows_their_share() -> None:
    result = played(FakeEngine(), *([said("alpha bravo charlie")] for _ in range(4)))

    assert result.partials.num_windows == 8
    assert result.partials.window_ms == 250


@pytest.mark.parametrize(("multilingual", "expected"), [(True, ()), (False, ("en",))])
def test_an_unknown_language_is_detected_where_the_model_can(multilingual: bool, expected: tuple[str, ...]) -> None:
    engine = Listening()
    engine.info = type(engine.info)(name="m", engine="fake", languages=("en", "de"), multilingual=multilingual)

    played(engine, [said("alpha", "")])

    assert engine.steps[0][0][2] == expected


@pytest.mark.parametrize(("num_clips", "num_streams", "num_turns"), [(4, 1, 4), (4, 8, 2), (24, 8, 3), (20, 8, 3)])
def test_streams_say_all_clips_between_them(num_clips: int, num_streams: int, num_turns: int) -> None:
    clips = [Clip(str(number), "en", np.zeros(1, dtype=np.float32)) for number in range(num_clips)]

    hands = dealt(clips, num_streams)

    assert [len(hand) for hand in hands] == [num_turns] * num_streams
    assert {clip.name for hand in hands for clip in hand} == {clip.name for clip in clips}
