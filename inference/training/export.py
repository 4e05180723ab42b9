"""A training made into a model that the server loads: weights, configuration, tokens, language model and card in a folder. And
such a model read again, to be trained on."""

import shutil
from pathlib import Path
from typing import Final

from inference.decoding.tokens import Tokens
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.weights.checkpoint import CTC, Checkpoint
from inference.engines.conformer_ctc.weights.own import LM_FOLDER, Form, OwnFiles, write
from inference.engines.containers import SINGLE
from inference.training.characters import CHARACTERS
from inference.training.errors import TrainingError
from inference.training.trainer import BLANK

LANGUAGES: Final = ("en",)
READABLE: Final = 0o644


def export_network(network: ConformerCtc, folder: Path, form: Form, lm_folder: Path | None = None) -> None:
    """Write `network` into `folder`; what lies there of an earlier export is replaced.

    Raises:
        TrainingError: a weight is not a number: the training has failed.
    """
    parameters = {name: tensor.detach().float().contiguous() for name, tensor in network.state_dict().items()}
    broken = sorted(name for name, tensor in parameters.items() if not bool(tensor.isfinite().all()))
    if broken:
        raise TrainingError(f"{broken[0]} and {len(broken) - 1} others hold no numbers; train again with a lower peak_rate.")
    checkpoint = Checkpoint(
        config=network.config,
        tokens=Tokens(CHARACTERS),
        heads=(CTC,),
        languages=LANGUAGES,
        lm_folder=lm_folder,
        parameters=parameters,
    )
    if lm_folder is not None and (folder / LM_FOLDER).is_dir() and lm_folder.resolve() != (folder / LM_FOLDER).resolve():
        shutil.rmtree(folder / LM_FOLDER)
    write(folder, checkpoint, form)
    (folder / SINGLE).chmod(READABLE)  # safetensors lets nobody else read what it writes


def read_network(folder: Path, dropout: float) -> ConformerCtc:
    """A model of ours from its folder, ready to be trained on.

    Raises:
        TrainingError: it writes other tokens than training does.
    """
    checkpoint = OwnFiles(folder.name, folder).load()
    if checkpoint.tokens.pieces != CHARACTERS:
        raise TrainingError(
            f"{folder} writes {len(checkpoint.tokens)} other tokens; only models that `train` made are trained on."
        )
    network = ConformerCtc(checkpoint.config, BLANK, dropout)
    network.load_state_dict(checkpoint.of_ctc())
    return network


def num_bytes(folder: Path) -> int:
    """Of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
