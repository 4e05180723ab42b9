"""The engine on a small random network: what it hears of windows, and that no stream hears another."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from inference.engines.arithmetic import FP32
from inference.engines.base import Hypothesis, Window, recognise
from inference.engines.conformer_ctc.engine import ConformerEngine
from inference.engines.conformer_ctc.state import Utterance
from inference.features import LogMel
from tests.inference.engines.conformer_ctc.networks import RandomFiles, config_of, network_of
from tests.inference.engines.conformer_ctc.test_frontend import noise

CONFIG = config_of(4, (10, 4))
SECOND = 16_000


@pytest.fixture(scope="module")
def engine() -> ConformerEngine:
    engine = ConformerEngine(RandomFiles(CONFIG), FP32)
    engine.load()
    return engine


def said(hypothesis: Hypothesis) -> tuple[str, list[tuple[str, int, int]]]:
    return hypothesis.text, [(word.text, word.start_ms, word.end_ms) for word in hypothesis.words]


def partial(state: Utterance, audio: np.ndarray) -> Window[Utterance]:
    """As the loop gives it: without what the engine has heard."""
    start = min(state.num_heard, len(audio))
    return Window(state, audio[start:], ("en",), is_final=False, start=start)


def final(state: Utterance, audio: np.ndarray) -> Window[Utterance]:
    return replace(partial(state, audio), is_final=True)


def alone(engine: ConformerEngine, audio: np.ndarray) -> Hypothesis:
    return recognise(engine, [final(engine.open_stream(), audio)])[0]


def test_a_final_says_what_the_network_says_of_the_whole(engine: ConformerEngine) -> None:
    audio = noise(2 * SECOND)
    mel = LogMel()(torch.from_numpy(audio)).T[None]
    with torch.no_grad():
        log_probs, _ = network_of(CONFIG)(mel, torch.tensor([mel.shape[1]]), CONFIG.default_right_frames)
    line = engine.writer.open(final(engine.open_stream(), audio))
    engine.writer.write([line], log_probs.numpy())

    hypothesis = alone(engine, audio)

    num_frames = engine.geometry.num_frames_of(len(audio))
    expected = engine.writer.finish(line, num_frames - CONFIG.conv_kernel)  # the end is heard with other silence
    assert len(expected.text) > 10
    assert hypothesis.text.startswith(expected.text[:-2])


def test_windows_of_any_length_lead_to_the_same_final(engine: ConformerEngine) -> None:
    audio, state, rng = noise(3 * SECOND), engine.open_stream(), random.Random(3)
    end = 0
    while end < len(audio):
        end = min(len(audio), end + rng.randint(1, SECOND // 3))
        text = recognise(engine, [partial(state, audio[:end])])[0]
        assert text.text.startswith(text.stable)

    assert said(recognise(engine, [final(state, audio)])[0]) == said(alone(engine, audio))


def test_what_is_written_a_little_after_the_last_sample_is_in_the_final(engine: ConformerEngine) -> None:
    audio, state = noise(SECOND), engine.open_stream()
    engine.step([partial(state, audio)])

    last = recognise(engine, [final(state, audio)])[0]

    written_in_silence = alone(engine, np.concatenate([audio, np.zeros(SECOND, dtype=np.float32)]))
    expected = [word for word in said(written_in_silence)[1] if word[1] < 1200]
    assert said(last)[1][: len(expected) - 1] == expected[:-1]
    assert last.words[-1].end_ms > 1000


def test_a_window_from_the_first_sample_on_is_heard_from_where_the_stream_is(engine: ConformerEngine) -> None:
    audio, state = noise(2 * SECOND), engine.open_stream()
    for end in range(SECOND // 2, 2 * SECOND, SECOND // 2):
        engine.step([Window(state, audio[:end], ("en",), is_final=False)])

    last = recognise(engine, [Window(state, audio, ("en",), is_final=True)])[0]

    assert said(last) == said(alone(engine, audio))


def test_a_final_that_is_shorter_than_what_was_heard_says_less(engine: ConformerEngine) -> None:
    audio, state = noise(3 * SECOND), engine.open_stream()
    engine.step([partial(state, audio)])

    cut = recognise(engine, [final(state, audio[: 2 * SECOND])])[0]

    assert max(word.end_ms for word in cut.words) <= 2000
    assert cut.text == alone(engine, audio[: 2 * SECOND + engine.geometry.chunk_samples]).text[: len(cut.text)]
    assert state == Utterance(pending=state.pending)


def test_streams_of_a_batch_say_what_they_say_alone_as_they_come_and_go(engine: ConformerEngine) -> None:
    rng = random.Random(1)
    spoken = [noise(rng.randint(SECOND // 10, 3 * SECOND), seed) for seed in range(24)]
    expected = [said(alone(engine, audio)) for audio in spoken]
    states = [engine.open_stream() for _ in spoken]
    ends, results = [0] * len(spoken), dict[int, tuple[str, list[tuple[str, int, int]]]]()
    while len(results) < len(spoken):
        rows = rng.sample([row for row in range(len(spoken)) if row not in results], k=min(8, len(spoken) - len(results)))
        windows = []
        for row in rows:
            ends[row] = min(len(spoken[row]), ends[row] + rng.randint(1, SECOND))
            is_over = ends[row] == len(spoken[row])
            windows.append((final if is_over else partial)(states[row], spoken[row][: ends[row]]))
        for row, window, hypothesis in zip(rows, windows, engine.step(windows), strict=True):
            if window.is_final and hypothesis is not None:
                results[row] = said(hypothesis)

    assert [results[row] for row in range(len(spoken))] == expected


def test_the_last_chunk_of_few_finals_is_computed_with_the_next_of_the_others(
    engine: ConformerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, step = list[int](), engine.runtime.step

    def counting_step(mel: torch.Tensor, slots: Sequence[int]) -> np.ndarray:
        rows.append(len(slots))
        return step(mel, slots)

    monkeypatch.setattr(engine.runtime, "step", counting_step)
    spoken = [noise(2 * SECOND, seed) for seed in range(8)]
    states = [engine.open_stream() for _ in spoken]
    chunk, heard = engine.geometry.chunk_samples, engine.geometry.first_chunk_samples
    engine.step([partial(state, audio[:heard]) for state, audio in zip(states, spoken, strict=True)])
    over = spoken[0][: heard + chunk // 2]

    first = [final(states[0], over), *(partial(states[row], spoken[row][: heard + chunk]) for row in range(1, 8))]
    assert engine.step(first)[0] is None
    second = [final(states[0], over), *(partial(states[row], spoken[row][: heard + 2 * chunk]) for row in range(1, 8))]
    (hypothesis, *_others) = engine.step(second)

    assert rows == [8, 8, 8]
    assert hypothesis is not None
    assert said(hypothesis) == said(alone(engine, over))


def test_a_stream_begins_its_next_segment_as_if_there_had_been_none(engine: ConformerEngine) -> None:
    state, first, second = engine.open_stream(), noise(SECOND, 1), noise(SECOND, 2)

    before = recognise(engine, [final(state, first)])[0]
    after = recognise(engine, [final(state, second)])[0]

    assert said(before) == said(alone(engine, first))
    assert said(after) == said(alone(engine, second))


def test_slots_are_given_back_by_finals_and_by_streams_that_leave(engine: ConformerEngine) -> None:
    pool = vars(engine.runtime)["pool"]
    num_taken = pool.num_taken
    states = [engine.open_stream() for _ in range(3)]
    engine.step([partial(state, noise(SECOND)) for state in states])
    assert pool.num_taken == num_taken + 3

    engine.step([final(states[0], noise(SECOND))])
    engine.finish(states[1])
    engine.finish(states[2])
    engine.finish(engine.open_stream())

    assert pool.num_taken == num_taken


def test_after_a_step_that_failed_each_window_can_be_tried_alone(
    engine: ConformerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = [noise(SECOND, seed) for seed in range(3)]
    states = [engine.open_stream() for _ in spoken]
    engine.step([partial(state, audio[: SECOND // 2]) for state, audio in zip(states, spoken, strict=True)])
    windows = [final(state, audio) for state, audio in zip(states, spoken, strict=True)]
    finish, fails = engine.writer.finish, iter([False, True])
    with monkeypatch.context() as patch:
        patch.setattr(engine.writer, "finish", lambda *given: 1 // 0 if next(fails) else finish(*given))
        with pytest.raises(ZeroDivisionError):
            engine.step(windows)

    again = [recognise(engine, [window])[0] for window in windows]

    assert [said(hypothesis) for hypothesis in again] == [said(alone(engine, audio)) for audio in spoken]


def test_a_stream_that_cannot_be_written_takes_nothing_from_the_others(
    engine: ConformerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is in a step that encodes a chunk: nobody may lose it, and nobody write it twice."""
    spoken = [noise(2 * SECOND, seed) for seed in range(4)]
    states = [engine.open_stream() for _ in spoken]
    engine.step([partial(state, audio[: SECOND // 2]) for state, audio in zip(states, spoken, strict=True)])
    windows = [partial(state, audio[:SECOND]) for state, audio in zip(states, spoken, strict=True)]
    monkeypatch.setattr(states[1].line, "push", lambda _frames: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        engine.step(windows)

    with pytest.raises(ZeroDivisionError):
        engine.step([windows[1]])
    engine.finish(states[1])
    for place in (0, 2, 3):
        engine.step([windows[place]])

        assert said(recognise(engine, [final(states[place], spoken[place])])[0]) == said(alone(engine, spoken[place]))


def test_the_engine_says_which_letters_it_writes(engine: ConformerEngine) -> None:
    assert engine.info.letters == engine.outline.tokens.letters() != ""


def test_the_engine_says_how_much_audio_a_step_takes(engine: ConformerEngine) -> None:
    assert engine.info.step_samples == 3200  # five frames of 40 ms
    assert engine.info.first_step_samples == 2760
    state = engine.open_stream()

    engine.step([partial(state, noise(2759))])
    assert state.num_frames == 0
    engine.step([partial(state, noise(2760))])
    assert state.num_frames == 5


def test_the_nearest_chunk_that_the_network_can_is_taken() -> None:
    config = replace(CONFIG, contexts=((20, 4), (20, 1), (20, 9)))
    chosen = {
        wished: ConformerEngine(RandomFiles(config), FP32, chunk_ms=wished).geometry.chunk_frames for wished in (40, 80, 200, 900)
    }

    assert chosen == {40: 2, 80: 2, 200: 5, 900: 10}
