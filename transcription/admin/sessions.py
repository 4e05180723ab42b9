"""Stored sessions: to look at, to search and to delete.

Transcripts are evidence of what was said: nobody edits them here, superusers included.
"""

from typing import ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from transcription import services
from transcription.admin.records import ReadOnly
from transcription.models import Segment, Session, SessionQuerySet
from transcription.templatetags.transcription_format import clock

STATUS_COLOURS = {"live": "info", "complete": "success", "incomplete": "warning", "failed": "danger"}


class SegmentInline(ReadOnly, TabularInline):
    model = Segment
    fields = ["number", "start_ms", "end_ms", "language", "confidence", "model", "text"]
    readonly_fields = fields
    ordering = ["number"]
    per_page = 50
    extra = 0
    tab = True
    hide_title = True
    can_delete = False


@admin.register(Session)
class SessionAdmin(ReadOnly, ModelAdmin):
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


def parsed_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
