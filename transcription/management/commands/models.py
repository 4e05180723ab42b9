"""`manage.py models`: the catalogue of models, what the inference processes run, and what each model costs on this machine.

torch is not loaded here: `bench` runs `python -m inference.bench`, whose output it shows; `import`, `pull` and `verify` run
`python -m inference.examine`.
"""

import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.bench.options import PRECISIONS, add_options, as_arguments
from inference.config import Head, InferenceConfig
from inference.errors import ConfigError
from inference.messages import ModelInfo, WorkerStatus
from inference.tuning import choices, this_machine
from transcription import recognizer
from transcription.catalogue import downloads, entries, figures, sources, table
from transcription.catalogue.entries import Candidate, Outcome
from transcription.catalogue.errors import CatalogueError
from transcription.catalogue.published import PUBLISHED, published
from transcription.models import ASRModel


class Command(BaseCommand):
    help = "The catalogue of models: show, take in, fetch, measure, check again and take out."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        subcommands = parser.add_subparsers(dest="subcommand", required=True)
        subcommands.add_parser("list", help="what each inference process runs, and the catalogue")
        importing = subcommands.add_parser("import", help="take in a model that lies on this machine")
        importing.add_argument("path", type=Path, help="a .pt or .nemo file, or a folder with a model")
        importing.add_argument("--in-place", action="store_true", help="leave the files where they are")
        add_facts(importing)
        pulling = subcommands.add_parser("pull", help="fetch a model from where there is internet, and take it in")
        pulling.add_argument(
            "source",
            nargs="?",
            help="hub:owner/name, hub:owner/name@revision, the address of a .pt or .nemo file or of a folder, or a name of those "
            "that are listed when none is given",
        )
        add_facts(pulling)
        bench = subcommands.add_parser("bench", help="measure models in each precision; pick, or record in the catalogue")
        bench.add_argument("names", nargs="*", metavar="name", help="models of the catalogue, to record what is measured there")
        bench.add_argument(
            "--variants", type=precisions, default=(), help="precisions to make models of, if they are good enough"
        )
        add_options(bench)
        verifying = subcommands.add_parser("verify", help="whether files are what they were, and can be loaded")
        verifying.add_argument("names", nargs="*", metavar="name", help="default: all models of the catalogue")
        describing = subcommands.add_parser("describe", help="write down where a model is from and under which licence")
        describing.add_argument("name")
        describing.add_argument("--licence", help="such as MIT or Apache-2.0")
        describing.add_argument("--origin", help="where it came from")
        removing = subcommands.add_parser("remove", help="take a model out; refused while it is in use")
        removing.add_argument("name")
        removing.add_argument("--with-variants", action="store_true", help="and all its variants")

    def handle(self, *_args: Any, **options: Any) -> None:
        step = {"import": self.take_in}.get(options["subcommand"]) or getattr(self, options["subcommand"])
        try:
            step(options)
        except CatalogueError as err:
            raise CommandError(err.message) from err

    def list(self, _options: dict[str, Any]) -> None:
        statuses = async_to_sync(recognizer.each_status)()
        for number, status in enumerate(statuses):
            self.stdout.write(f"inference-{number}: {described(status)}")
        if not any(status.is_ready for status in statuses):
            self.show_configured()
        self.stdout.write("Catalogue:")
        for line in table.lines(ASRModel.objects.all()):
            self.stdout.write(f"  {line}")

    def show_configured(self) -> None:
        try:
            config = InferenceConfig.from_env(listens=False)
            configured = choices(config, this_machine(config.device))
        except ConfigError as err:
            raise CommandError(str(err)) from err
        self.stdout.write("Configured:")
        for choice in configured:
            self.stdout.write(f"  {choice.model}: {choice.precision} ({choice.reason})")

    def take_in(self, options: dict[str, Any]) -> None:
        path = options["path"]
        self.enter(
            Candidate(options["name"] or sources.name_for(path), path, origin=str(path.resolve()), **facts_in(options)), options
        )

    def pull(self, options: dict[str, Any]) -> None:
        if options["source"] is None:
            self.show_published()
            return
        what = downloads.remote(options["source"], settings.HARK_HUB_URL)
        name = options["name"] or sources.name_for(Path(what.name))
        entries.check_name(name)
        store = entries.storage()
        store.root.mkdir(parents=True, exist_ok=True)
        fetcher = downloads.Fetcher(self.stdout.write, store.check_room)
        path = fetcher.fetch(what, store.downloads(what.url))
        known = published(options["source"])
        facts = {**facts_in(options), "licence": options["licence"] or (known.licence if known else "")}
        self.enter(Candidate(name, path, origin=what.url, is_fetched=True, **facts), options)
        store.forget_downloads(what.url)

    def show_published(self) -> None:
        self.stdout.write("Published models that can be fetched by name; others by hub:owner/name or their address:")
        for model in PUBLISHED:
            self.stdout.write(f"  {model.name}  {model.about}  ({model.licence})")

    def enter(self, candidate: Candidate, options: dict[str, Any]) -> None:
        model = entries.take_in(candidate, self.stdout.write)
        self.stdout.write(f"{model.name} is in the catalogue:")
        for line in table.lines([model]):
            self.stdout.write(f"  {line}")
        if not model.licence:
            self.stdout.write(f"Its licence is not known. Once you know it: models describe {model.name} --licence …")
        if options["variants"]:
            self.measure([model], options["variants"], [])

    def bench(self, options: dict[str, Any]) -> None:
        arguments = as_arguments(options)
        if options["names"]:
            roots = [entries.root_of(model) for model in named(options["names"])]
            self.measure(list(dict.fromkeys(roots)), options["variants"], arguments)
            return
        if options["variants"]:
            raise CommandError("--variants is about models of the catalogue: name them behind `bench`.")
        command = [sys.executable, "-m", "inference.bench", *arguments]
        status = subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode
        if status:
            sys.exit(status)  # it has said why

    def measure(self, roots: Sequence[ASRModel], variants: Sequence[str], arguments: Sequence[str]) -> None:
        reports = figures.measured([entries.configured(root) for root in roots], arguments)
        for root, report in zip(roots, reports, strict=True):
            for outcome in entries.record(root, report, variants, settings.HARK_MAX_VARIANT_LOSS):
                self.stdout.write(told(root, outcome))

    def verify(self, options: dict[str, Any]) -> None:
        num_bad = 0
        for model in named(options["names"]) if options["names"] else ASRModel.objects.all():
            try:
                entries.verify(model)
            except CatalogueError as err:
                num_bad += 1
                self.stdout.write(f"{model.name}: {err.message}")
            else:
                self.stdout.write(f"{model.name}: whole, and can be loaded")
        if num_bad:
            raise CommandError(f"{num_bad} of the models cannot be used.")

    def describe(self, options: dict[str, Any]) -> None:
        (model,) = named([options["name"]])
        entries.describe(model, licence=options["licence"], origin=options["origin"])
        self.stdout.write(f"{model.name}: licence {model.licence or 'unknown'}, from {model.origin or 'unknown'}")

    def remove(self, options: dict[str, Any]) -> None:
        (model,) = named([options["name"]])
        for one in [*(model.variants.all() if options["with_variants"] else ()), model]:
            entries.remove(one)
            self.stdout.write(f"{one.name} is removed.")


