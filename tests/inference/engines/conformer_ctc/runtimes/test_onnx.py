"""ONNX Runtime says what torch says."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from inference.engines.arithmetic import BF16, FP32, INT8
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.runtimes import artefacts
from inference.engines.conformer_ctc.runtimes.onnx import MODEL, OnnxSession, check, quantise
from inference.engines.conformer_ctc.runtimes.session import GraphRuntime
from inference.errors import ConfigError
from tests.inference.engines.conformer_ctc.networks import random_mel, runtime_of
from tests.inference.engines.conformer_ctc.runtimes.graphs import step_of
from tests.inference.engines.conformer_ctc.test_step import EXACT, streamed, whole_chunks

ROUGH = 0.3


def test_it_says_what_torch_says(network: ConformerCtc, onnx_graph: Path) -> None:
    runtime = GraphRuntime(step_of(network)[1], OnnxSession(onnx_graph))
    mels = random_mel(4, whole_chunks(runtime))

    said = streamed(runtime, mels, [0, 1, 1, 5])

    np.testing.assert_allclose(said, streamed(runtime_of(network), mels, [0, 1, 1, 5]), atol=EXACT)


def test_8_bit_weights_say_nearly_the_same(network: ConformerCtc, onnx_graph: Path, tmp_path: Path) -> None:
    shutil.copy(onnx_graph / MODEL, tmp_path)
    with artefacts.without_notices():
        quantise(tmp_path / MODEL)
    runtime = GraphRuntime(step_of(network)[1], OnnxSession(tmp_path))
    mels = random_mel(2, whole_chunks(runtime))

    difference = np.abs(streamed(runtime, mels, [0, 1]) - streamed(runtime_of(network), mels, [0, 1])).max()

    assert EXACT < difference < ROUGH


def test_a_precision_that_it_does_not_have_is_refused_with_those_that_it_has() -> None:
    check(FP32)
    check(INT8)
    with pytest.raises(ConfigError, match="computes in fp32 or int8, and the precision is bf16. Set HARK_PRECISION"):
        check(BF16)
