"""The pages of the operators' console, what their charts are drawn from, and the orders that can be given to a live session.

What changes by itself comes over the socket at /console; what changes something is a POST and written down.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_POST, require_safe
from django.views.generic import RedirectView
from msgspec import json as msgspec_json
from redis.exceptions import RedisError

from transcription.admin.console_texts import CONSOLE_TEXTS
from transcription.admin.swaps import view_of
from transcription.console.charts import CHARTS, DEFAULT_RANGE, RANGES, TILES
from transcription.console.rights import Rights, rights_of
from transcription.console.series import whole_range
from transcription.models import ModelSwap, Session
from transcription.streaming.reporting import Order, send_order

app_name = "console"
ORDERS: Final[dict[str, Order]] = {"end": "end", "drain": "drain"}

View = Callable[..., HttpResponse]


def for_watchers(view: Callable[..., HttpResponse]) -> View:
    """A page of the admin site for those who may see the console; `view` is given their rights."""

    def checked(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        rights = rights_of(request.user)
        if rights is None:
            raise PermissionDenied
        return view(request, rights, **kwargs)

    wrapped: View = admin.site.admin_view(checked)
    return wrapped


def page(request: HttpRequest, rights: Rights, template: str, title: str, **context: Any) -> HttpResponse:
    given = {
        **admin.site.each_context(request),
        "title": title,
        "rights": rights,
        "texts": {key: str(text) for key, text in CONSOLE_TEXTS.items()},
        "console": {
            "socket": f"{reverse('live')}console",
            "series": reverse("console:series"),
            "orders": reverse("console:sessions"),
            "language": get_language(),
            "mayEnd": rights.may_end,
            "mayRead": rights.may_read,
            **context.pop("console", {}),
        },
    }
    return TemplateResponse(request, f"admin/console/{template}.html", {**given, **context})


def overview(request: HttpRequest, rights: Rights) -> HttpResponse:
    """Charts, numbers of now, alerts, running swaps."""
    chosen = request.GET.get("range", DEFAULT_RANGE)
    chosen = chosen if chosen in RANGES else DEFAULT_RANGE
    charts = [
        {
            "key": chart.key,
            "unit": chart.unit,
            "title": str(chart.title),
            "isOptional": chart.is_optional,
            "lines": {line.key: str(line.title) for line in chart.lines if line.title is not None},
        }
        for chart in CHARTS
    ]
    return page(
        request,
        rights,
        "overview",
        gettext("Overview"),
        charts=CHARTS,
        tiles=TILES,
        ranges=RANGES,
        chosen=chosen,
        swaps=[view_of(swap) for swap in ModelSwap.objects.open()]
        if request.user.has_perm("transcription.view_modelswap")
        else [],
        console={"range": chosen, "charts": charts, "units": {tile.key: tile.unit for tile in TILES}},
    )


def sessions(request: HttpRequest, rights: Rights) -> HttpResponse:
    return page(request, rights, "sessions", gettext("Live sessions"))


def workers(request: HttpRequest, rights: Rights) -> HttpResponse:
    return page(request, rights, "workers", gettext("Inference processes"))


@require_safe
def series(request: HttpRequest, _rights: Rights) -> HttpResponse:
    """Every chart of a range, whole. What comes after is told over the socket."""
    key = request.GET.get("range", DEFAULT_RANGE)
    if key not in RANGES:
        sentence = f"range is {key[:20]!r}; expected one of {', '.join(RANGES)}."
        return JsonResponse({"error": {"code": "invalid_parameter", "message": sentence}}, status=400)
    body = msgspec_json.encode(whole_range(key, timezone.now()))
    return HttpResponse(body, content_type="application/json", headers={"Cache-Control": "no-store"})


@require_POST
def give_order(request: HttpRequest, rights: Rights, session_id: UUID, order: str) -> HttpResponse:
    """End a live session, or put it down so that its client goes on elsewhere. Whichever process has it does so."""
    if not rights.may_end:
        raise PermissionDenied
    if order not in ORDERS or not Session.objects.filter(pk=session_id, status=Session.Status.LIVE).exists():
        return JsonResponse({"message": gettext("This session is over.")}, status=404)
    try:
        async_to_sync(send_order)(session_id, ORDERS[order])
    except (RedisError, OSError):
        return JsonResponse({"message": str(CONSOLE_TEXTS["valkey_away"])}, status=503)
    note_order(request, session_id, gettext("Ended.") if order == "end" else gettext("Put down."))
    return JsonResponse({"message": ""}, status=202)


def note_order(request: HttpRequest, session_id: UUID, deed: str) -> None:
    """Who did it, and when."""
    assert isinstance(request.user, User)
    LogEntry.objects.create(
        user=request.user,
        content_type=ContentType.objects.get_for_model(Session),
        object_id=str(session_id),
        object_repr=str(session_id),
        action_flag=CHANGE,
        change_message=deed,
    )


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="console:overview"), name="first"),
    path("overview/", for_watchers(overview), name="overview"),
    path("series/", for_watchers(series), name="series"),
    path("sessions/", for_watchers(sessions), name="sessions"),
    path("sessions/<uuid:session_id>/<slug:order>/", for_watchers(give_order), name="order"),
    path("workers/", for_watchers(workers), name="workers"),
]
