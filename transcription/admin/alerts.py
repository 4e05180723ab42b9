"""Alerts: what happened, who sees to it, and whom it was told to. Acknowledged and resolved here, by a click."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from transcription import alerts
from transcription.admin.alert_rules import SEVERITY_TONES
from transcription.admin.rows import RowPageAdmin
from transcription.alerts.notices.payloads import condition_text, value_text
from transcription.models import AlertEvent
from transcription.templatetags.transcription_format import clock

NAME: Final = "transcription_alertevent"
STATE_TONES: Final = {"open": "danger", "acknowledged": "warning", "resolved": "success"}
Deed = Callable[[AlertEvent, User], bool]


@admin.register(AlertEvent)
class AlertEventAdmin(RowPageAdmin):
    list_display = ["when", "title_now", "coloured_severity", "coloured_state", "now_and_worst", "lasted", "seen_to_by"]
    list_display_links = ["when", "title_now"]
    list_filter = ["state", "severity", "rule", "opened_at"]
    list_select_related = ["rule", "acknowledged_by", "resolved_by"]
    list_per_page = 50
    search_fields = ["title", "detail"]
    actions = ["acknowledge_selected", "resolve_selected"]
    change_form_outer_before_template = "admin/transcription/alertevent/event.html"
    fields = ["opened_at", "acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by"]
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AlertEvent | None = None) -> bool:
        """They are part of the record."""
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:event_id>/acknowledge/", view(self.acknowledge), name=f"{NAME}_acknowledge"),
            path("<int:event_id>/resolve/", view(self.resolve), name=f"{NAME}_resolve"),
            *super().get_urls(),
        ]

    # --- Pages

    def details(self, request: HttpRequest, number: int | None) -> dict[str, Any]:
        event = None if number is None else AlertEvent.objects.filter(pk=number).first()
        shown = {"shown": self.shown(request, event)} if event is not None else {}
        return {**shown, "show_save": False, "show_save_and_continue": False}

    def shown(self, request: HttpRequest, event: AlertEvent) -> dict[str, Any]:
        return {
            "event": event,
            "tone": STATE_TONES[event.state],
            "severity_tone": SEVERITY_TONES[event.severity],
            "condition": condition_text(event.facts),
            "value": value_text(event, event.value),
            "peak": value_text(event, event.peak),
            "lasted": lasted(event),
            "deliveries": list(event.deliveries.select_related("channel").order_by("pk")),
            "may_change": self.has_change_permission(request, event),
            "may_see_rule": event.rule is not None and request.user.has_perm("transcription.view_alertrule"),
            "may_see_deliveries": request.user.has_perm("transcription.view_alertdelivery"),
        }

    def acknowledge(self, request: HttpRequest, event_id: int) -> HttpResponse:
        return self.change_one(request, event_id, alerts.acknowledge, gettext("Acknowledged."))

    def resolve(self, request: HttpRequest, event_id: int) -> HttpResponse:
        return self.change_one(request, event_id, alerts.resolve, gettext("Called over by hand."))

    def change_one(self, request: HttpRequest, event_id: int, deed: Deed, note: str) -> HttpResponse:
        event = get_object_or_404(AlertEvent, pk=event_id)
        if not self.has_change_permission(request, event):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if self.change(request, event, deed, note):
            messages.success(request, note)
        else:
            messages.info(request, gettext("Somebody else was faster."))
        return HttpResponseRedirect(reverse(f"admin:{NAME}_change", args=[event.pk]))

    def change(self, request: HttpRequest, event: AlertEvent, deed: Deed, note: str) -> bool:
        assert isinstance(request.user, User)
        is_done = deed(event, request.user)
        if is_done:
            self.log_change(request, event, note)
        return is_done

    @admin.action(description=_("Acknowledge the selected alerts"), permissions=["change"])
    def acknowledge_selected(self, request: HttpRequest, queryset: QuerySet[AlertEvent]) -> None:
        self.change_many(request, queryset, alerts.acknowledge, gettext("Acknowledged."))

    @admin.action(description=_("Call the selected alerts over"), permissions=["change"])
    def resolve_selected(self, request: HttpRequest, queryset: QuerySet[AlertEvent]) -> None:
        self.change_many(request, queryset, alerts.resolve, gettext("Called over by hand."))

    def change_many(self, request: HttpRequest, events: QuerySet[AlertEvent], deed: Deed, note: str) -> None:
        num = sum([self.change(request, event, deed, note) for event in events])
        messages.success(request, gettext("Alerts changed: %(num)d") % {"num": num})

    # --- Columns

    @admin.display(description=_("began"), ordering="opened_at")
    def when(self, event: AlertEvent) -> str:
        return date_format(timezone.localtime(event.opened_at), "Y-m-d H:i:s")

    @admin.display(description=_("alert"), ordering="title")
    def title_now(self, event: AlertEvent) -> str:
        return str(event)

    @display(description=_("severity"), ordering="severity", label=SEVERITY_TONES)
    def coloured_severity(self, event: AlertEvent) -> tuple[str, str]:
        return event.severity, event.get_severity_display()

    @display(description=_("state"), ordering="state", label=STATE_TONES)
    def coloured_state(self, event: AlertEvent) -> tuple[str, str]:
        state = str(event.get_state_display())
        return event.state, f"{state}, {gettext('flapping')}" if event.is_flapping else state

    @admin.display(description=_("value, worst"))
    def now_and_worst(self, event: AlertEvent) -> str:
        return f"{value_text(event, event.value)}, {value_text(event, event.peak)}" if event.value is not None else "–"

    @admin.display(description=_("lasted"))
    def lasted(self, event: AlertEvent) -> str:
        return lasted(event)

    @admin.display(description=_("seen to by"))
    def seen_to_by(self, event: AlertEvent) -> str:
        return str(event.resolved_by or event.acknowledged_by or "–")


def lasted(event: AlertEvent) -> str:
    return clock(round(((event.resolved_at or timezone.now()) - event.opened_at).total_seconds() * 1000))
