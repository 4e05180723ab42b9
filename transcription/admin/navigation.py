"""What stands at the side of every page of the admin site: only what its reader may see."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """As the theme wants it; a group without anything to see is left out."""
    every = [
        group(
            _("Now"),
            page(request, _("Overview"), "monitoring", "console:overview", "transcription.watch_live"),
            page(request, _("Live sessions"), "graphic_eq", "console:sessions", "transcription.watch_live"),
            page(request, _("Inference processes"), "memory", "console:workers", "transcription.watch_live"),
        ),
        group(
            _("Recognition"),
            link(request, _("Routes"), "alt_route", "transcription.view_modelroute"),
            link(request, _("Schedules"), "calendar_month", "transcription.view_modelschedule"),
            link(request, _("Models"), "model_training", "transcription.view_asrmodel"),
            link(request, _("Swaps"), "swap_horiz", "transcription.view_modelswap"),
            link(request, _("Overrides"), "front_hand", "transcription.view_routeoverride"),
            link(request, _("Canary runs"), "hearing", "transcription.view_canaryrun"),
        ),
        group(
            _("Alerts"),
            link(request, _("Alerts"), "notifications_active", "transcription.view_alertevent"),
            link(request, _("Rules"), "rule", "transcription.view_alertrule"),
            link(request, _("Channels"), "campaign", "transcription.view_alertchannel"),
            link(request, _("Deliveries"), "outgoing_mail", "transcription.view_alertdelivery"),
        ),
        group(
            _("Transcripts"),
            link(request, _("Sessions"), "graphic_eq", "transcription.view_session"),
            link(request, _("Corrections"), "edit_note", "transcription.view_correction"),
            link(request, _("Stored audio"), "audio_file", "transcription.view_storedaudio"),
            link(request, _("Erasures"), "delete_forever", "transcription.view_erasure"),
        ),
        group(
            _("People"),
            link(request, _("Users"), "person", "auth.view_user"),
            link(request, _("Groups"), "group", "auth.view_group"),
            link(request, _("API keys"), "key", "transcription.view_apikey"),
        ),
        group(
            _("Housekeeping"),
            link(request, _("Changes"), "history", "admin.view_logentry"),
            link(request, _("Periodic tasks"), "schedule", "django_celery_beat.view_periodictask"),
        ),
    ]
    return [each for each in every if each["items"]]


def group(title: Promise, *links: dict[str, Any] | None) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": [each for each in links if each is not None]}


def link(request: HttpRequest, title: Promise, icon: str, permission: str) -> dict[str, Any] | None:
    """To the list that `permission` opens; None where the reader has it not."""
    if not request.user.has_perm(permission):
        return None
    app_label, codename = permission.split(".")
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{app_label}_{codename.removeprefix('view_')}_changelist")}


def page(request: HttpRequest, title: Promise, icon: str, url_name: str, permission: str) -> dict[str, Any] | None:
    """To a page of our own; None where the reader may not see it."""
    return {"title": title, "icon": icon, "link": reverse_lazy(url_name)} if request.user.has_perm(permission) else None


def stylesheet(_request: HttpRequest) -> str:
    """What the project adds to the theme."""
    return static("transcription/css/admin.css")


def favicon(_request: HttpRequest) -> str:
    return static("transcription/img/favicon.svg")
