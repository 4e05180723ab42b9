"""The loop that trains: warm start on frames, then CTC, with an average of the weights beside them. Resumes to the bit."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.engines.conformer_ctc.network import ConformerCtc
from inference.training.batches import IGNORED, Batch, audio_s
from inference.training.characters import CHARACTERS
from inference.training.recipe import Recipe

BLANK: Final = len(CHARACTERS)
MAX_GRADIENT: Final = 1.0
MEL_MEAN: Final = -9.0
MEL_DEVIATION: Final = 4.0
"""About what log-mels of speech have; the first convolution starts as if they were scaled by it."""
MIN_RATE_SHARE: Final = 0.01


@dataclass(slots=True)
class Progress:
    """Sums since the last report."""

    num_steps: int = 0
    loss: float = 0.0
    frame_loss: float = 0.0
    audio_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Losses:
    """total: what is learned from; ctc and frames: its parts, per token and per frame."""

    total: Tensor
    ctc: Tensor
    frames: Tensor


@dataclass(slots=True)
class Trainer:
    recipe: Recipe
    network: ConformerCtc
    average: ConformerCtc = field(init=False)
    optimizer: torch.optim.AdamW = field(init=False)
    step: int = 0

    def __post_init__(self) -> None:
        self.average = ConformerCtc(self.network.config, BLANK)
        self.average.load_state_dict(self.network.state_dict())
        self.average.eval().requires_grad_(False)  # noqa: FBT003
        self.optimizer = torch.optim.AdamW(_groups(self.network, self.recipe.weight_decay), lr=0.0, betas=(0.9, 0.98), fused=True)
        self.network.encoder.pre_encode.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def learn(self, batch: Batch) -> Losses:
        """One step. What is random in it depends on the seed and the step alone."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step)
        losses = self._losses(batch)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self.optimizer.step()
        self.step += 1
        self._follow()
        return losses

    def _losses(self, batch: Batch) -> Losses:
        recipe, encoder = self.recipe, self.network.encoder
        right_frames = _drawn(encoder.config.right_choices, recipe.chunk_shares)
        mel = masked(batch.mel, recipe, recipe.strength(self.step))
        states, num_out = encoder.enter(mel, batch.num_frames)  # in float32: depthwise convolutions are slower in bf16
        with torch.autocast("cpu", torch.bfloat16):
            layers = list(encoder.climb(states, num_out, right_frames))
            log_probs = self.network.ctc_decoder(layers[-1])
            early = self.network.ctc_decoder(layers[recipe.early_layer - 1])
        frame_share = _frame_share(recipe, self.step)
        both = (1 - recipe.early_share, log_probs), (recipe.early_share, early)
        frames = sum((share * _frame_loss(each, batch) for share, each in both), torch.zeros(()))
        ctc = torch.zeros(())
        if frame_share < 1:
            ctc = sum((share * _ctc_loss(each, num_out, batch) for share, each in both), ctc)
        return Losses(frame_share * frames + (1 - frame_share) * ctc, ctc.detach(), frames.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        """Draw the average after the weights; quickly at first, so that it forgets the beginning."""
        decay = min(self.recipe.average_decay, (1 + self.step) / (10 + self.step))
        averages: list[Tensor] = list(self.average.parameters())
        weights: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def state(self) -> dict[str, Any]:
        """All that a resumed training needs beside the recipe."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.step = int(state["step"])
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def new_network(recipe: Recipe) -> ConformerCtc:
    """With random weights of the recipe's seed."""
    torch.manual_seed(recipe.seed)
    network = ConformerCtc(recipe.encoder, BLANK, recipe.dropout)
    stem = network.encoder.pre_encode.conv[0]
    assert isinstance(stem, nn.Conv2d)
    assert stem.bias is not None
    with torch.no_grad():
        stem.weight /= MEL_DEVIATION
        stem.bias -= MEL_MEAN * stem.weight.sum(dim=(1, 2, 3))
    return network


def learning_rate(recipe: Recipe, step: int) -> float:
    """Up in a line, then down as a half cosine, to a hundredth."""
    ramp = min(1.0, (step + 1) / max(recipe.ramp_steps, 1))
    share = min(1.0, step / recipe.num_steps)
    return recipe.peak_rate * ramp * (MIN_RATE_SHARE + (1 - MIN_RATE_SHARE) * 0.5 * (1 + math.cos(math.pi * share)))


def masked(mel: Tensor, recipe: Recipe, strength: float) -> Tensor:
    """With stretches of time and bands of frequency at the mean of all. Source: Park et al. 2019, "SpecAugment"."""
    mel = mel.clone()
    rows, num_frames, num_mels = mel.shape
    for row in range(rows):
        for _ in range(recipe.num_time_masks):
            _blot(mel[row], 0, int(strength * recipe.max_time_mask), num_frames)
        for _ in range(recipe.num_band_masks):
            _blot(mel[row], 1, int(strength * recipe.max_band_mask), num_mels)
    return mel


def _blot(mel: Tensor, axis: int, max_width: int, length: int) -> None:
    width = int(torch.randint(0, max_width + 1, ()))
    start = int(torch.randint(0, max(length - width, 1), ()))
    mel.narrow(axis, start, min(width, length - start)).fill_(MEL_MEAN)


def _drawn(choices: tuple[int, ...], shares: tuple[float, ...]) -> int:
    return choices[int(torch.multinomial(torch.tensor(shares[: len(choices)], dtype=torch.float32), 1))]


def _frame_share(recipe: Recipe, step: int) -> float:
    """How much of the loss is frame by frame: all at first, then fading."""
    if step < recipe.warm_steps:
        return 1.0
    return max(0.0, 1 - (step - recipe.warm_steps) / recipe.fade_steps) if recipe.fade_steps else 0.0


def _frame_loss(log_probs: Tensor, batch: Batch) -> Tensor:
    return functional.nll_loss(log_probs.flatten(0, 1), batch.frame_targets.flatten(), ignore_index=IGNORED)


def _ctc_loss(log_probs: Tensor, num_out: Tensor, batch: Batch) -> Tensor:
    """Per token."""
    total = functional.ctc_loss(
        log_probs.transpose(0, 1), batch.targets, num_out, batch.num_targets, blank=BLANK, reduction="sum", zero_infinity=True
    )
    return total / batch.num_targets.sum()


def _groups(network: ConformerCtc, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay, biases and norms do not."""
    matrices = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    rest = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def train(trainer: Trainer, batches: Iterable[Batch]) -> Iterable[Progress]:
    """Learn from each batch; says after each what it came to."""
    for batch in batches:
        losses = trainer.learn(batch)
        yield Progress(1, float(losses.ctc), float(losses.frames), audio_s(batch))
