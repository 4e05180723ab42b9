"""`manage.py routes`: which model serves which scenario and language, and an example of a schedule to begin with."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from transcription.models import ASRModel, ModelRoute, ModelSchedule
from transcription.schedules import next_change, window_complaints
from transcription.serving.choices import plan_of

EVERY_DAY = list(range(7))


class Command(BaseCommand):
    help = "List the routes, or write down a larger model by night and a lighter one by day."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="which model serves whom, and what comes next")
        example = verbs.add_parser("example", help="a route with a schedule for the night, both disabled until you enable them")
        example.add_argument("--scenario", default="general")
        example.add_argument("--language", default="en", help="a tag; empty: any")
        example.add_argument("--day-model", default="whisper-tiny.en")
        example.add_argument("--night-model", default="whisper-base")
        example.add_argument("--night", type=window, default="20:00-08:00", help="from-to, default 20:00-08:00")
        example.add_argument("--time-zone", default="UTC", help="such as Europe/Berlin")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            self.list_routes()
        else:
            self.write_example(options)

    def list_routes(self) -> None:
        rows = ModelRoute.objects.select_related("model", "fallback", "usual_model")
        for row in rows.prefetch_related("schedules__model", "overrides__model"):
            self.stdout.write(described(row))

    def write_example(self, options: dict[str, Any]) -> None:
        """Raises CommandError, and writes nothing, where something does not fit."""
        starts, ends = options["night"]
        if complaints := window_complaints(EVERY_DAY, starts, ends, options["time_zone"]):
            raise CommandError(" ".join(complaints))
        day, night = (model_named(options[name], options["language"]) for name in ("day_model", "night_model"))
        with transaction.atomic():
            route, is_new = ModelRoute.objects.get_or_create(
                scenario=options["scenario"], language=options["language"], defaults={"model": day, "is_enabled": False}
            )
            if not is_new:
                raise CommandError(f"There is a route {route} already: give it a schedule in the admin site.")
            ModelSchedule.objects.create(
                route=route,
                model=night,
                days=EVERY_DAY,
                starts=starts,
                ends=ends,
                time_zone=options["time_zone"],
                is_enabled=False,
            )
        self.stdout.write(f"{route}: {day} by day, {night} from {starts:%H:%M} to {ends:%H:%M} {options['time_zone']}.")
        self.stdout.write("Both the route and its schedule are disabled; enable them in the admin site.")


def described(row: ModelRoute) -> str:
    """One line: route, model, what comes next."""
    if not row.is_enabled:
        return f"{row}  {row.model}  disabled"
    now = timezone.now()
    change = next_change(plan_of(row, now), now)
    comes = f"  then {change.due.model} at {change.from_at:%Y-%m-%d %H:%M} UTC" if change else ""
    lighter = f"  on its lighter model {row.fallback}" if row.fallback and row.fallback_since else ""
    return f"{row}  {row.model}{lighter}{comes}"


def window(text: str) -> tuple[time, time]:
    """Raises ArgumentTypeError unless it looks like 20:00-08:00."""
    try:
        starts, ends = map(time.fromisoformat, text.split("-"))
    except ValueError as err:
        raise ArgumentTypeError(f"{text!r} is no window; expected one such as 20:00-08:00.") from err
    return starts, ends


def model_named(name: str, language: str) -> ASRModel:
    model = ASRModel.objects.filter(name=name).first()
    if model is None:
        known = ", ".join(ASRModel.objects.values_list("name", flat=True))
        raise CommandError(f"The catalogue has no model {name!r}; it has {known or 'none'}.")
    if not model.can_serve(language):
        raise CommandError(f"{name} knows {', '.join(model.languages)}, not {language}.")
    return model
