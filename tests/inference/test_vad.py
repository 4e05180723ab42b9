"""What stands for voice activity where speech is a code."""

import numpy as np

from inference.endpointing import FRAME_SAMPLES
from inference.vad import CONTEXT_SAMPLES, STATE_SHAPE, Judged, LevelVad, VadState


def test_the_level_detector_hears_what_is_loud() -> None:
    num_samples = CONTEXT_SAMPLES + FRAME_SAMPLES
    loud, quiet = np.full(num_samples, 0.1, dtype=np.float32), np.zeros(num_samples, dtype=np.float32)

    assert LevelVad().judge([np.stack([loud, quiet]), loud[None]], [VadState(), VadState()]) == [
        Judged([1.0, 0.0]),
        Judged([1.0]),
    ]


def test_a_state_moves_as_far_as_frames_count_and_keeps_no_others_in_memory() -> None:
    state, recurrent = VadState(), np.random.default_rng(0).standard_normal((3, *STATE_SHAPE), dtype=np.float32)
    judged = Judged([0.0] * 3, recurrent)

    judged.move(state, 0)
    assert not state.recurrent.any()
    judged.move(state, 2)
    np.testing.assert_array_equal(state.recurrent, recurrent[1])
    assert state.recurrent.base is None
    Judged([0.0]).move(state, 1)
    np.testing.assert_array_equal(state.recurrent, recurrent[1])
