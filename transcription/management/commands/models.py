"""`manage.py models`: what the inference processes run, and which precision is the fastest on this machine.

torch is not loaded here: `bench` runs `python -m inference.bench`, whose output it shows.
"""

import subprocess
import sys
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.bench.options import add_options, as_arguments
from inference.config import InferenceConfig
from inference.errors import ConfigError
from inference.messages import ModelInfo, WorkerStatus
from inference.tuning import choices, this_machine
from transcription import recognizer


class Command(BaseCommand):
    help = "Show the models that run, or measure which precision each of them should compute with."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        subcommands = parser.add_subparsers(dest="subcommand", required=True)
        subcommands.add_parser("list", help="what each inference process runs; if none answers, what is configured")
        bench = subcommands.add_parser("bench", help="measure each model in each precision, pick, and save the picks if asked to")
        add_options(bench)

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["subcommand"] == "bench":
            self.bench(as_arguments(options))
        else:
            self.list()

    def bench(self, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "inference.bench", *arguments]
        status = subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode
        if status:
            sys.exit(status)  # it has said why

    def list(self) -> None:
        statuses = async_to_sync(recognizer.each_status)()
        for number, status in enumerate(statuses):
            self.stdout.write(f"inference-{number}: {described(status)}")
        if not any(status.is_ready for status in statuses):
            self.show_configured()

    def show_configured(self) -> None:
        try:
            config = InferenceConfig.from_env()
            configured = choices(config, this_machine(config.device))
        except ConfigError as err:
            raise CommandError(str(err)) from err
        self.stdout.write("Configured:")
        for choice in configured:
            self.stdout.write(f"  {choice.model}: {choice.precision} ({choice.reason})")


def described(status: WorkerStatus) -> str:
    """Its models, or why it has none."""
    return ", ".join(described_model(model) for model in status.models) or status.detail


def described_model(model: ModelInfo) -> str:
    return f"{model.name} ({model.precision or model.engine})"
