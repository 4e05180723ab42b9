"""Streams that come in pieces, and in company, are heard as torchaudio's own network hears whole utterances."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.engines.arithmetic import BF16, FP32, INT8
from inference.engines.base import Hypothesis, Window
from inference.engines.emformer_rnnt.engine import EmformerEngine
from inference.engines.emformer_rnnt.network import EmformerTransducer
from inference.engines.emformer_rnnt.weights import EmformerFiles, Loaded
from inference.engines.transducer import MAX_TOKENS_PER_FRAME
from tests.inference.engines.emformer_rnnt.bundles import write_bundle
from tests.inference.engines.emformer_rnnt.test_features import as_torchaudio_has_it
from tests.inference.engines.tones import tones


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> EmformerFiles:
    return EmformerFiles("m", write_bundle(tmp_path_factory.mktemp("models") / "emformer"))


@pytest.fixture
def engine(files: EmformerFiles) -> EmformerEngine:
    made = EmformerEngine(files, FP32)
    made.load()
    return made


def sounds(num_seconds: float, seed: int) -> np.ndarray:
    return tones(num_seconds, seed, 0.3)


@torch.inference_mode()
def written(loaded: Loaded, audio: np.ndarray) -> list[int]:
    """By torchaudio's network over the whole utterance, with silence up to whole segments, and a plain loop over its frames."""
    features = as_torchaudio_has_it(audio, loaded.statistics)
    num_frames = -(-len(audio) // 640)
    num_mels = -(-num_frames // 4) * 16
    padded = torch.nn.functional.pad(features, (0, 0, 0, max(0, num_mels + 4 - len(features))))[: num_mels + 4]
    encoded, _ = loaded.network.transcribe(padded[None], torch.tensor([num_mels]))  # type: ignore[operator]  # torchaudio has no types
    return plainly(EmformerTransducer(loaded.network), encoded[0, :num_frames])


def plainly(transducer: EmformerTransducer, frames: Tensor) -> list[int]:
    found, state = list[int](), transducer.start(1)
    for frame in frames:
        for _ in range(MAX_TOKENS_PER_FRAME):
            token = int(transducer.logits(frame[None], state).argmax())
            if token == transducer.blank:
                break
            found.append(token)
            state = transducer.advance(torch.tensor([token]), state)
    return found


def finals(engine: EmformerEngine, audios: Sequence[np.ndarray]) -> list[Hypothesis]:
    """Of streams that come in steps of random length, each step with some of them; each window only what is new."""
    rng = random.Random(1)
    states = [engine.open_stream() for _ in audios]
    ends = [0] * len(audios)
    found: dict[int, Hypothesis] = {}
    while len(found) < len(audios):
        present = [row for row in range(len(audios)) if row not in found and rng.random() < 0.7]
        windows = []
        for row in present:
            ends[row] = min(len(audios[row]), ends[row] + rng.randrange(500, 9000))
            start = states[row].num_heard
            is_final = ends[row] == len(audios[row])
            windows.append(Window(states[row], audios[row][start : ends[row]], ("en",), is_final, start=start))
        said = engine.step(windows)
        found |= {row: one for row, window, one in zip(present, windows, said, strict=True) if window.is_final}
    return [found[row] for row in range(len(audios))]


def test_streams_of_any_age_write_what_torchaudios_network_writes_of_each(files: EmformerFiles, engine: EmformerEngine) -> None:
    loaded = files.load()
    audios = [sounds(num_seconds, seed) for seed, num_seconds in enumerate((2.0, 0.7, 3.1, 0.01))]

    said = finals(engine, audios)

    assert [one.text for one in said] == [loaded.tokens.text(written(loaded, audio)) for audio in audios]
    assert len({one.text for one in said}) >= 3
    assert said[2].words[-1].end_ms <= 3120


def test_the_next_segment_begins_anew_and_a_shorter_final_loses_the_rest(files: EmformerFiles, engine: EmformerEngine) -> None:
    audio, state = sounds(2.0, 0), engine.open_stream()
    engine.step([Window(state, audio, ("en",), is_final=False)])

    short = engine.step([Window(state, audio[:16000], ("en",), is_final=True)])[0]
    again = engine.step([Window(state, audio, ("en",), is_final=True)])[0]

    loaded = files.load()
    whole = loaded.tokens.text(written(loaded, audio))
    assert again.text == whole
    assert whole.startswith(short.text)
    assert 0 < len(short.text) < len(whole)
    assert all(word.end_ms <= 1000 for word in short.words)


def test_after_a_step_that_failed_each_window_can_be_tried_alone(
    files: EmformerFiles, engine: EmformerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    audios = [sounds(2.0, seed) for seed in range(2)]
    states = [engine.open_stream() for _ in audios]
    windows = [Window(state, audio, ("en",), is_final=True) for state, audio in zip(states, audios, strict=True)]
    with monkeypatch.context() as patch:
        patch.setattr(engine.transducer, "advance", lambda *_given: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            engine.step(windows)

    loaded = files.load()
    expected = [loaded.tokens.text(written(loaded, audio)) for audio in audios]
    assert [engine.step([window])[0].text for window in windows] == expected


def test_partials_keep_what_they_called_stable(engine: EmformerEngine) -> None:
    audio, state = sounds(2.0, 0), engine.open_stream()
    partials = [engine.step([Window(state, audio[:end], ("en",), is_final=False)])[0] for end in range(3000, 32001, 3000)]

    assert partials[-1].stable
    assert all(after.text.startswith(before.stable) for before, after in zip(partials, partials[1:], strict=False))


@pytest.mark.parametrize("arithmetic", [BF16, INT8])
def test_other_precisions_hear_nearly_the_same(files: EmformerFiles, engine: EmformerEngine, arithmetic: object) -> None:
    other = EmformerEngine(files, arithmetic)  # type: ignore[arg-type]  # parametrised
    other.load()
    features = torch.randn(2, 20, 12)

    exact, _ = engine.encoder.step(features, [engine.encoder.start()] * 2, 0)
    near, _ = other.encoder.step(features, [other.encoder.start()] * 2, 0)

    assert (exact - near).abs().max() < 0.2 * exact.abs().max()


def test_it_says_how_large_it_is_without_being_loaded_and_warms_up(files: EmformerFiles, engine: EmformerEngine) -> None:
    engine.warm_up()

    assert files.num_parameters() == sum(tensor.numel() for tensor in files.load().network.state_dict().values())
