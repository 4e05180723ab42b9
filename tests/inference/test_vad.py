"""What stands for voice activity where speech is a code."""

import numpy as np

from inference.endpointing import FRAME_SAMPLES
from inference.vad import CONTEXT_SAMPLES, LevelVad, VadState


def test_the_level_detector_hears_what_is_loud() -> None:
    num_samples = CONTEXT_SAMPLES + FRAME_SAMPLES
    loud, quiet = np.full(num_samples, 0.1, dtype=np.float32), np.zeros(num_samples, dtype=np.float32)

    assert LevelVad().probabilities([loud, quiet], [VadState(), VadState()]) == [1.0, 0.0]
