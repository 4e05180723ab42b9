"""The runner for GPUs against the plain one, which is the specification: on a processor, with the real tiny.en."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.engines import registry
from inference.engines.base import Hypothesis, Window
from inference.engines.whisper.decoding import Row, Task, Writer
from inference.engines.whisper.engine import BORROWED_FRAMES, PADDING_SAMPLES, WhisperEngine, padded
from inference.engines.whisper.fallback import TEMPERATURES, Dice
from inference.engines.whisper.graphs import AUDIO_FRAMES, Shape, StaticRun, StaticRunner, batch_sizes, smallest
from inference.engines.whisper.hotwords import Hotwords
from inference.engines.whisper.network import AudioMemory
from inference.engines.whisper.runner import Rules, fetched_together
from inference.engines.whisper.state import WhisperState
from tests.speech import clips

MAX_BATCH = 6
"""Slots come in ones, twos, fours and sixes: a batch of three has one too many."""


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    made: WhisperEngine = registry.create("whisper-tiny.en", "fp32")  # type: ignore[assignment]  # what this name makes
    made.load()
    return made


@pytest.fixture(scope="module")
def static(engine: WhisperEngine) -> Writer:
    """A writer with the runner for GPUs, on the same network."""
    with torch.inference_mode():
        rules = Rules.of(engine.vocabulary, engine.network.dims.num_tokens, engine.device)
        return Writer(StaticRunner(engine.network.decoder, rules, engine.silence, MAX_BATCH), engine.vocabulary)


def task(engine: WhisperEngine, **changes: object) -> Task:
    return replace(Task(engine.vocabulary.prompt("en"), (), (), max_tokens=60), **changes)  # type: ignore[arg-type]  # its fields


@torch.inference_mode()
def written(engine: WhisperEngine, writer: Writer, spoken: Sequence[np.ndarray], tasks: Sequence[Task]) -> list[Row]:
    encoded = engine._encode([padded(audio, PADDING_SAMPLES) for audio in spoken])
    return writer.write(
        engine.network.listen(encoded, engine.silence, BORROWED_FRAMES), [len(states) for states in encoded], tasks
    )


def assert_same(rows: Sequence[Row], expected: Sequence[Row]) -> None:
    """Token for token, with the same numbers for them."""
    assert [row.tokens for row in rows] == [row.tokens for row in expected]
    assert [row.is_cut for row in rows] == [row.is_cut for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert [min(place, row.num_frames) for place in row.places] == [min(place, row.num_frames) for place in other.places]
        assert row.no_speech == pytest.approx(other.no_speech, abs=1e-5)
        np.testing.assert_allclose(row.log_probs, other.log_probs, atol=1e-3)
        np.testing.assert_allclose(np.array(row.attention), np.array(other.attention), atol=1e-4)


def recordings() -> list[np.ndarray]:
    """From one to nine seconds, in no order of length."""
    spoken = [clip.audio for clip in clips()]
    return [spoken[2], spoken[0], spoken[3], spoken[1], spoken[3][:20_000], spoken[2][16_000:48_000]]


@pytest.mark.parametrize("num_rows", [1, 2, 3, 4, 6])
def test_every_row_of_a_mixed_batch_is_written_as_the_plain_runner_writes_it(
    engine: WhisperEngine, static: Writer, num_rows: int
) -> None:
    spoken, tasks = recordings()[:num_rows], [task(engine)] * num_rows

    assert_same(written(engine, static, spoken, tasks), written(engine, engine.writer, spoken, tasks))


def test_a_batch_larger_than_its_memory_goes_in_portions(engine: WhisperEngine, static: Writer) -> None:
    spoken = [*recordings(), *recordings()[::-1], recordings()[0]]
    tasks = [task(engine)] * len(spoken)

    assert_same(written(engine, static, spoken, tasks), written(engine, engine.writer, spoken, tasks))


def test_rows_that_finish_at_different_times_leave_the_others_as_they_are(engine: WhisperEngine, static: Writer) -> None:
    """The first rows end first, so that those in the last slots have to move."""
    spoken = recordings()
    tasks = [task(engine, max_tokens=limit) for limit in (1, 3, 2, 60, 5, 60)]

    assert_same(written(engine, static, spoken, tasks), written(engine, engine.writer, spoken, tasks))


def test_a_row_that_moves_takes_its_text_and_audio_with_it(
    engine: WhisperEngine, static: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: it does when nothing is copied."""
    runner = static.runner
    assert isinstance(runner, StaticRunner)
    tasks = [task(engine, max_tokens=limit) for limit in (1, 3, 2, 60, 5, 60)]
    moves: list[tuple[list[int], list[int]]] = []
    monkeypatch.setattr(
        runner.memory, "move", lambda sources, targets, _frames, _positions: moves.append((list(sources), list(targets)))
    )

    rows = written(engine, static, recordings(), tasks)

    assert moves
    assert all(set(sources).isdisjoint(targets) for sources, targets in moves)
    assert [row.tokens for row in rows] != [row.tokens for row in written(engine, engine.writer, recordings(), tasks)]


