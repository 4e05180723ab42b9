"""The commands of `python -m inference.training`: what each takes, and whom it calls."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from inference.training.recipe import Recipe, read_recipe
from inference.training.runs import Pace, Places, batch_maker, carry_on, start, training_items


def parser() -> ArgumentParser:
    root = ArgumentParser(prog="python -m inference.training", description=__doc__)
    commands = root.add_subparsers(required=True, metavar="train|finetune|evaluate|export")
    _add_train(commands.add_parser("train", help="train a streaming Conformer with CTC, or go on with a training"))
    return root


def _add_train(command: ArgumentParser) -> None:
    command.set_defaults(run_command=train_command)
    command.add_argument("run", type=Path, help="folder of the training; where one lies in it, it is continued")
    command.add_argument("--data", type=Path, action="append", required=True, help="folder with manifest.jsonl; may be repeated")
    command.add_argument("--noise", type=Path, help="folder of FLAC recordings of noise, and of rooms (rir-*.flac)")
    command.add_argument("--recipe", type=Path, help="JSON with what is to differ from the built-in recipe")
    command.add_argument("--steps", type=int, help="of the whole training; a continued one takes them as its new end")
    command.add_argument("--seed", type=int)
    command.add_argument("--here", action="store_true", help="make batches in this process, not in one of their own")


def train_command(options: Namespace) -> None:
    recipe = read_recipe(options.recipe) if options.recipe else Recipe()
    changes = {"num_steps": options.steps, "seed": options.seed}
    recipe = replace(recipe, **{name: value for name, value in changes.items() if value is not None})
    places = Places(options.run, tuple(options.data), options.noise)
    trainer = start(places, recipe)
    maker = batch_maker(trainer.recipe, training_items(places.corpora), places.noise, {})
    carry_on(trainer, maker, places, Pace(num_processes=0 if options.here else 1))
