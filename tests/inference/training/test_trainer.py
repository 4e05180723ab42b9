"""The loop on a toy language: it learns, and neither a stop nor another start changes what comes out."""

import logging
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from inference.training.batches import BatchMaker, batches
from inference.training.commands import parser
from inference.training.errors import TrainingError
from inference.training.export import export_network
from inference.training.recipe import FROM_WEIGHTS, Recipe, read_recipe
from inference.training.runs import (
    CHECKPOINT,
    RECIPE,
    Pace,
    Places,
    averaged_network,
    batch_maker,
    carry_on,
    read_checkpoint,
    start,
    training_items,
    write_checkpoint,
)
from inference.training.trainer import Trainer, learning_rate, masked, new_network
from tests.inference.training.toys import TINY, Learnt, tiny_recipe, word_corpus


def maker_for(recipe: Recipe, corpus: Path) -> BatchMaker:
    return batch_maker(recipe, training_items([corpus]), None, {})


def same_weights(first: Trainer, second: Trainer) -> bool:
    pairs = zip(first.network.parameters(), second.network.parameters(), strict=True)
    averages = zip(first.average.parameters(), second.average.parameters(), strict=True)
    return all(torch.equal(one, other) for one, other in [*pairs, *averages])


def learnt(recipe: Recipe, corpus: Path, num_steps: int) -> Trainer:
    trainer, maker = Trainer(recipe, new_network(recipe)), maker_for(recipe, corpus)
    for step in range(num_steps):
        trainer.learn(maker.make(step))
    return trainer


def test_a_toy_language_is_learnt_within_seconds(learnt: Learnt) -> None:
    assert learnt.first.frames > 2.0
    assert learnt.warm.frames < 0.5
    assert learnt.last.ctc < 0.4


def test_a_training_that_was_stopped_goes_on_to_the_bit_as_if_it_had_not(tmp_path: Path) -> None:
    recipe, corpus = tiny_recipe(num_steps=6, is_augmented=True, num_time_masks=1, dropout=0.1), word_corpus(tmp_path / "words")
    unbroken = learnt(recipe, corpus, 6)
    places = Places(tmp_path / "run", (corpus,))
    first = start(places, recipe)
    maker = maker_for(recipe, corpus)
    for step in range(3):
        first.learn(maker.make(step))
    write_checkpoint(first, places.run / CHECKPOINT)

    resumed = start(places, recipe)
    carry_on(resumed, maker_for(recipe, corpus), places, Pace(num_processes=0))

    assert resumed.step == 6
    assert same_weights(resumed, unbroken)
    assert read_checkpoint(places.run / CHECKPOINT)["step"] == 6
    exported, average = averaged_network(places.run)[1].state_dict(), unbroken.average.state_dict()
    assert all(torch.equal(exported[name], tensor) for name, tensor in average.items())


def test_a_training_that_goes_on_keeps_its_recipe_unless_it_is_given_another(tmp_path: Path) -> None:
    run, first = tmp_path / "run", tmp_path / "first.json"
    tiny_recipe(batch_s=2.0).save(first)
    command = ["train", str(run), "--data", str(word_corpus(tmp_path)), "--here"]

    for more in (["--recipe", str(first), "--steps", "1"], ["--steps", "2"]):
        options = parser().parse_args([*command, *more])
        options.run_command(options)

    assert read_checkpoint(run / CHECKPOINT)["step"] == 2
    assert read_recipe(run / RECIPE) == tiny_recipe(batch_s=2.0, num_steps=2)


def test_a_training_begins_with_a_model_and_goes_on_where_it_was(
    tmp_path: Path, learnt: Learnt, caplog: pytest.LogCaptureFixture
) -> None:
    run, model, recipe, corpus = (tmp_path / name for name in ("run", "model", "recipe.json", "words"))
    export_network(learnt.network, model, "fp32")
    recipe.write_text('{"early_layer": 1, "batch_s": 2.0}')
    command = ["train", str(run), "--weights", str(model), "--recipe", str(recipe), "--data", str(word_corpus(corpus)), "--here"]

    for num_steps in (1, 2):
        with caplog.at_level(logging.INFO):
            options = parser().parse_args([*command, "--steps", str(num_steps)])
            options.run_command(options)

    begun, now = learnt.network.state_dict(), read_checkpoint(run / CHECKPOINT)
    assert now["step"] == 2
    assert 0 < max(float((tensor - begun[name]).abs().max()) for name, tensor in now["network"].items()) < 0.001
    assert read_recipe(run / RECIPE) == replace(FROM_WEIGHTS, encoder=TINY, early_layer=1, batch_s=2.0, num_steps=2)
    assert f"resumed at step 1, not begun again with {model}" in caplog.text


def test_a_loss_half_way_up_needs_a_layer_to_be_taken_from() -> None:
    with pytest.raises(TrainingError, match="early_layer is 3; expected 1 to 2, the layers of the network"):
        tiny_recipe(early_layer=3)


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    corpus = word_corpus(tmp_path)
    recipe = tiny_recipe(is_augmented=True)

    assert same_weights(learnt(recipe, corpus, 2), learnt(recipe, corpus, 2))
    assert not same_weights(learnt(recipe, corpus, 2), learnt(tiny_recipe(is_augmented=True, seed=2), corpus, 2))


def test_batches_made_in_another_process_are_the_same(tmp_path: Path) -> None:
    maker = maker_for(tiny_recipe(is_augmented=True), word_corpus(tmp_path))

    aside = next(iter(islice(batches(maker, 5, 7, num_processes=1), 1)))

    assert aside.step == 5
    assert torch.equal(aside.mel, maker.make(5).mel)
    assert torch.equal(aside.targets, maker.make(5).targets)


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine() -> None:
    recipe = tiny_recipe(num_steps=1000, ramp_steps=10, peak_rate=1.0)

    assert learning_rate(recipe, 0) == pytest.approx(0.1)
    assert learning_rate(recipe, 500) == pytest.approx(0.505, abs=1e-3)
    assert learning_rate(recipe, 1000) == pytest.approx(0.01)


def test_masks_blot_out_no_more_than_their_widths() -> None:
    torch.manual_seed(3)
    recipe = tiny_recipe(num_time_masks=1, max_time_mask=7, num_band_masks=0)

    blotted = (masked(torch.zeros(2, 50, 40), recipe, 1.0) != 0).any(dim=2).sum(dim=1)

    assert 0 < int(blotted.max()) <= 7
    assert not bool(masked(torch.zeros(2, 50, 40), recipe, 0.0).any())
