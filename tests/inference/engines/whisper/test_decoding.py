"""Prompts, prefixes and drafts, with the real tiny.en."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from inference.engines import registry
from inference.engines.whisper.decoding import Row, Task
from inference.engines.whisper.engine import BORROWED_FRAMES, PADDING_SAMPLES, WhisperEngine, padded
from tests.speech import Clip, clips


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    made: WhisperEngine = registry.create("whisper-tiny.en", "fp32")  # type: ignore[assignment]  # what this name makes
    made.load()
    return made


@torch.inference_mode()
def write(engine: WhisperEngine, spoken: Sequence[Clip], tasks: Sequence[Task]) -> list[Row]:
    encoded = engine._encode([padded(clip.audio, PADDING_SAMPLES) for clip in spoken])
    audio = engine.network.listen(encoded, engine.silence, BORROWED_FRAMES)
    return engine.writer.write(audio, [len(states) for states in encoded], tasks)


def task(engine: WhisperEngine, *, prefix: Sequence[int] = (), draft: Sequence[int] = ()) -> Task:
    log_probs = (0.0,) * len(prefix)
    return Task(engine.vocabulary.prompt("en"), tuple(prefix), tuple(draft), max_tokens=60, prefix_log_probs=log_probs)


@pytest.fixture(scope="module")
def plain(engine: WhisperEngine) -> list[list[int]]:
    """Tokens of every clip, written one by one without a draft: the reference."""
    return [write(engine, [clip], [task(engine)])[0].tokens for clip in clips()]


def test_windows_of_different_length_together_give_what_they_give_alone(engine: WhisperEngine, plain: list[list[int]]) -> None:
    rows = write(engine, clips(), [task(engine) for _ in clips()])

    assert [row.tokens for row in rows] == plain


def drafts_of(tokens: list[int], other: list[int]) -> dict[str, list[int]]:
    half = len(tokens) // 2
    return {
        "right": tokens,
        "right as far as it goes": tokens[:half],
        "wrong": other,
        "wrong at the end": [*tokens[:half], *other],
        "wrong in the middle": [*tokens[:half], 5, *tokens[half + 1 :]],
        "too long": [*tokens, *other],
        "nothing": [],
    }


def test_a_draft_never_changes_the_result(engine: WhisperEngine, plain: list[list[int]]) -> None:
    tokens, other = plain[2], plain[1]

    for name, draft in drafts_of(tokens, other).items():
        (row,) = write(engine, [clips()[2]], [task(engine, draft=draft)])
        assert row.tokens == tokens, name


def test_drafts_of_one_batch_do_not_touch_each_other(engine: WhisperEngine, plain: list[list[int]]) -> None:
    drafts = [plain[1], plain[1], [], plain[3][:4]]

    rows = write(engine, clips(), [task(engine, draft=draft) for draft in drafts])

    assert [row.tokens for row in rows] == plain


def test_a_prefix_stands_even_when_the_model_would_write_otherwise(engine: WhisperEngine, plain: list[list[int]]) -> None:
    prefix = plain[1][:2]

    (row,) = write(engine, [clips()[2]], [task(engine, prefix=prefix)])

    assert row.tokens[:2] == prefix
    assert row.tokens != plain[1]


def test_every_token_has_its_probability_attention_and_place(engine: WhisperEngine) -> None:
    for row in write(engine, clips(), [task(engine) for _ in clips()]):
        assert len(row.attention) == len(row.places) == len(row.tokens)
        assert len(row.log_probs) == len(row.tokens) + (not row.is_cut)
        assert all(attention.shape == (len(engine.vocabulary.alignment_heads), row.num_frames) for attention in row.attention)
        assert max(row.log_probs) <= 0


def test_a_row_that_goes_back_to_what_it_heard_is_cut_there(engine: WhisperEngine) -> None:
    row = Row(task(engine), num_frames=300)
    places = [0, 50, 100, 150, 200, 10, 20, 30]

    for token, place in enumerate(places, start=1_000):
        if not row.is_done:
            engine.writer._append(row, token, -0.1, np.eye(1, 300, place, dtype=np.float32))

    assert row.places == places[:5]
    assert (row.tokens, len(row.log_probs), row.is_cut) == ([1_000, 1_001, 1_002, 1_003, 1_004], 5, True)


def test_a_row_stops_at_its_limit(engine: WhisperEngine) -> None:
    (row,) = write(engine, [clips()[2]], [Task(engine.vocabulary.prompt("en"), (), (), max_tokens=3)])

    assert len(row.tokens) == 3
    assert row.is_cut


def test_a_batch_keeps_its_order_when_rows_end_at_different_times(engine: WhisperEngine, plain: list[list[int]]) -> None:
    order = [2, 0, 3, 1]

    rows = write(engine, [clips()[index] for index in order], [task(engine) for _ in order])

    assert [row.tokens for row in rows] == [plain[index] for index in order]
    assert np.isfinite([row.no_speech for row in rows]).all()
