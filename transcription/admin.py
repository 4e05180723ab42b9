"""The admin site: stored sessions to look at and delete, users and groups, and the periodic tasks of Celery beat.

Transcripts are evidence of what was said: nobody edits them here, superusers included.
"""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django_celery_beat import admin as beat_admin
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from transcription import keys, services
from transcription.access import Scope
from transcription.models import ApiKey, Segment, Session, SessionQuerySet
from transcription.templatetags.transcription_format import clock

STATUS_COLOURS = {"live": "info", "complete": "success", "incomplete": "warning", "failed": "danger"}


# --- Transcripts ------------------------------------------------------------------------------------------------------


class SegmentInline(TabularInline):
    model = Segment
    fields = ["number", "start_ms", "end_ms", "language", "confidence", "model", "text"]
    readonly_fields = fields
    ordering = ["number"]
    per_page = 50
    extra = 0
    tab = True
    hide_title = True
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        return False


@admin.register(Session)
class SessionAdmin(ModelAdmin):
    list_display = ["started_at", "owner", "client", "language", "model", "coloured_status", "duration", "segment_count"]
    list_display_links = ["started_at"]
    list_filter = ["status", "language", "model", "started_at"]
    list_select_related = ["owner"]
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["owner__username", "client"]
    search_help_text = _("Session number, owner, client, or words that were said")
    inlines: ClassVar = [SegmentInline]
    fieldsets = [
        (None, {"fields": ["transcript"]}),
        (_("Session"), {"fields": ["id", "owner", "client", "language", "model", "status", "error_code"]}),
        (_("Time"), {"fields": ["started_at", "ended_at", "last_seen_at", "duration"]}),
        (_("Audio"), {"fields": ["received_ms", "transcribed_ms", "silence_ms", "gap_ms"]}),
        (_("More"), {"fields": ["metadata", "latency"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> SessionQuerySet:
        return Session.objects.select_related("owner").with_num_segments()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        """Sessions by owner, client, exact number, or full text."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        said = Session.objects.containing(term).values("pk")
        wanted = Q(owner__username__icontains=term) | Q(client__icontains=term) | Q(pk__in=said)
        session_id = parsed_uuid(term)
        return queryset.filter(wanted | Q(pk=session_id) if session_id else wanted), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        is_live = obj is not None and obj.status == Session.Status.LIVE
        return not is_live and bool(super().has_delete_permission(request, obj))

    def delete_model(self, request: HttpRequest, obj: Session) -> None:
        self.delete_queryset(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Session] | list[Session]") -> None:
        for session in queryset:
            try:
                services.delete_session(session)
            except services.SessionIsLive:
                messages.error(request, _("Session %s is being spoken again and was kept.") % session.pk)

    @display(description=_("status"), ordering="status", label=STATUS_COLOURS)
    def coloured_status(self, session: Session) -> tuple[str, str]:
        return session.status, session.get_status_display()

    @admin.display(description=_("duration"))
    def duration(self, session: Session) -> str:
        return "–" if session.duration_ms is None else clock(session.duration_ms)

    @admin.display(description=_("segments"), ordering="num_segments")
    def segment_count(self, session: Session) -> int:
        return int(getattr(session, "num_segments", 0))

    @admin.display(description=_("transcript"))
    def transcript(self, session: Session) -> SafeString:
        segments = session.segments.exclude(text="").order_by("number")
        return render_to_string("admin/transcription/session/transcript.html", {"segments": segments})


# --- API keys -----------------------------------------------------------------------------------------------------------


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    scopes = forms.TypedMultipleChoiceField(
        choices=ApiKey.SCOPES,
        coerce=Scope,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=[Scope.STREAM],
        label=_("scopes"),
    )

    class Meta:
        model = ApiKey
        fields: ClassVar = ["owner", "name", "scopes", "max_streams", "max_audio_s_per_day", "expires_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """A key is made here and shown once; afterwards it can be revoked, and what it may do can be changed, but not whose it is.

    There is no deleting: the sessions that it recorded keep saying which key it was.
    """

    form = ApiKeyForm
    list_display = ["name", "prefix", "owner", "scopes", "state", "last_used_at", "expires_at"]
    list_filter = ["owner", "revoked_at", "expires_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "prefix", "owner__username"]
    actions = ["revoke"]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        return [] if obj is None else ["owner", "prefix", "created_at", "revoked_at", "last_used_at"]

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        fields = ["owner", "name", "scopes", "max_streams", "max_audio_s_per_day", "expires_at"]
        return fields if obj is None else [*fields, "prefix", "created_at", "revoked_at", "last_used_at"]

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001 -- Django's
        if change:
            super().save_model(request, obj, form, change)
            return
        made, text = keys.make_key(
            obj.owner,
            obj.name,
            form.cleaned_data["scopes"],
            max_streams=obj.max_streams,
            max_audio_s_per_day=obj.max_audio_s_per_day,
            expires_at=obj.expires_at,
        )
        obj.pk, obj.prefix, obj.fresh_text = made.pk, made.prefix, text

    @admin.action(description=_("Revoke the selected keys"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            keys.revoke_key(key)
        messages.success(request, _("Revoked. Their sockets are closed within seconds."))

    @display(description=_("state"), label={"usable": "success", "over": "danger"})
    def state(self, key: ApiKey) -> tuple[str, Any]:
        if key.is_usable:
            return "usable", _("usable")
        return "over", _("revoked") if key.revoked_at else _("expired")

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """The key itself is on this one page: it goes through no cookie, no message store and no cache."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("The API key, shown only this once"),
            "opts": self.model._meta,
            "key": obj,
        }
        return TemplateResponse(request, "admin/transcription/apikey/made.html", context)  # the site forbids caching


def parsed_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# --- Users and periodic tasks in the site's own look --------------------------------------------------------------------

for model in (User, Group, PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)


@admin.register(User)
class HarkUserAdmin(UserAdmin, ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class HarkGroupAdmin(GroupAdmin, ModelAdmin):
    pass


class TaskSelectWidget(UnfoldAdminSelectWidget, beat_admin.TaskSelectWidget):
    pass


class PeriodicTaskForm(beat_admin.PeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelectWidget()


@admin.register(PeriodicTask)
class HarkPeriodicTaskAdmin(beat_admin.PeriodicTaskAdmin, ModelAdmin):
    form = PeriodicTaskForm


@admin.register(IntervalSchedule)
class HarkIntervalScheduleAdmin(beat_admin.IntervalScheduleAdmin, ModelAdmin):
    pass


@admin.register(CrontabSchedule)
class HarkCrontabScheduleAdmin(beat_admin.CrontabScheduleAdmin, ModelAdmin):
    pass


@admin.register(SolarSchedule)
class HarkSolarScheduleAdmin(beat_admin.SolarScheduleAdmin, ModelAdmin):
    pass


@admin.register(ClockedSchedule)
class HarkClockedScheduleAdmin(beat_admin.ClockedScheduleAdmin, ModelAdmin):
    pass
