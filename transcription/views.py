"""The pages for people: record live, look through past sessions, read and delete one. JSON is the REST API's job."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from transcription.listeners import Listener, listener_of_request
from transcription.models import Segment, Session, SessionQuerySet
from transcription.page_texts import HISTORY_TEXTS, LANGUAGES, LIVE_TEXTS
from transcription.privacy.erasure import request_erasure
from transcription.privacy.holdings import held_of
from transcription.services import SessionIsLive, delete_session

SESSIONS_PER_PAGE = 20
MAX_QUERY_CHARS = 200
EXPORT_FORMATS = ("txt", "srt", "vtt", "json")

P = ParamSpec("P")
PageView = Callable[Concatenate[HttpRequest, Listener, P], HttpResponse]


def page_for_listeners(view: PageView[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Hands the known listener to `view`; anybody else is asked to sign in."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        listener = listener_of_request(request)
        if not listener.is_known:
            return redirect_to_login(request.get_full_path())
        return view(request, listener, *args, **kwargs)

    return guarded


@require_safe
@page_for_listeners
def live(request: HttpRequest, _listener: Listener) -> HttpResponse:
    speech_language = "zh" if (get_language() or "").startswith("zh") else "en"
    context = {
        "config": live_config(),
        "texts": LIVE_TEXTS,
        "languages": LANGUAGES,
        "speech_language": speech_language,
        "export_formats": EXPORT_FORMATS,
    }
    return render(request, "transcription/live.html", context)


def live_config() -> dict[str, str]:
    """Addresses that the live page's scripts need; {id} stands for a session."""
    return {
        "stream_path": f"{get_script_prefix()}stream",
        "models_url": reverse("api:models"),
        "routes_url": reverse("api:routes"),
        "transcript_url": f"{reverse('api:sessions')}{{id}}/transcript/",
        "history_url": f"{reverse('history')}{{id}}/",
        "worklet_url": static("transcription/js/capture-worklet.js"),
    }


@require_safe
@page_for_listeners
def history(request: HttpRequest, listener: Listener) -> HttpResponse:
    query = request.GET.get("q", "").strip()[:MAX_QUERY_CHARS]
    page = Paginator(sessions_matching(listener, query), SESSIONS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "transcription/history.html", {"page": page, "query": query, "texts": HISTORY_TEXTS})


def sessions_matching(listener: Listener, query: str) -> SessionQuerySet:
    """Sessions that `listener` may read, newest first, each with `opening`, its first words."""
    opening = Segment.objects.filter(session=OuterRef("pk")).exclude(text="").order_by("number").values("text")[:1]
    sessions = Session.objects.visible_to(listener)
    if query:
        sessions = sessions.containing(query)
    return sessions.annotate(opening=Subquery(opening))


@require_safe
@page_for_listeners
def session_detail(request: HttpRequest, listener: Listener, session_id: UUID) -> HttpResponse:
    session = get_object_or_404(Session.objects.visible_to(listener), pk=session_id)
    context = {
        "session": session,
        "segments": session.segments.exclude(text="").order_by("number"),
        "transcript_url": live_config()["transcript_url"].replace("{id}", str(session_id)),
        "export_formats": EXPORT_FORMATS,
        "audio": session.audio.all(),
        "texts": HISTORY_TEXTS,
    }
    return render(request, "transcription/session.html", context)


@require_safe
@page_for_listeners
def own_data(request: HttpRequest, listener: Listener) -> HttpResponse:
    held = held_of(listener.user_id)
    context = {
        "held": held,
        "is_erasing": held.erasure is not None and held.erasure.finished_at is None,
        "retention_days": settings.HARK_RETENTION_DAYS,
        "audio_ttl_days": settings.HARK_AUDIO_TTL_DAYS,
    }
    return render(request, "transcription/own_data.html", context)


@require_POST
@page_for_listeners
def own_data_erase(request: HttpRequest, listener: Listener) -> HttpResponse:
    request_erasure(listener.user_id)
    return redirect("own-data-page")


@require_POST
@page_for_listeners
def session_delete(request: HttpRequest, listener: Listener, session_id: UUID) -> HttpResponse:
    session = get_object_or_404(Session.objects.visible_to(listener), pk=session_id)
    try:
        delete_session(session)
    except SessionIsLive:
        messages.error(request, _("This session is still being recorded. Stop the recording first, then delete it."))
        return redirect("session-detail-page", session_id=session_id)
    messages.success(request, _("The session was deleted."))
    return redirect("history")
