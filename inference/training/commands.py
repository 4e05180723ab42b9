"""The commands of `python -m inference.training`: what each takes, and whom it calls."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from inference.engines.arithmetic import BY_NAME, FP32, INT8
from inference.engines.conformer_ctc.weights.own import CONFIG
from inference.training import grammar
from inference.training.aligning import read_timings, save_timings, word_times
from inference.training.card import open_card, write_results
from inference.training.errors import TrainingError
from inference.training.export import export_network, num_bytes
from inference.training.finetuning import Adaptation, Guard, finetune_guarded, material
from inference.training.grammar import mixture
from inference.training.hearing import Ear, answers, read_language_model
from inference.training.judging import Answer, Verdict, held_out_trials, verdicts
from inference.training.language import build_language_model, build_one_form
from inference.training.recipe import FROM_WEIGHTS, Recipe, read_recipe
from inference.training.runs import (
    CHECKPOINT,
    RECIPE,
    Pace,
    Places,
    averaged_network,
    batch_maker,
    carry_on,
    network_at,
    read_checkpoint,
    recipe_of_run,
    start,
    training_items,
)
from inference.training.synthesis import synthesise

FORMS: Final = ("int8", "fp16", "fp32")
PRECISIONS: Final = ("fp32", "bf16", "int8")
GREEDY: Final = "greedy"
WITH_LM: Final = "with its language model"


def parser() -> ArgumentParser:
    root = ArgumentParser(prog="python -m inference.training", description="Train, judge, adapt and export streaming Conformers.")
    commands = root.add_subparsers(required=True, metavar="train|evaluate|export|finetune|align|language|synthesise")
    _add_train(commands.add_parser("train", help="train a streaming Conformer with CTC, or go on with a training"))
    _add_evaluate(commands.add_parser("evaluate", help="word error on held-out speakers, as streams hear them"))
    _add_export(commands.add_parser("export", help="make a model for the server of a training, as far as it has come"))
    _add_finetune(commands.add_parser("finetune", help="adapt a model to a few minutes of speech, if it gets better by it"))
    _add_align(commands.add_parser("align", help="find the times of words with a trained model, for splicing"))
    _add_language(commands.add_parser("language", help="build the language model of conformer-edge"))
    _add_synthesise(commands.add_parser("synthesise", help="let espeak-ng and flite say sentences of the domains"))
    return root


def _add_train(command: ArgumentParser) -> None:
    command.set_defaults(run_command=train_command)
    command.add_argument("run", type=Path, help="folder of the training; where one lies in it, it is continued")
    _add_data(command)
    command.add_argument("--weights", type=Path, help="exported model to begin a new training with, in place of random weights")
    command.add_argument("--recipe", type=Path, help="JSON with what is to differ from the built-in recipe")
    command.add_argument("--steps", type=int, help="of the whole training; a continued one takes them as its new end")
    command.add_argument("--seed", type=int)
    command.add_argument("--timings", type=Path, action="append", default=[], help="times of words that `align` has written")
    command.add_argument("--here", action="store_true", help="make batches in this process, not in one of their own")


def _add_data(command: ArgumentParser) -> None:
    command.add_argument("--data", type=Path, action="append", required=True, help="folder with manifest.jsonl; may be repeated")
    command.add_argument("--noise", type=Path, help="folder of FLAC recordings of noise, and of rooms (rir-*.flac)")


def train_command(options: Namespace) -> None:
    built_in = Recipe() if options.weights is None else FROM_WEIGHTS
    recipe = read_recipe(options.recipe, built_in) if options.recipe else recipe_of_run(options.run, built_in)
    changes = {"num_steps": options.steps, "seed": options.seed}
    recipe = replace(recipe, **{name: value for name, value in changes.items() if value is not None})
    places = Places(options.run, tuple(options.data), options.noise)
    items = training_items(places.corpora)
    trainer = start(places, recipe, options.weights)
    maker = batch_maker(trainer.recipe, items, places.noise, read_timings(options.timings))
    carry_on(trainer, maker, places, Pace(num_processes=0 if options.here else 1))


def _add_evaluate(command: ArgumentParser) -> None:
    command.set_defaults(run_command=evaluate_command)
    command.add_argument("model", type=Path, help="an exported model, or the folder of a training")
    command.add_argument("--data", type=Path, action="append", required=True, help="folder with manifest.jsonl; may be repeated")
    command.add_argument("--lm", type=Path, help="folder of a language model to decode with, beside decoding without")
    command.add_argument("--precision", choices=PRECISIONS, default=FP32.name)
    command.add_argument("--chunk-ms", type=float, default=200.0, help="look-ahead; the model's nearest is taken")
    command.add_argument("--limit", type=int, help="at most so many utterances of each domain")
    command.add_argument("--answers", type=Path, help="JSON lines to write every answer to")


def evaluate_command(options: Namespace) -> None:
    if (options.model / RECIPE).exists():
        with TemporaryDirectory() as draft:
            export_network(averaged_network(options.model)[1], Path(draft), "fp32")
            _evaluate(Path(draft), options)
    else:
        _evaluate(options.model, options)


def _evaluate(folder: Path, options: Namespace) -> list[tuple[str, Verdict]]:
    """Greedy and, where there is a language model, with it: prints and gives the verdicts."""
    trials = held_out_trials(options.data, options.limit)
    if not trials:
        raise TrainingError('No utterance has "set": "dev"; expected held-out speakers to judge by.')
    ear = Ear(folder, BY_NAME[options.precision], options.chunk_ms)
    heard = [ear.log_probs(trial.audio) for trial in trials]
    decodings = {GREEDY: None} | ({WITH_LM: read_language_model(options.lm)} if options.lm else {})
    results = []
    for name, lm in decodings.items():
        given = answers(trials, heard, ear, lm)
        results += [(name, verdict) for verdict in verdicts(given)]
        _keep_answers(name, given, options.answers)
    for name, verdict in results:
        _say(f"{name:<24} {verdict.line()}")
    return results


def _keep_answers(name: str, given: Sequence[Answer], path: Path | None) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"decoding": name, **asdict(answer)}) + "\n" for answer in given)


def _add_export(command: ArgumentParser) -> None:
    command.set_defaults(run_command=export_command, limit=None, answers=None, chunk_ms=200.0)
    command.add_argument("run", type=Path, help="folder of the training")
    command.add_argument("model", type=Path, help="folder of the model, made or written over")
    command.add_argument("--form", choices=FORMS, default="int8")
    command.add_argument("--lm", type=Path, help="folder of the language model that goes with it")
    command.add_argument(
        "--data", type=Path, action="append", help="judge it by these, and write the table into its MODEL_CARD.md"
    )
    command.add_argument("--precision", choices=PRECISIONS, default=INT8.name, help="to judge in")


def export_command(options: Namespace) -> None:
    _, network = averaged_network(options.run)
    export_network(network, options.model, options.form, options.lm)
    _say(f"{options.model}: {num_bytes(options.model) / 1e6:.1f} MB.")
    if options.data:
        open_card(options.model)
        results = _evaluate(options.model, options)
        write_results(options.model, results, read_checkpoint(options.run / CHECKPOINT)["step"])


def _add_finetune(command: ArgumentParser) -> None:
    command.set_defaults(run_command=finetune_command)
    command.add_argument("model", type=Path, help="an exported model to begin with")
    command.add_argument("better", type=Path, help="folder for the adapted model; written only where it is better")
    _add_data(command)
    command.add_argument("--old", type=Path, action="append", default=[], help="corpora that must not be forgotten")
    command.add_argument("--steps", type=int, default=300)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--may-lose", type=float, default=1.0, help="points of word error that an old domain may lose")
    command.add_argument("--old-limit", type=int, default=60, help="utterances of each old domain to judge by")
    command.add_argument("--form", choices=FORMS, default="int8")


def finetune_command(options: Namespace) -> None:
    stuff = material(options.data, options.old, options.old_limit)
    adaptation = Adaptation(options.steps, options.seed, options.noise, Guard(options.may_lose / 100))
    better, before, after = finetune_guarded(options.model, stuff, adaptation)
    for was, now in zip(before, after, strict=True):
        _say(f"before {was.line()}\nafter  {now.line()}")
    lm_folder = options.model / "lm"
    export_network(better, options.better, options.form, lm_folder if lm_folder.is_dir() else None)
    _say(f"{options.better / CONFIG} is written.")


def _add_align(command: ArgumentParser) -> None:
    command.set_defaults(run_command=align_command)
    command.add_argument("model", type=Path, help="folder of a training, or an exported model")
    command.add_argument("timings", type=Path, help="file for the times, written over")
    command.add_argument("--data", type=Path, action="append", required=True, help="whose training sentences are aligned")


def align_command(options: Namespace) -> None:
    items = training_items(options.data)
    timings = word_times(network_at(options.model), items)
    save_timings(timings, options.timings)
    _say(f"{options.timings}: {len(timings)} of {len(items)} utterances.")


def _add_language(command: ArgumentParser) -> None:
    command.set_defaults(run_command=language_command)
    command.add_argument("lm", type=Path, help="folder of the language model, made or written over")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, action="append", help="whose training texts are taken")
    source.add_argument("--form", choices=sorted(grammar.FORMS), help="made-up sentences of this form alone")


def language_command(options: Namespace) -> None:
    if options.form:
        settings = build_one_form(options.lm, options.form)
    else:
        settings = build_language_model(options.lm, training_items(options.data))
    _say(f"{options.lm}: {settings.num_words} words, order {settings.order}, {num_bytes(options.lm) / 1e6:.1f} MB.")


def _add_synthesise(command: ArgumentParser) -> None:
    command.set_defaults(run_command=synthesise_command)
    command.add_argument("corpus", type=Path, help="folder of the corpus, made or written over")
    command.add_argument("--sentences", type=int, default=1800)
    command.add_argument("--seed", type=int, default=7)


def synthesise_command(options: Namespace) -> None:
    synthesise(mixture(options.sentences, options.seed), options.corpus, options.seed)


def _say(line: str) -> None:
    print(line)  # noqa: T201  # what the command was asked for
