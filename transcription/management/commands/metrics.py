"""`manage.py metrics`: which metrics there are, and the files under deploy/ that are made from their names."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml
from django.core.management.base import BaseCommand, CommandParser

from transcription.dashboards.grafana import dashboard
from transcription.dashboards.rules import rules
from transcription.dashboards.scraping import scraping
from transcription.dashboards.table import table

LINE_WIDTH: Final = 200
MADE_BY: Final = "# Made by `manage.py metrics {what}`; what is changed here by hand is lost with the next version.\n"


def as_yaml(what: str, content: dict[str, Any]) -> str:
    return MADE_BY.format(what=what) + yaml.safe_dump(content, sort_keys=False, width=LINE_WIDTH)


MAKERS: Final[dict[str, tuple[str, Callable[[], str]]]] = {
    "list": ("all metrics, as a table", table),
    "dashboard": ("a dashboard for Grafana", lambda: json.dumps(dashboard(), indent=2) + "\n"),
    "rules": ("alert rules for Prometheus", lambda: as_yaml("rules", rules())),
    "scrape": ("a configuration for Prometheus", lambda: as_yaml("scrape", scraping())),
}


class Command(BaseCommand):
    help = "Show all metrics, or write what Grafana and Prometheus need to know of them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        subcommands = parser.add_subparsers(dest="what", required=True)
        for name, (help_text, _make) in MAKERS.items():
            subcommand: ArgumentParser = subcommands.add_parser(name, help=help_text)
            subcommand.add_argument("--output", type=Path, help="a file; default: standard output")

    def handle(self, *_args: Any, **options: Any) -> None:
        _help, make = MAKERS[options["what"]]
        path: Path | None = options["output"]
        if path is None:
            self.stdout.write(make(), ending="")
            return
        path.write_text(make(), encoding="utf-8")
        self.stdout.write(f"Wrote {path}.")
