"""Who changed what in the admin site, and when. Whoever looks sees changes of those tables that they may see."""

from typing import Final

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from transcription.admin.records import Record
from transcription.admin.sentences import localised

ACTIONS: Final = {ADDITION: ("added", _("added")), CHANGE: ("changed", _("changed")), DELETION: ("deleted", _("deleted"))}


@admin.register(LogEntry)
class LogEntryAdmin(Record, ModelAdmin):
    list_display = ["when", "user", "deed", "content_type", "what", "detail"]
    list_display_links = None
    list_filter = ["action_flag", ("content_type", admin.RelatedOnlyFieldListFilter), "action_time"]
    list_select_related = ["user", "content_type"]
    list_per_page = 50
    search_fields = ["user__username", "object_repr", "change_message"]
    search_help_text = _("Person, thing, or what was changed of it")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogEntry]:
        entries = LogEntry.objects.select_related("user", "content_type")
        user = request.user
        if user.is_superuser:
            return entries
        return entries.filter(content_type__in=visible_types(user)) if isinstance(user, User) else entries.none()

    @admin.display(description=_("when"), ordering="action_time")
    def when(self, entry: LogEntry) -> str:
        return date_format(timezone.localtime(entry.action_time), "Y-m-d H:i:s")

    @display(
        description=_("did"),
        ordering="action_flag",
        label={"added": "success", "changed": "info", "deleted": "danger"},
    )
    def deed(self, entry: LogEntry) -> tuple[str, object]:
        return ACTIONS[entry.action_flag]

    @admin.display(description=_("thing"))
    def what(self, entry: LogEntry) -> str | SafeString:
        """With a link, where it is still there."""
        if entry.action_flag == DELETION or entry.content_type is None:
            return entry.object_repr
        name = f"admin:{entry.content_type.app_label}_{entry.content_type.model}_change"
        try:
            return format_html('<a href="{}">{}</a>', reverse(name, args=[entry.object_id]), entry.object_repr)
        except NoReverseMatch:
            return entry.object_repr

    @admin.display(description=_("detail"))
    def detail(self, entry: LogEntry) -> str:
        return localised(entry.get_change_message())


def visible_types(user: User) -> list[ContentType]:
    """Tables that `user` may look at."""
    return [kind for kind in ContentType.objects.all() if user.has_perm(f"{kind.app_label}.view_{kind.model}")]
