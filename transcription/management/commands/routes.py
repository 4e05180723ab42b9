"""`manage.py routes`: which model serves which scenario and language, the two models of a route, and examples to begin with."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import time
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from inference.capabilities import uses
from inference.decoding.artefact import NO_LANGUAGE_MODEL
from transcription.models import ASRModel, ModelRoute, ModelSchedule, ModelSwap
from transcription.schedules import next_change, window_complaints
from transcription.serving.choices import plan_of
from transcription.serving.language_models import SHIPPED, install_shipped, installed_language_models
from transcription.swaps import request_beside, request_swap

EVERY_DAY = list(range(7))
EDGE_MODEL: Final = "conformer-edge"
EDGE_SCENARIOS: Final = ("digits", "spelling", "commands")
"""What the small model that comes with the project was made for."""


class Command(BaseCommand):
    help = "List the routes, pair models, or write down examples: scenarios for the small model, a larger model by night."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="which model serves whom, and what comes next")
        example = verbs.add_parser("example", help="a route with a schedule for the night, both disabled until you enable them")
        pairing = verbs.add_parser("set", help="the model of partial texts and the language model of a route")
        pairing.add_argument("route", help="as `list` calls it: scenario/language, or scenario/* for any")
        pairing.add_argument("--partial-model", help="a fast one for partial texts; empty: the route's own model writes them")
        pairing.add_argument("--language-model", help="see `manage.py lm list`; none; empty: the model's own")
        scenarios = verbs.add_parser(
            "scenarios", help=f"routes {', '.join(EDGE_SCENARIOS)} to the model {EDGE_MODEL}, in service"
        )
        scenarios.add_argument("--model", default=EDGE_MODEL)
        scenarios.add_argument("--language", default="en", help="a tag; empty: any")
        example.add_argument("--scenario", default="general")
        example.add_argument("--language", default="en", help="a tag; empty: any")
        example.add_argument("--day-model", default="whisper-tiny.en")
        example.add_argument("--night-model", default="whisper-base")
        example.add_argument("--night", type=window, default="20:00-08:00", help="from-to, default 20:00-08:00")
        example.add_argument("--time-zone", default="UTC", help="such as Europe/Berlin")

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "list":
                self.list_routes()
            case "set":
                self.set_models(options)
            case "scenarios":
                self.write_scenarios(options)
            case _:
                self.write_example(options)

    def list_routes(self) -> None:
        rows = ModelRoute.objects.select_related("model", "partial_model", "fallback", "usual_model")
        for row in rows.prefetch_related("schedules__model", "overrides__model"):
            self.stdout.write(described(row))

    def set_models(self, options: dict[str, Any]) -> None:
        """Raises CommandError, and changes nothing, where something does not fit."""
        route = route_named(options["route"])
        if (name := options["partial_model"]) is not None:
            route.partial_model = model_named(name, route.language) if name else None
        if (name := options["language_model"]) is not None:
            route.language_model = language_model_named(name)
            check_uses(route)
        if route.partial_model == route.model:
            raise CommandError(f"{route.model} is the route's own model: name a faster one, or none.")
        route.save(update_fields=["partial_model", "language_model"])
        self.stdout.write(described(route))
        if route.is_enabled and options["partial_model"] and request_beside(route, route.partial_model) is not None:
            self.stdout.write(f"{route.partial_model} is loaded now; partial texts are its own from then on.")

    def write_scenarios(self, options: dict[str, Any]) -> None:
        """Raises CommandError, and writes nothing, where the model does not fit. Routes that are there stay as they are."""
        model = model_named(options["model"], options["language"])
        for scenario in EDGE_SCENARIOS:
            own = {"language_model": scenario} if scenario in SHIPPED and model.name == EDGE_MODEL else {}
            route, is_new = ModelRoute.objects.get_or_create(
                scenario=scenario, language=options["language"], defaults={"model": model, "is_enabled": False, **own}
            )
            if is_new:
                if own:
                    install_shipped(scenario)
                request_swap(route, model, ModelSwap.Reason.MANUAL)
            self.stdout.write(f"{route}  {'goes into service when its model is loaded' if is_new else 'is there already'}")
        self.stdout.write(f'Clients ask for one of them with {{"type": "start", "scenario": "{EDGE_SCENARIOS[0]}"}}.')

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
    pair = f"  partial texts by {row.partial_model}" if row.partial_model else ""
    language_model = f"  language model {row.language_model}" if row.language_model else ""
    return f"{row}  {row.model}{pair}{language_model}{lighter}{comes}"


def window(text: str) -> tuple[time, time]:
    """Raises ArgumentTypeError unless it looks like 20:00-08:00."""
    try:
        starts, ends = map(time.fromisoformat, text.split("-"))
    except ValueError as err:
        raise ArgumentTypeError(f"{text!r} is no window; expected one such as 20:00-08:00.") from err
    return starts, ends


def route_named(text: str) -> ModelRoute:
    scenario, _slash, language = text.partition("/")
    routes = ModelRoute.objects.select_related("model", "partial_model", "fallback", "usual_model")
    route = routes.filter(scenario=scenario, language="" if language == "*" else language).first()
    if route is None:
        known = ", ".join(map(str, ModelRoute.objects.all()))
        raise CommandError(f"There is no route {text!r}; there are: {known or 'none'}.")
    return route


def language_model_named(name: str) -> str:
    known = installed_language_models()
    if name and name not in {*known, NO_LANGUAGE_MODEL}:
        raise CommandError(f"There is no language model {name!r} here; there are: {', '.join(sorted(known)) or 'none'}.")
    return name


def check_uses(route: ModelRoute) -> None:
    """Raises CommandError where its model could do nothing with its language model."""
    if route.language_model not in {"", NO_LANGUAGE_MODEL} and not uses(route.model.engine, "language_model"):
        raise CommandError(f"{route.model} makes no use of language models: give the route another model first.")


def model_named(name: str, language: str) -> ASRModel:
    model = ASRModel.objects.filter(name=name).first()
    if model is None:
        known = ", ".join(ASRModel.objects.values_list("name", flat=True))
        raise CommandError(f"The catalogue has no model {name!r}; it has {known or 'none'}.")
    if not model.can_serve(language):
        raise CommandError(f"{name} knows {', '.join(model.languages)}, not {language}.")
    return model
