"""`manage.py lm`: language models: build one from texts, list them, see how well one knows a text."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.config import MODEL_NAME
from inference.decoding.artefact import NO_LANGUAGE_MODEL, LmFiles
from inference.decoding.building.build import ARPA_FILE, MAX_ORDER, Recipe, build
from inference.decoding.building.texts import WRITINGS, read_lines
from inference.decoding.language_model import Fit, LanguageModel
from inference.decoding.lms import LanguageModels
from inference.decoding.ngrams.compiled import keep_compiled
from inference.errors import InferenceError

DEFAULTS: Final = Recipe()
MAX_SURPRISES: Final = 10


def name(text: str) -> str:
    if not MODEL_NAME.fullmatch(text) or text == NO_LANGUAGE_MODEL:
        raise ArgumentTypeError(
            f"{text!r} cannot be a name; expected at most 100 letters, digits, dots, dashes and underscores, and not "
            f"{NO_LANGUAGE_MODEL!r}, which stands for none"
        )
    return text


class Command(BaseCommand):
    help = "Build language models from texts, list them, and see how well one knows a text."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="those in HARK_LM_DIR")
        add_build(verbs.add_parser("build", help="n-grams and a lexicon from texts; streams that use it go on with the new one"))
        check = verbs.add_parser("check", help="how well it knows a text: perplexity, and words that it lacks")
        check.add_argument("name", help="as `list` calls it")
        check.add_argument("texts", nargs="+", type=Path, metavar="TEXT", help="a file in UTF-8, a sentence a line")
        check.add_argument("--writing", choices=WRITINGS, default="lower", help="as it was built with")

    def handle(self, *_args: Any, **options: Any) -> None:
        models = LanguageModels(Path(settings.HARK_LM_DIR))
        try:
            match options["verb"]:
                case "list":
                    self.list_all(models)
                case "build":
                    self.build(Path(settings.HARK_LM_DIR), options)
                case _:
                    self.check_texts(models.get(options["name"]), options)
        except InferenceError as err:
            raise CommandError(err.message) from err
        except OSError as err:
            raise CommandError(f"{err.filename or settings.HARK_LM_DIR}: {err.strerror}.") from err

    def list_all(self, models: LanguageModels) -> None:
        for one in models.names():
            try:
                self.stdout.write(described(LmFiles.in_folder(Path(settings.HARK_LM_DIR, one))))
            except InferenceError as err:
                self.stdout.write(f"{one}  unusable: {err.message}")

    def build(self, folder: Path, options: dict[str, Any]) -> None:
        """Beside what is there, which is used until the new one takes its place."""
        texts = [(path.name, read_lines(path, options["writing"])) for path in options["texts"]]
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".building-") as beside:
            build(Path(beside, "new"), texts, recipe_of(options))
            keep_compiled(Path(beside, "new", ARPA_FILE))
            if (folder / options["name"]).exists():
                (folder / options["name"]).rename(Path(beside, "old"))
            Path(beside, "new").rename(folder / options["name"])
        self.stdout.write(described(LmFiles.in_folder(folder / options["name"])))

    def check_texts(self, model: LanguageModel, options: dict[str, Any]) -> None:
        for path in options["texts"]:
            lines = list(read_lines(path, options["writing"]))
            missing = dict.fromkeys(word for line in lines for word in line if word not in model.numbers)
            self.stdout.write(f"{path.name}: {fitted(model.perplexity(lines))}")
            if missing:
                shown = ", ".join(list(missing)[:MAX_SURPRISES]) + (", \u2026" if len(missing) > MAX_SURPRISES else "")
                self.stdout.write(f"  words that it lacks: {shown}")


def add_build(parser: ArgumentParser) -> None:
    parser.add_argument("name", type=name)
    parser.add_argument("texts", nargs="+", type=Path, metavar="TEXT", help="a file in UTF-8, a sentence a line")
    parser.add_argument("--order", type=int, default=DEFAULTS.order, help=f"words of the longest n-gram, 1 to {MAX_ORDER}")
    parser.add_argument(
        "--writing", choices=WRITINGS, default="lower", help="how the model writes: in lower case (default), \u2026"
    )
    parser.add_argument("--open", action="store_true", help="other words than those of the texts may be said too; slower")
    parser.add_argument("--words", type=Path, action="append", default=[], help="a file of further words that may be said")
    parser.add_argument("--min-count", type=int, default=DEFAULTS.min_count, help="leave out words that occur less often")
    parser.add_argument("--prune-from", type=int, default=0, help="leave out n-grams of so many words that occur once; 0: none")
    parser.add_argument("--lm-weight", type=float, default=DEFAULTS.lm_weight, help="of the n-grams against what is heard")
    parser.add_argument("--word-score", type=float, default=DEFAULTS.word_score, help="what each word adds")
    parser.add_argument("--beam-size", type=int, default=DEFAULTS.beam_size, help="texts that are kept at a time")


def recipe_of(options: dict[str, Any]) -> Recipe:
    extra = [word for path in options["words"] for line in read_lines(path, options["writing"]) for word in line]
    return Recipe(
        order=options["order"],
        min_count=options["min_count"],
        is_closed=not options["open"],
        prune_from=options["prune_from"],
        lm_weight=options["lm_weight"],
        word_score=options["word_score"],
        beam_size=options["beam_size"],
        extra_words=tuple(extra),
    )


def described(files: LmFiles) -> str:
    """One line: name, sizes, what it was built from and when."""
    found = files.settings
    kind = "closed" if found.is_closed else "open"
    built_from = ", ".join(f"{source.name} ({source.num_words} words)" for source in found.built_from) or "unknown texts"
    built = datetime.fromtimestamp(files.changed_ns / 1e9, UTC)
    return f"{files.path.name}  {found.order}-grams of {found.num_words} words, {kind}  {built:%Y-%m-%d %H:%M} UTC  {built_from}"


def fitted(fit: Fit) -> str:
    return f"perplexity {fit.perplexity:.1f}, {fit.num_unknown} of {fit.num_words} unknown (ends of lines count as words)"
