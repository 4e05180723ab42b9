"""Loops, restarts and drafts, with the real tiny.en."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from inference.engines import registry
from inference.engines.whisper.decoding import MAX_REPEATS, Row, Task, repeated_tail, restarted_tail
from inference.engines.whisper.engine import BORROWED_FRAMES, PADDING_SAMPLES, WhisperEngine, padded
from tests.speech import Clip, clips


@pytest.mark.parametrize(
    ("name", "tokens", "expected"),
    [
        ("nothing", [], 0),
        ("no repetition", [1, 2, 3, 4, 5, 6, 7, 8], 0),
        ("as often as a speaker may", [1] * MAX_REPEATS, 0),
        ("one token too often", [7, *[1] * (MAX_REPEATS + 1)], MAX_REPEATS),
        ("a phrase too often", [7, *[1, 2, 3] * (MAX_REPEATS + 1)], 3 * MAX_REPEATS),
        ("a phrase that is not whole again", [*[1, 2, 3] * MAX_REPEATS, 1, 2], 0),
        ("repetition that is over", [*[1] * (MAX_REPEATS + 1), 2], 0),
    ],
)
def test_repeated_tail(name: str, tokens: list[int], expected: int) -> None:
    assert repeated_tail(tokens) == expected, name


@pytest.mark.parametrize(
    ("name", "tokens", "places", "expected"),
    [
        ("too short to tell", [1, 2, 3, 4], [0, 9, 18, 27], 0),
        ("different words", [1, 2, 3, 4, 5, 6, 7, 8], list(range(0, 80, 10)), 0),
        ("the same words heard at the same place", [1, 2, 3, 4, 1, 2, 3, 4], [0, 9, 18, 27, 1, 9, 17, 27], 4),
        ("the same words said again later", [1, 2, 3, 4, 1, 2, 3, 4], [0, 9, 18, 27, 100, 109, 118, 127], 0),
        ("words between", [1, 2, 3, 4, 9, 1, 2, 3, 4], [0, 9, 18, 27, 36, 0, 9, 18, 27], 4),
        ("one stray place does not matter", [1, 2, 3, 4, 1, 2, 3, 4], [0, 9, 18, 27, 200, 9, 18, 27], 4),
    ],
)
def test_restarted_tail(name: str, tokens: list[int], places: list[int], expected: int) -> None:
    assert restarted_tail(tokens, places) == expected, name


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    made: WhisperEngine = registry.create("whisper-tiny.en", "fp32")  # type: ignore[assignment]  # what this name makes
    made.load()
    return made


@torch.inference_mode()
def write(engine: WhisperEngine, spoken: Sequence[Clip], tasks: Sequence[Task]) -> list[Row]:
    encoded, num_frames = engine._encode([padded(clip.audio, PADDING_SAMPLES) for clip in spoken])
    audio = engine.network.listen(encoded, num_frames, engine.silence, BORROWED_FRAMES)
    return engine.writer.write(audio, num_frames.tolist(), tasks)


def task(engine: WhisperEngine, *, prefix: Sequence[int] = (), draft: Sequence[int] = ()) -> Task:
    return Task(engine.vocabulary.prompt("en"), tuple(prefix), tuple(draft), max_tokens=60)


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


def test_a_row_stops_at_its_limit(engine: WhisperEngine) -> None:
    (row,) = write(engine, [clips()[2]], [Task(engine.vocabulary.prompt("en"), (), (), max_tokens=3)])

    assert len(row.tokens) == 3
    assert row.is_cut


def test_a_batch_keeps_its_order_when_rows_end_at_different_times(engine: WhisperEngine, plain: list[list[int]]) -> None:
    order = [2, 0, 3, 1]

    rows = write(engine, [clips()[index] for index in order], [task(engine) for _ in order])

    assert [row.tokens for row in rows] == [plain[index] for index in order]
    assert np.isfinite([row.no_speech for row in rows]).all()
