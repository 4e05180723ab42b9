"""The first page of the admin site: what serves now, what will change next, which swaps run, and what went wrong lately."""

from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, Q
from django.forms import Media, Script
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from transcription.admin.alert_rules import SEVERITY_TONES
from transcription.admin.schedule_views import zone_of
from transcription.admin.swaps import SwapView, view_of
from transcription.models import AlertEvent, ASRModel, ModelRoute, ModelSwap
from transcription.schedules import next_change
from transcription.serving.choices import plan_of
from transcription.swaps import SUPERSEDED

LATELY: Final = timedelta(days=1)
MAX_SHOWN: Final = 5


class AlertView(TypedDict):
    title: str
    url: str
    tone: str
    state: str
    since: str


class RouteView(TypedDict):
    """`serving`: the model that streams get now; `next`: what the schedule says comes next, empty where nothing does."""

    name: str
    url: str
    serving: str
    note: str
    tone: str
    next: str


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds to the context of the first page what the user may see of it."""
    scripts: Any = [Script("transcription/js/page-admin-swaps.js", type="module")]  # the stubs know of paths only
    context["hark_media"] = Media(js=scripts)
    if may_see(request.user, "transcription.view_modelroute"):
        context["hark_routes"] = [route_view(route, timezone.now()) for route in all_routes()]
    if may_see(request.user, "transcription.view_modelswap"):
        context["hark_swaps"] = [view_of(swap) for swap in ModelSwap.objects.open()]
        context["hark_failures"] = recent_failures()
    if may_see(request.user, "transcription.view_alertevent"):
        context["hark_alerts"] = open_alerts()
    return context


def may_see(user: User | AnonymousUser, permission: str) -> bool:
    return user.has_perm(permission)


def all_routes() -> list[ModelRoute]:
    routes = ModelRoute.objects.select_related("model", "partial_model", "fallback", "usual_model", "previous_model")
    return list(routes.prefetch_related("schedules__model", "overrides__model"))


def open_alerts() -> list[AlertView]:
    """But for failed swaps, which are shown as such."""
    events = AlertEvent.objects.unresolved().exclude(key__startswith="swap/").select_related("rule")
    return [
        AlertView(
            title=str(event),
            url=reverse("admin:transcription_alertevent_change", args=[event.pk]),
            tone=SEVERITY_TONES[event.severity],
            state=str(event.get_state_display()),
            since=date_format(timezone.localtime(event.opened_at), "Y-m-d H:i"),
        )
        for event in events[:MAX_SHOWN]
    ]


def recent_failures() -> list[SwapView]:
    """Those after which nothing was better on the same route."""
    since = timezone.now() - LATELY
    failed = ModelSwap.objects.filter(state=ModelSwap.State.FAILED, finished_at__gt=since).exclude(error=SUPERSEDED)
    better_now = ModelSwap.objects.filter(route=OuterRef("route"), pk__gt=OuterRef("pk"), state=ModelSwap.State.DONE)
    return [view_of(swap) for swap in failed.exclude(Exists(better_now)).order_by("-finished_at")[:MAX_SHOWN]]


def route_view(route: ModelRoute, now: datetime) -> RouteView:
    note, tone = condition(route)
    return RouteView(
        name=str(route),
        url=reverse("admin:transcription_modelroute_change", args=[route.pk]),
        serving=serving(route),
        note=note,
        tone=tone,
        next=next_sentence(route, now),
    )


def serving(route: ModelRoute) -> str:
    """The model that streams get now."""
    return route.fallback.name if route.fallback is not None and route.fallback_since is not None else route.model.name


def condition(route: ModelRoute) -> tuple[str, str]:
    """In a word, and its colour."""
    if not route.is_enabled:
        return gettext("not in service"), "off"
    if route.fallback is not None and route.fallback_since is not None:
        return gettext("too much to do: lighter model"), "warning"
    return gettext("serving"), "success"


class FailureView(TypedDict):
    sentence: str
    swap: SwapView


def failures_beside(route: ModelRoute) -> list[FailureView]:
    """The last tries to load the model of partial texts and the lighter one of a route, where they failed and no swap has loaded
    the model since: it would not be there when it is needed.
    """
    beside = (
        (route.partial_model, gettext("The model of partial texts %(model)s is not ready.")),
        (route.fallback, gettext("The lighter model %(model)s is not ready.")),
    )
    tried = [(last_failure(route, model), sentence % {"model": model}) for model, sentence in beside if model is not None]
    return [FailureView(sentence=sentence, swap=view_of(swap)) for swap, sentence in tried if swap is not None]


def last_failure(route: ModelRoute, model: ASRModel) -> ModelSwap | None:
    tries = Q(route=route, reason=ModelSwap.Reason.RESTORE) | Q(state=ModelSwap.State.DONE)
    last = ModelSwap.objects.filter(tries, to_model=model).order_by("-pk").first()
    return last if last is not None and last.state == ModelSwap.State.FAILED else None


def next_sentence(route: ModelRoute, now: datetime) -> str:
    """As the clocks of its schedule show it."""
    plan = plan_of(route, now)
    change = next_change(plan, now) if route.is_enabled else None
    if change is None:
        return ""
    zone = zone_of(plan.windows)
    at = date_format(change.from_at.astimezone(zone), "l H:i")
    return gettext("%(model)s from %(at)s on (%(zone)s)") % {"model": change.due.model, "at": at, "zone": zone.key}
