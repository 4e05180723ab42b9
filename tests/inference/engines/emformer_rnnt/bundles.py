"""A small random bundle: the three files, as torchaudio would fetch them."""

import json
from pathlib import Path

import torch
from torch import Tensor

from inference.engines.emformer_rnnt.weights import SENTENCEPIECE, STATISTICS, WEIGHTS, sizes_of
from inference.torchaudio_compat import models
from tests.inference.engines.conformer_ctc.weights.models import PIECES, sentencepiece_model

NUM_MELS = 12
SIZES = {
    "transcriber.input_linear.weight": (16, NUM_MELS),
    "transcriber.output_linear.weight": (24, 64),
    "transcriber.transformer.emformer_layers.0.pos_ff.1.weight": (32, 64),
    "transcriber.transformer.emformer_layers.1.": (),
    "predictor.embedding.weight": (len(PIECES) + 1, 20),
    "predictor.lstm_layers.0.": (),
    "predictor.lstm_layers.1.": (),
}


def random_state() -> dict[str, Tensor]:
    """Parameters of a transducer that writes other things of other sounds, and nothing of some."""
    torch.manual_seed(0)
    network = models.emformer_rnnt_model(**sizes_of({name: torch.empty(shape) for name, shape in SIZES.items()}))
    state: dict[str, Tensor] = network.state_dict()
    for name, tensor in state.items():
        if "norm" not in name:
            tensor.copy_(torch.randn_like(tensor) * (1.0 if name.startswith(("predictor.", "joiner.")) else 0.3))
    state["joiner.linear.bias"].zero_()[-1] = 4.0
    return state


def write_bundle(folder: Path) -> Path:
    folder.mkdir()
    torch.save(random_state(), folder / WEIGHTS)
    statistics = {"mean": [8.0 + number / 4 for number in range(NUM_MELS)], "invstddev": [0.3] * NUM_MELS}
    (folder / STATISTICS).write_text(json.dumps(statistics))
    (folder / SENTENCEPIECE).write_bytes(sentencepiece_model())
    return folder
