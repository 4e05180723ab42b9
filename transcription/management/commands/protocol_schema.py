"""`manage.py protocol_schema`: write the JSON Schema of the WebSocket messages, which is kept in docs/."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from transcription import protocol


class Command(BaseCommand):
    help = "Write the JSON Schema of every message of the WebSocket protocol."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, default=settings.BASE_DIR / "docs" / "protocol.schema.json")

    def handle(self, *_args: Any, **options: Any) -> None:
        path: Path = options["output"]
        path.write_text(json.dumps(protocol.json_schema(), indent=2) + "\n", encoding="utf-8")
        self.stdout.write(f"Wrote {path}.")
