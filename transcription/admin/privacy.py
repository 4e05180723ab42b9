"""Erasures, to see and to ask for, and stored audio, to see and to delete. Nobody listens to it here: it is its speakers'."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelect2Widget

from transcription.admin.records import ReadOnly, Record
from transcription.models import Erasure, StoredAudio
from transcription.privacy.erasure import request_erasure
from transcription.templatetags.transcription_format import clock


class ErasureForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    user = forms.ModelChoiceField(
        User.objects.order_by("username"),
        label=_("user"),
        widget=UnfoldAdminSelect2Widget,
        help_text=_("All that this user has said up to now is deleted within a minute, for good. The account and its keys stay."),
    )

    class Meta:
        model = Erasure
        fields: ClassVar = ["user"]


@admin.register(Erasure)
class ErasureAdmin(Record, ModelAdmin):
    """Who asked, or was asked for, and when all was gone. To add one is to ask."""

    form = ErasureForm
    list_display = ["requested_at", "whose", "state", "finished_at", "num_sessions"]
    list_select_related = ["user"]
    list_per_page = 50
    search_fields = ["user__username"]

    def has_add_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return bool(request.user.has_perm("transcription.add_erasure"))

    def get_fields(self, request: HttpRequest, obj: Erasure | None = None) -> list[str]:
        return ["user"] if obj is None else ["whose", "requested_at", "finished_at", "num_sessions"]

    def save_model(self, request: HttpRequest, obj: Erasure, form: Any, change: bool) -> None:  # noqa: FBT001 -- Django's
        asked = request_erasure(obj.user_id)
        obj.pk, obj.requested_at = asked.pk, asked.requested_at

    @admin.display(description=_("user"), ordering="user")
    def whose(self, erasure: Erasure) -> str:
        return str(erasure.user) if erasure.user is not None else str(_("nobody: recorded without signing in"))

    @display(description=_("state"), label={"done": "success", "open": "info"})
    def state(self, erasure: Erasure) -> tuple[str, Any]:
        return ("open", _("under way")) if erasure.finished_at is None else ("done", _("done"))


@admin.register(StoredAudio)
class StoredAudioAdmin(ReadOnly, ModelAdmin):
    list_display = ["created_at", "session", "owner", "duration", "size", "expires_at"]
    list_select_related = ["session__owner"]
    list_per_page = 50
    search_fields = ["session__owner__username"]
    fields: ClassVar = ["session", "number", "start_ms", "duration_ms", "sample_rate_hz", "size", "created_at", "expires_at"]

    @admin.display(description=_("owner"), ordering="session__owner")
    def owner(self, audio: StoredAudio) -> str:
        return str(audio.session.owner or "–")

    @admin.display(description=_("duration"), ordering="duration_ms")
    def duration(self, audio: StoredAudio) -> str:
        return clock(audio.duration_ms)

    @admin.display(description=_("size"), ordering="num_bytes")
    def size(self, audio: StoredAudio) -> str:
        return filesizeformat(audio.num_bytes)

    @admin.display(description=_("deleted at"), ordering="created_at")
    def expires_at(self, audio: StoredAudio) -> datetime:
        return audio.created_at + timedelta(days=settings.HARK_AUDIO_TTL_DAYS)
