"""Finals that are written again, with the real tiny.en and a decoder that was made to loop."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.engines import registry
from inference.engines.base import Hypothesis, Window
from inference.engines.whisper import engine as engine_module
from inference.engines.whisper.decoding import Row, Task
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.fallback import TEMPERATURES, Dice, likeliest, seed_of, tries
from inference.engines.whisper.guards import MAX_WORDS_PER_S
from inference.engines.whisper.network import AudioMemory
from inference.engines.whisper.state import WhisperState
from tests.speech import Clip, clips, spoken_words

TASK = Task((1, 2), (), (), max_tokens=9)


def row(*log_probs: float) -> Row:
    return Row(TASK, 10, tokens=[7] * len(log_probs), log_probs=list(log_probs))


def test_the_same_audio_throws_the_same_dice_and_other_audio_others() -> None:
    logits, one, other = torch.linspace(0, 1, 500), np.ones(4, dtype=np.float32), np.zeros(4, dtype=np.float32)

    def thrown(audio: np.ndarray) -> list[int]:
        dice = Dice(1.0, seed_of(audio))
        return [dice.choose(logits, []) for _ in range(20)]

    assert thrown(one) == thrown(one)
    assert thrown(one) != thrown(other)


def test_dice_choose_what_is_likely_more_often_and_what_is_forbidden_never() -> None:
    dice = Dice(1.0, seed=0)
    logits = torch.tensor([0.0, 2.0, -torch.inf])

    counts = np.bincount([dice.choose(logits, []) for _ in range(2_000)], minlength=3)

    assert counts[2] == 0
    assert counts[1] / 2_000 == pytest.approx(np.exp(2) / (1 + np.exp(2)), abs=0.05)


def test_there_is_one_try_for_each_temperature_and_nothing_is_taken_as_given() -> None:
    task = replace(TASK, prefix=(5,), prefix_log_probs=(-1.0,), draft=(6, 7))

    again = tries(task, np.zeros(9, dtype=np.float32))

    assert [(each.prefix, each.prefix_log_probs, each.draft) for each in again] == [((), (), ())] * len(TEMPERATURES)
    assert len(again) <= 3, "nobody waits for more"


def test_the_likeliest_try_is_kept() -> None:
    rows = [row(-1.0, -0.5), row(-0.1, -0.2, -0.3), row(-0.4)]

    assert likeliest(rows) is rows[1]


# The engine


class Stuck:
    """Writes one phrase again and again."""

    def __init__(self, phrase: Sequence[int]) -> None:
        self.phrase = phrase

    def choose(self, logits: Tensor, written: Sequence[int]) -> int:
        return self.phrase[len(written) % len(self.phrase)]


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    made: WhisperEngine = registry.create("whisper-tiny.en", "fp32")  # type: ignore[assignment]  # what this name makes
    made.load()
    return made


@pytest.fixture
def stuck(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> WhisperEngine:
    """Loops on every window that is longer than the shortest clip."""
    phrase, task_of = engine.vocabulary.tokens(" over and over"), engine._task

    def looping(window: Window[WhisperState]) -> Task:
        task = task_of(window)
        return task if len(window.audio) <= len(clips()[0].audio) else replace(task, draft=(), chooser=Stuck(phrase))

    monkeypatch.setattr(engine, "_task", looping)
    return engine


def heard(engine: WhisperEngine, *spoken: Clip, is_final: bool = True) -> list[Hypothesis]:
    return engine.step([Window(WhisperState(), clip.audio, ("en",), is_final=is_final) for clip in spoken])


def num_written(monkeypatch: pytest.MonkeyPatch, engine: WhisperEngine) -> list[int]:
    """Rows of each batch that is written from now on."""
    counts: list[int] = []
    write = engine.writer.write

    def counted(audio: AudioMemory, num_frames: Sequence[int], tasks: Sequence[Task]) -> list[Row]:
        counts.append(len(tasks))
        return write(audio, num_frames, tasks)

    monkeypatch.setattr(engine.writer, "write", counted)
    return counts


def test_a_final_that_loops_is_written_again(stuck: WhisperEngine) -> None:
    clip = clips()[3]

    (hypothesis,) = heard(stuck, clip)

    assert "over and over" not in hypothesis.text
    assert len(set(clip.words) - set(spoken_words(hypothesis.text))) <= 2


def test_without_falling_back_the_loop_would_stand(stuck: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above would see: it can fail."""
    monkeypatch.setattr(engine_module, "tries", lambda task, _audio: [task])

    assert "over and over" in heard(stuck, clips()[3])[0].text


def test_only_the_rows_that_need_it_are_written_again_all_in_one_batch(
    stuck: WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = num_written(monkeypatch, stuck)

    heard(stuck, clips()[0], clips()[2], clips()[3])

    assert counts == [3, 2 * len(TEMPERATURES)]


def test_falling_back_in_a_batch_gives_what_it_gives_alone(stuck: WhisperEngine) -> None:
    chosen = [clips()[3], clips()[0], clips()[2]]

    together = [hypothesis.text for hypothesis in heard(stuck, *chosen)]

    assert together == [heard(stuck, clip)[0].text for clip in chosen]


def test_clean_speech_and_partials_are_written_once(
    engine: WhisperEngine, stuck: WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = num_written(monkeypatch, stuck)

    heard(stuck, clips()[3], is_final=False)
    monkeypatch.undo()
    counts_of_clean = num_written(monkeypatch, engine)
    heard(engine, *clips())

    assert counts == [1]
    assert counts_of_clean == [len(clips())]


def test_a_final_never_holds_more_words_than_fit_into_its_audio(stuck: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "tries", lambda task, _audio: [task])
    fast = stuck.vocabulary.tokens("".join(f" {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"))
    monkeypatch.setattr(Stuck, "choose", lambda _self, _logits, written: fast[len(written) % len(fast)])
    audio = clips()[3].audio[:32_000]
    monkeypatch.setattr(stuck, "_task", lambda window: Task(stuck.vocabulary.prompt("en"), (), (), 60, Stuck(fast)))

    hypothesis = stuck.step([Window(WhisperState(), audio, ("en",), is_final=True)])[0]

    assert len(spoken_words(hypothesis.text)) == MAX_WORDS_PER_S * 2
    assert len(hypothesis.words) == MAX_WORDS_PER_S * 2
