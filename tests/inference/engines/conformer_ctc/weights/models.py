"""Small random models of the family, to be written in each container and read again."""

import torch

from inference.decoding.tokens import Tokens
from inference.engines.conformer_ctc.config import EncoderConfig
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.weights.checkpoint import Checkpoint

PIECES = ("<unk>", "▁", "e", "▁on", "t", "▁two")


def small(subsampling: int = 4) -> EncoderConfig:
    return EncoderConfig(
        num_mels=16,
        d_model=16,
        num_layers=2,
        num_heads=2,
        subsampling=subsampling,
        subsampling_channels=4,
        contexts=((8, 3), (8, 1)),
        conv_kernel=5,
    )


def random_checkpoint(config: EncoderConfig | None = None, seed: int = 0) -> Checkpoint:
    """With a CTC head."""
    torch.manual_seed(seed)
    config = config or small()
    parameters = {name: torch.randn_like(tensor) for name, tensor in ConformerCtc(config, len(PIECES)).state_dict().items()}
    return Checkpoint(config=config, tokens=Tokens(PIECES), heads=("ctc",), languages=("en", "de"), parameters=parameters)
