"""Carries schedules and overrides out: looks every two seconds which model is due on each route, and asks for it.

It looks at what is, not at what has changed since it last looked; so it makes no difference for how long nobody looked.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.utils import timezone

from transcription.models import ASRModel, ModelRoute, ModelSwap, RouteOverride
from transcription.schedules import Because, Due, due_at
from transcription.serving.choices import end_overrides, override_route, plan_of, remember_usual
from transcription.swaps import SwapRefused, request_swap, why_unfit

logger = logging.getLogger(__name__)

TRY_AGAIN_AFTER: Final = timedelta(minutes=5)
"""A model that could not be loaded a moment ago will not load now."""


def apply_schedules(moment: datetime | None = None) -> list[ModelSwap]:
    """Ask for the model that is due on each route and does not serve it yet. Returns what was asked for."""
    moment = moment or timezone.now()
    routes = ModelRoute.objects.filter(is_enabled=True).select_related("model", "usual_model")
    asked = [apply_to(route, moment) for route in routes.prefetch_related("schedules__model", "overrides__model")]
    return [swap for swap in asked if swap is not None]


def apply_to(route: ModelRoute, moment: datetime) -> ModelSwap | None:
    """None: the route has what is due, is on its way to it, or could not get it a moment ago."""
    due = due_at(plan_of(route, moment), moment)
    if due.model == route.model.name or is_under_way(route, due.model, moment):
        return None
    remember_usual(route)
    reason = ModelSwap.Reason.MANUAL if due.because is Because.OVERRIDE else ModelSwap.Reason.SCHEDULE
    by, note = who_and_why(route, due)
    try:
        return request_swap(route, ASRModel.objects.get(name=due.model), reason, by, note)
    except SwapRefused as err:
        logger.error("%s cannot be given %s: %s", route, due.model, err)
        return None


def is_under_way(route: ModelRoute, model: str, moment: datetime) -> bool:
    """Whether a swap to `model` runs, or one to whatever else runs and must end first, or it failed a moment ago."""
    if route.swaps.exclude(state__in=ModelSwap.OVER).exclude(state=ModelSwap.State.WAITING).exists():
        return True
    latest = route.swaps.filter(to_name=model).order_by("-pk").first()
    if latest is None:
        return False
    if not latest.is_over:
        return True
    return latest.state == ModelSwap.State.FAILED and moment - (latest.finished_at or latest.updated_at) < TRY_AGAIN_AFTER


def who_and_why(route: ModelRoute, due: Due) -> tuple[User | None, str]:
    if due.key is None:
        return None, "No window holds."
    if due.because is Because.WINDOW:
        return None, f"Window {route.schedules.get(pk=due.key)}."
    override = RouteOverride.objects.select_related("by").get(pk=due.key)
    return override.by, override.reason


def override_now(
    route: ModelRoute, model: ASRModel, until_at: datetime | None, *, by: User | None = None, reason: str = ""
) -> ModelSwap | None:
    """Let `model` serve from now until `until_at` (None: until `end_override`), whatever the schedule says.

    Returns the swap that was asked for; None where the model serves already.

    Raises:
        SwapRefused: it cannot serve the route, or the end is over.
    """
    moment = timezone.now()
    if until_at is not None and until_at <= moment:
        raise SwapRefused(f"The override would end at {until_at:%Y-%m-%d %H:%M}, which is over. Give it an end to come.")
    if sentence := why_unfit(route.language, model):
        raise SwapRefused(sentence)
    override_route(route, model, moment, until_at, by=by, reason=reason)
    return apply_to(route, moment)


def end_override(route: ModelRoute) -> ModelSwap | None:
    """Back to what the schedule says."""
    moment = timezone.now()
    end_overrides(route, moment)
    return apply_to(route, moment)