def add_facts(parser: ArgumentParser) -> None:
    """What an operator knows of a model and its files do not tell."""
    parser.add_argument("--name", help="what clients will call it; default: as the file or folder")
    parser.add_argument("--licence", default="", help="default: what the model card in the folder says")
    parser.add_argument("--head", choices=get_args(Head), help="which one to use of a model that has several; default: ctc")
    parser.add_argument("--sha256", default="", help="of a single file, or of the lines that sha256sum prints of all files")
    parser.add_argument(
        "--variants", type=precisions, default=(), help="precisions to measure and make models of, commas between"
    )


def facts_in(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "licence": options["licence"],
        "checksum": options["sha256"],
        "in_place": options.get("in_place", False),
        "head": options["head"],
    }


def precisions(text: str) -> tuple[str, ...]:
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    if not wanted or not set(wanted) <= set(PRECISIONS):
        raise ArgumentTypeError(f"{text!r}: expected some of {','.join(PRECISIONS)}")
    return tuple(wanted)


def named(names: Sequence[str]) -> Sequence[ASRModel]:
    """Those of the catalogue, in the order in which they were named."""
    found = {model.name: model for model in ASRModel.objects.select_related("variant_of").filter(name__in=names)}
    missing = [name for name in names if name not in found]
    if missing:
        raise CommandError(f"There is no model {missing[0]!r} in the catalogue. `models list` shows all.")
    return [found[name] for name in dict.fromkeys(names)]


def told(root: ASRModel, outcome: Outcome) -> str:
    if outcome.model is None:
        return f"{root.name} in {outcome.precision} is refused: {outcome.refusal}"
    if outcome.refusal:
        return f"{outcome.model.name} {'stays, being in use' if outcome.model.is_enabled else 'is disabled'}: {outcome.refusal}"
    return "  ".join(table.cells(outcome.model)).rstrip()


def described(status: WorkerStatus) -> str:
    """Its models, or why it has none."""
    return ", ".join(described_model(model) for model in status.models) or status.detail


def described_model(model: ModelInfo) -> str:
    return f"{model.name} ({model.precision or model.engine})"