def test_drafts_and_prefixes_are_read_alike(engine: WhisperEngine, static: Writer) -> None:
    spoken = recordings()[:4]
    plain = [row.tokens for row in written(engine, engine.writer, spoken, [task(engine)] * 4)]
    tasks = [
        task(engine, draft=tuple(plain[0])),
        task(engine, draft=tuple(plain[2])),
        task(engine, prefix=tuple(plain[2][:3]), prefix_log_probs=(-0.1,) * 3, draft=tuple(plain[2][3:6])),
        task(engine, draft=(*plain[3][:2], 5)),
    ]

    assert_same(written(engine, static, spoken, tasks), written(engine, engine.writer, spoken, tasks))


def test_long_drafts_are_scored_in_several_parts(engine: WhisperEngine, static: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = recordings()[:3]
    tasks = [task(engine, draft=tuple(row.tokens)) for row in written(engine, engine.writer, spoken, [task(engine)] * 3)]
    tasks[1] = replace(tasks[1], chooser=Hotwords(["Zanzibar"], engine.vocabulary.tokens))
    monkeypatch.setattr("inference.engines.whisper.graphs.SCORED_AT_ONCE", 7)

    assert_same(written(engine, static, spoken, tasks), written(engine, engine.writer, spoken, tasks))


def test_hotwords_and_dice_choose_from_the_same_logits(engine: WhisperEngine, static: Writer) -> None:
    def tasks() -> list[Task]:
        """Dice remember what they threw: new ones each time."""
        hotwords = Hotwords(["Alexander", "speech"], engine.vocabulary.tokens)
        return [
            task(engine, chooser=chooser) for chooser in (hotwords, None, Dice(0.6, seed=3), None, Dice(0.4, seed=4), hotwords)
        ]

    spoken = recordings()

    assert_same(written(engine, static, spoken, tasks()), written(engine, engine.writer, spoken, tasks()))


def test_a_batch_leaves_nothing_behind_for_the_next_one(engine: WhisperEngine, static: Writer) -> None:
    """Long windows first, then short ones in the same slots."""
    tasks = [task(engine)] * 2
    written(engine, static, [clips()[3].audio, clips()[2].audio], tasks)
    short = [clips()[0].audio, clips()[3].audio[:16_000]]

    assert_same(written(engine, static, short, tasks), written(engine, engine.writer, short, tasks))


def test_a_batch_would_hear_what_the_one_before_left(
    engine: WhisperEngine, static: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: it does when what lies behind a window stays in sight."""
    runner = static.runner
    assert isinstance(runner, StaticRunner)
    tasks = [task(engine)] * 2
    short = [clips()[0].audio, clips()[3].audio[:16_000]]
    expected = written(engine, engine.writer, short, tasks)
    written(engine, static, [clips()[3].audio, clips()[2].audio], tasks)
    monkeypatch.setattr(runner.memory, "store", unmasked(runner))

    with pytest.raises(AssertionError):
        assert_same(written(engine, static, short, tasks), expected)


def unmasked(runner: StaticRunner) -> Callable[[AudioMemory], int]:
    """`Memory.store` that leaves what lies behind a window in sight."""
    store = runner.memory.store

    def stored(audio: AudioMemory) -> int:
        before = runner.memory.bias.clone()
        longest = store(audio)
        behind = slice(runner.memory.num_groups + longest, None)
        runner.memory.bias[..., behind] = before[..., behind]
        return longest

    return stored


# The engine


def heard(engine: WhisperEngine, *, hotwords: tuple[str, ...] = ()) -> list[Hypothesis]:
    """Partials of growing audio, then finals, by four streams together."""
    states = [WhisperState() for _ in clips()]
    found: list[Hypothesis] = []
    for num_samples in range(16_000, 64_000, 8_000):
        found += engine.step(
            [
                Window(state, clip.audio[:num_samples], ("en",), is_final=False, hotwords=hotwords)
                for state, clip in zip(states, clips(), strict=True)
            ]
        )
    return found + engine.step(
        [Window(state, clip.audio, ("en",), is_final=True) for state, clip in zip(states, clips(), strict=True)]
    )


def test_streams_get_the_same_partials_finals_words_and_times(
    engine: WhisperEngine, static: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = heard(engine, hotwords=("Alexander",))
    monkeypatch.setattr(engine, "writer", static)

    found = heard(engine, hotwords=("Alexander",))

    assert [(each.text, each.stable) for each in found] == [(each.text, each.stable) for each in expected]
    assert [[(word.text, word.start_ms, word.end_ms) for word in each.words] for each in found] == [
        [(word.text, word.start_ms, word.end_ms) for word in each.words] for each in expected
    ]


class Stuck:
    def __init__(self, phrase: Sequence[int]) -> None:
        self.phrase = phrase

    def choose(self, logits: Tensor, written: Sequence[int]) -> int:
        return self.phrase[len(written) % len(self.phrase)]


def test_finals_fall_back_to_the_same_text_though_their_tries_are_more_rows_than_there_is_room_for(
    engine: WhisperEngine, static: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager = engine.writer
    looping = Stuck(engine.vocabulary.tokens(" over and over"))
    task_of = engine._task
    monkeypatch.setattr(engine, "_task", lambda window: replace(task_of(window), draft=(), chooser=looping))

    def finals(writer: Writer) -> list[str]:
        monkeypatch.setattr(engine, "writer", writer)
        windows = [Window(WhisperState(), clip.audio, ("en",), is_final=True) for clip in clips()]
        return [each.text for each in engine.step(windows)]

    assert len(clips()) * len(TEMPERATURES) > MAX_BATCH
    assert finals(static) == finals(eager)


# Memory and shapes


def test_steps_take_no_memory_but_what_was_taken_at_the_start(engine: WhisperEngine, static: Writer) -> None:
    runner = static.runner
    assert isinstance(runner, StaticRunner)
    places = [tensor.data_ptr() for tensor in runner.memory.tensors()]

    written(engine, static, recordings(), [task(engine)] * 6)

    assert [tensor.data_ptr() for tensor in runner.memory.tensors()] == places
    assert len(places) == 10


def test_a_step_runs_at_one_of_the_shapes_that_are_recorded(
    engine: WhisperEngine, static: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = static.runner
    assert isinstance(runner, StaticRunner)
    used: list[Shape] = []
    compute = runner.compute

    def noted(shape: Shape) -> None:
        used.append(shape)
        compute(shape)

    monkeypatch.setattr(runner, "compute", noted)

    written(engine, static, recordings(), [task(engine, max_tokens=limit) for limit in (2, 60, 3, 60, 1, 9)])

    assert set(used) <= set(runner.shapes())
    assert len({shape.num_slots for shape in used}) > 1


def test_batch_sizes_end_with_the_largest_batch() -> None:
    assert batch_sizes(16) == (1, 2, 4, 8, 16)
    assert batch_sizes(20) == (1, 2, 4, 8, 16, 20)
    assert batch_sizes(1) == (1,)
    assert batch_sizes(300)[-2:] == (256, 300)


def test_the_smallest_size_that_is_enough_is_taken() -> None:
    assert [smallest(AUDIO_FRAMES, frames) for frames in (1, 100, 101, 1500)] == [100, 100, 200, 1500]


def test_a_move_is_made_only_when_fewer_slots_are_enough(engine: WhisperEngine, static: Writer) -> None:
    runner = static.runner
    assert isinstance(runner, StaticRunner)
    with torch.inference_mode():
        encoded = engine._encode([padded(audio, PADDING_SAMPLES) for audio in recordings()[:4]])
        run = StaticRun(runner, engine.network.listen(encoded, engine.silence, BORROWED_FRAMES))
        run.keep([0, 2, 3])
        three = (list(run.slots), run.num_slots)
        run.keep([1, 2])

    assert three == ([0, 2, 3], 4)
    assert (run.slots, run.num_slots) == ([0, 1], 2)


def test_several_tensors_come_back_by_one_transfer_as_they_were() -> None:
    tensors = [torch.tensor([51_864, 7]), torch.tensor([[1.5], [-torch.inf]]), torch.zeros(2, 0)]

    back = fetched_together(tensors)

    assert all(torch.equal(ours, theirs) for ours, theirs in zip(back, tensors, strict=True))
    assert [tensor.dtype for tensor in back] == [torch.long, torch.float32, torch.float32]
