"""A training on disk: a folder with its recipe, its last checkpoint and nothing else that matters. Started, stopped, resumed."""

import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch

from inference.engines.conformer_ctc.network import ConformerCtc
from inference.training.augmentation import AugmentationOptions, Augmenter, read_backgrounds
from inference.training.batches import BatchMaker, batches
from inference.training.corpus import AudioShelf, Item, read_corpus
from inference.training.errors import TrainingError
from inference.training.export import read_network
from inference.training.recipe import Recipe, read_recipe
from inference.training.timing import Timings
from inference.training.trainer import BLANK, Progress, Trainer, new_network, train
from inference.training.utterances import Library, Speaker

logger = logging.getLogger(__name__)

RECIPE: Final = "recipe.json"
CHECKPOINT: Final = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Places:
    """run: the folder of the training. corpora: folders with manifests. noise: recordings to mix in; None: simulated only."""

    run: Path
    corpora: tuple[Path, ...]
    noise: Path | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """log_steps: between two lines of progress. checkpoint_s: between two checkpoints. num_processes: 1 makes batches aside."""

    log_steps: int = 100
    checkpoint_s: float = 180.0
    num_processes: int = 1


def training_items(corpora: Sequence[Path]) -> list[Item]:
    """What may be heard: nothing of held-out speakers.

    Raises:
        TrainingError: nothing is left, or a speaker stands on both sides.
    """
    items = [item for folder in corpora for item in read_corpus(folder)]
    held_out = {item.speaker for item in items if item.is_held_out}
    heard = [item for item in items if not item.is_held_out]
    both = sorted(held_out & {item.speaker for item in heard})
    if not heard or both:
        raise TrainingError(f"{len(heard)} utterances to train on; on both sides stand {both}: expected none of those, and some.")
    return heard


def batch_maker(recipe: Recipe, items: Sequence[Item], noise: Path | None, timings: Timings) -> BatchMaker:
    augmenter = Augmenter(AugmentationOptions(), read_backgrounds(noise))
    library = Library(items, recipe.spliced, timings, recipe.strings)
    return BatchMaker(library, Speaker(AudioShelf(), timings), augmenter, BLANK, recipe)


def recipe_of_run(run: Path, built_in: Recipe) -> Recipe:
    """That of the training which lies in the folder; the built-in one where none does."""
    return read_recipe(run / RECIPE) if (run / RECIPE).exists() else built_in


def start(places: Places, recipe: Recipe, weights: Path | None = None) -> Trainer:
    """A new training, or the one that lies in the folder, continued by `recipe`; network and seed stay.

    Args:
        weights: folder of a model to begin a new training with, of whose network it will be; None: random ones.
    """
    places.run.mkdir(parents=True, exist_ok=True)
    checkpoint = places.run / CHECKPOINT
    if not checkpoint.exists():
        network = new_network(recipe) if weights is None else read_network(weights, recipe.dropout)
        recipe = replace(recipe, encoder=network.config)
        recipe.save(places.run / RECIPE)
        return Trainer(recipe, network)
    before = read_recipe(places.run / RECIPE)
    recipe = replace(recipe, encoder=before.encoder, seed=before.seed)
    recipe.save(places.run / RECIPE)
    trainer = Trainer(recipe, new_network(recipe))
    trainer.load_state(read_checkpoint(checkpoint))
    logger.info("resumed at step %d%s", trainer.step, "" if weights is None else f", not begun again with {weights}")
    return trainer


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Raises TrainingError: there is none, or it is damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError) as err:
        raise TrainingError(f"{path} cannot be read as a checkpoint: {err}. Train first.") from err
    return state


def write_checkpoint(trainer: Trainer, path: Path) -> None:
    """In one go: whoever reads meanwhile, or a stop halfway, finds the one before."""
    draft = path.with_suffix(".draft")
    torch.save(trainer.state(), draft)
    os.replace(draft, path)


def averaged_network(run: Path) -> tuple[Recipe, ConformerCtc]:
    """The average of the weights of a training, as far as it has come; what is judged and exported."""
    recipe = read_recipe(run / RECIPE)
    network = ConformerCtc(recipe.encoder, BLANK)
    network.load_state_dict(read_checkpoint(run / CHECKPOINT)["average"])
    return recipe, network.eval()


def network_at(folder: Path) -> ConformerCtc:
    """Of a training or of an exported model, whichever lies there."""
    return averaged_network(folder)[1] if (folder / RECIPE).exists() else read_network(folder, dropout=0.0).eval()


def carry_on(trainer: Trainer, maker: BatchMaker, places: Places, pace: Pace) -> None:
    """Train to the end of the recipe, with a line of progress and a checkpoint from time to time; SIGTERM and Ctrl-C stop it
    after the step that is under way, with a checkpoint."""
    torch.set_num_threads(1)
    path, saved_at = places.run / CHECKPOINT, time.monotonic()
    report, wish = Report(trainer), StopWish()
    for progress in train(trainer, batches(maker, trainer.step, trainer.recipe.num_steps, pace.num_processes)):
        report.add(progress)
        if trainer.step % pace.log_steps == 0:
            logger.info("%s", report.line())
        if time.monotonic() - saved_at > pace.checkpoint_s:
            write_checkpoint(trainer, path)
            saved_at = time.monotonic()
        if wish.is_made:
            break
    write_checkpoint(trainer, path)
    logger.info("%s holds step %d", path, trainer.step)


class StopWish:
    """Whether somebody asked this process to stop."""

    def __init__(self) -> None:
        self.is_made = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._make)

    def _make(self, _number: int, _frame: FrameType | None) -> None:
        self.is_made = True


class Report:
    """Lines of progress: means since the line before."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._sum, self._begun_s = Progress(), time.monotonic()

    def add(self, progress: Progress) -> None:
        self._sum.num_steps += progress.num_steps
        self._sum.loss += progress.loss
        self._sum.frame_loss += progress.frame_loss
        self._sum.audio_s += progress.audio_s

    def line(self) -> str:
        total, took_s = self._sum, time.monotonic() - self._begun_s
        rate = self._trainer.optimizer.param_groups[0]["lr"]
        self._sum, self._begun_s = Progress(), time.monotonic()
        return (
            f"step {self._trainer.step}/{self._trainer.recipe.num_steps} ctc {total.loss / total.num_steps:.3f} "
            f"frames {total.frame_loss / total.num_steps:.3f} rate {rate:.2e} "
            f"{took_s / total.num_steps * 1000:.0f} ms a step, {total.audio_s / took_s:.0f}x real time"
        )
