"""A model made to know a speaker or a place better, from a few minutes of speech; kept only where nothing got worse."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch

from inference.engines.conformer_ctc.network import ConformerCtc
from inference.training.corpus import Item, read_corpus
from inference.training.errors import TrainingError, WorseModelError
from inference.training.export import export_network, read_network
from inference.training.hearing import Ear, answers
from inference.training.judging import Trial, Verdict, trials_of, verdicts
from inference.training.recipe import Recipe
from inference.training.runs import batch_maker
from inference.training.trainer import Trainer

logger = logging.getLogger(__name__)

MIN_ITEMS: Final = 10
HELD_OUT_SHARE: Final = 5
"""Every fifth utterance of the user is not trained on where none is marked as `dev`."""
NEW_SHARE: Final = 0.6
"""How much of what is heard is new; the rest is of the old corpora, so that they are not forgotten."""
LOG_STEPS: Final = 50


@dataclass(frozen=True, slots=True)
class Material:
    """new, old: what is trained on; new_trials, old_trials: what decides whether the result is kept."""

    new: tuple[Item, ...]
    old: tuple[Item, ...]
    new_trials: tuple[Trial, ...]
    old_trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """max_loss: by how much an old domain's error may rise, 0.01 for one word in a hundred."""

    max_loss: float = 0.01

    def check(self, before: Sequence[Verdict], after: Sequence[Verdict], new_domains: set[str]) -> None:
        """Raises WorseModelError: the new domains got no better, or an old one worse than is allowed."""
        for was, now in zip(before, after, strict=True):
            if was.domain in new_domains and now.rate > was.rate:
                raise WorseModelError(f"{_change(was, now)}: the new speech is understood less well than before. {ADVICE}")
            if was.domain not in new_domains and now.rate > was.rate + self.max_loss:
                raise WorseModelError(f"{_change(was, now)}: more than the {self.max_loss:.1%} that it may lose. {ADVICE}")


@dataclass(frozen=True, slots=True)
class Adaptation:
    """noise: a folder of recordings to mix in; None: simulated only."""

    num_steps: int = 300
    seed: int = 1
    noise: Path | None = None
    guard: Guard = field(default_factory=Guard)


ADVICE: Final = "Nothing was written. Check the texts, give more speech or fewer --steps, and name the old corpora with --old."


def _change(was: Verdict, now: Verdict) -> str:
    return f"On {was.domain} the word error went from {was.rate:.1%} to {now.rate:.1%}"


def material(new: Sequence[Path], old: Sequence[Path], max_old_trials: int) -> Material:
    """Raises TrainingError: there is too little of the user's speech to train on some and judge by the rest."""
    mine = [item for folder in new for item in read_corpus(folder)]
    if len(mine) < MIN_ITEMS:
        raise TrainingError(f"{len(mine)} utterances are too few to learn from some and judge by others; expected {MIN_ITEMS}.")
    if not any(item.is_held_out for item in mine):
        mine = [replace(item, is_held_out=place % HELD_OUT_SHARE == HELD_OUT_SHARE - 1) for place, item in enumerate(mine)]
    if all(item.is_held_out for item in mine):
        raise TrainingError(f'All {len(mine)} utterances are "set": "dev"; expected some to learn from, with "set": "train".')
    known = [item for folder in old for item in read_corpus(folder)]
    return Material(
        new=tuple(item for item in mine if not item.is_held_out),
        old=tuple(item for item in known if not item.is_held_out),
        new_trials=tuple(trials_of([item for item in mine if item.is_held_out])),
        old_trials=tuple(trials_of([item for item in known if item.is_held_out], max_old_trials)),
    )


def recipe_for(network: ConformerCtc, stuff: Material, adaptation: Adaptation) -> Recipe:
    """Small steps, no warm start; new speech and old in fixed shares."""
    new, old = {item.corpus for item in stuff.new}, {item.corpus for item in stuff.old}
    shares = {name: NEW_SHARE / len(new) for name in new} | {name: (1 - NEW_SHARE) / len(old) for name in old - new}
    return Recipe(
        encoder=network.config,
        seed=adaptation.seed,
        num_steps=adaptation.num_steps,
        lead_steps=0,
        warm_steps=0,
        fade_steps=0,
        calm_steps=0,
        peak_rate=2e-4,
        ramp_steps=20,
        average_decay=0.98,
        early_layer=max(1, network.config.num_layers // 2),
        shares=shares,
    )


def finetune(network: ConformerCtc, stuff: Material, adaptation: Adaptation) -> ConformerCtc:
    """The average of the weights after learning; `network` is changed too."""
    torch.set_num_threads(1)
    recipe = recipe_for(network, stuff, adaptation)
    trainer = Trainer(recipe, network)
    maker = batch_maker(recipe, [*stuff.new, *stuff.old], adaptation.noise, {})
    for step in range(recipe.num_steps):
        losses = trainer.learn(maker.make(step))
        if (step + 1) % LOG_STEPS == 0:
            logger.info("step %d/%d ctc %.3f", step + 1, recipe.num_steps, float(losses.ctc))
    return trainer.average.eval()


def judged(network: ConformerCtc, stuff: Material) -> list[Verdict]:
    """Greedy, as streams hear it: of each domain, new ones and old ones."""
    trials = [*stuff.new_trials, *stuff.old_trials]
    with TemporaryDirectory() as draft:
        export_network(network, Path(draft), "fp32")
        ear = Ear(Path(draft))
        return verdicts(answers(trials, [ear.log_probs(trial.audio) for trial in trials], ear, None))


def finetune_guarded(model: Path, stuff: Material, adaptation: Adaptation) -> tuple[ConformerCtc, list[Verdict], list[Verdict]]:
    """The better network, and what it was before and is after.

    Raises:
        WorseModelError: it is none.
    """
    network = read_network(model, Recipe().dropout)
    before = judged(network, stuff)
    better = finetune(network, stuff, adaptation)
    after = judged(better, stuff)
    adaptation.guard.check(before, after, {trial.domain for trial in stuff.new_trials})
    return better, before, after
