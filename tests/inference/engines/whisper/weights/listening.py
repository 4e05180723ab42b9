"""Models that are made to listen to a clip."""

import numpy as np

from inference.engines.arithmetic import FP32
from inference.engines.base import Hypothesis, Window
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.state import WhisperState
from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
from inference.engines.whisper.weights.layout import ModelFiles, Weights
from inference.engines.whisper.weights.standard import tiny_en_folder
from tests.speech import clips


def shipped_tiny_en() -> CTranslate2Files:
    return CTranslate2Files("whisper-tiny.en", tiny_en_folder(), (tiny_en_folder() / "model.bin",))


def heard(files: ModelFiles, language: str = "en") -> Hypothesis:
    """What the model makes of the shortest English clip."""
    engine = WhisperEngine(files, FP32)
    engine.load()
    window: Window[WhisperState] = Window(engine.open_stream(), clips()[0].audio, (language,), is_final=True)
    return engine.step([window])[0]


def assert_same(found: Weights, expected: Weights) -> None:
    """Bit for bit."""
    assert found.num_heads == expected.num_heads
    assert found.parameters.keys() == expected.parameters.keys()
    for name, tensor in expected.parameters.items():
        assert np.array_equal(found.parameters[name].numpy(), tensor.numpy()), name
