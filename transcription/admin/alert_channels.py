"""Where notices of alerts go, and what became of each: tried by a click, sent again by another."""

from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from transcription.admin.alert_forms import AlertChannelForm
from transcription.admin.records import Record
from transcription.admin.rows import RowPageAdmin
from transcription.alerts.notices.delivery import try_again, try_channel
from transcription.models import AlertChannel, AlertDelivery

NAME: Final = "transcription_alertchannel"
STATE_TONES: Final = {"waiting": "warning", "delivered": "success", "failed": "danger", "none": ""}


@admin.register(AlertChannel)
class AlertChannelAdmin(RowPageAdmin):
    form = AlertChannelForm
    list_display = ["name", "kind", "target", "is_default", "is_enabled", "last_notice"]
    list_filter = ["kind", "is_default", "is_enabled"]
    search_fields = ["name", "target"]
    change_form_outer_after_template = "admin/transcription/alertchannel/try.html"
    fieldsets: ClassVar = [
        (None, {"fields": ["name", "kind", "target", "secret"]}),
        (_("What it gets"), {"fields": ["is_default", "is_enabled", "language"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        tried = path("<int:channel_id>/try/", self.admin_site.admin_view(self.try_out), name=f"{NAME}_try")
        return [tried, *super().get_urls()]

    def details(self, request: HttpRequest, number: int | None) -> dict[str, Any]:
        latest = None if number is None else AlertDelivery.objects.filter(channel_id=number).order_by("-pk")[:10]
        return {"channel_number": number, "deliveries": latest, "may_try": self.has_change_permission(request)}

    def try_out(self, request: HttpRequest, channel_id: int) -> HttpResponse:
        """One click: a notice that only shows that notices arrive."""
        channel = get_object_or_404(AlertChannel, pk=channel_id)
        if not self.has_change_permission(request, channel):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try_channel(channel)
        messages.success(request, gettext("A trial is on its way. What became of it is shown here."))
        return HttpResponseRedirect(reverse(f"admin:{NAME}_change", args=[channel.pk]))

    @display(description=_("last notice"), label=STATE_TONES)
    def last_notice(self, channel: AlertChannel) -> tuple[str, str]:
        last = channel.deliveries.order_by("-pk").first()
        return ("none", "–") if last is None else (last.state, last.get_state_display())


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(Record, ModelAdmin):
    list_display = ["when", "channel", "coloured_what", "event", "coloured_state", "num_attempts", "error"]
    list_display_links = None
    list_filter = ["state", "what", "channel", "created_at"]
    list_select_related = ["channel", "event"]
    list_per_page = 50
    actions = ["send_again"]

    @admin.action(description=_("Send again what was given up"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[AlertDelivery]) -> None:
        given_up = list(queryset.filter(state=AlertDelivery.State.FAILED))
        for delivery in given_up:
            try_again(delivery)
        messages.success(request, gettext("Sent again: %(num)d") % {"num": len(given_up)})

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("transcription.change_alertchannel")

    @admin.display(description=_("made at"), ordering="created_at")
    def when(self, delivery: AlertDelivery) -> str:
        return date_format(timezone.localtime(delivery.created_at), "Y-m-d H:i:s")

    @display(description=_("what"), ordering="what", label={"firing": "danger", "resolved": "success", "test": "info"})
    def coloured_what(self, delivery: AlertDelivery) -> tuple[str, str]:
        return delivery.what, delivery.get_what_display()

    @display(description=_("state"), ordering="state", label=STATE_TONES)
    def coloured_state(self, delivery: AlertDelivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()
