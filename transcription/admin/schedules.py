"""Schedules: windows in which another model serves a route, the week that they make, and wishes that stand above them."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from transcription.admin.dashboard import all_routes
from transcription.admin.forms import DAYS, ScheduleForm
from transcription.admin.records import Record
from transcription.admin.rows import RowPageAdmin
from transcription.admin.schedule_views import changed_plan, clashes, route_week
from transcription.admin.week import Palette, week_of
from transcription.models import ModelRoute, ModelSchedule, RouteOverride
from transcription.schedules import zone_named
from transcription.schedules.zones import zone_names

NAME = "transcription_modelschedule"


@admin.register(ModelSchedule)
class ModelScheduleAdmin(RowPageAdmin):
    form = ScheduleForm
    list_display = ["window", "route", "model", "on_days", "time_zone", "priority", "state"]
    list_display_links = ["window"]
    list_filter = ["route", "model", "is_enabled"]
    list_select_related = ["route", "model"]
    list_before_template = "admin/transcription/modelschedule/links.html"
    change_form_before_template = "admin/transcription/modelschedule/zones.html"
    change_form_outer_after_template = "admin/transcription/modelschedule/preview.html"
    fieldsets = [
        (None, {"fields": ["route", "model", "is_enabled"]}),
        (_("When"), {"fields": ["days", ("starts", "ends"), ("time_zone", "priority")]}),
    ]

    class Media:
        js: ClassVar = [Script("transcription/js/page-admin-schedule.js", type="module")]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("week/", view(self.week), name=f"{NAME}_week"),
            path("check/", view(self.check_window), name=f"{NAME}_check"),
            *super().get_urls(),
        ]

    def week(self, request: HttpRequest) -> HttpResponse:
        """All routes, seven days."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now, palette = timezone.now(), Palette({})
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": _("The next seven days"),
            "weeks": [(route, route_week(route, now, palette)) for route in all_routes() if route.is_enabled],
        }
        return TemplateResponse(request, "admin/transcription/modelschedule/all_weeks.html", context)

    def check_window(self, request: HttpRequest) -> HttpResponse:
        """What is wrong with the window in a form that is being filled in, and what week it would make. Changes nothing."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        number = request.POST.get("schedule", "")
        row = ModelSchedule.objects.filter(pk=number).first() if number.isdecimal() else None
        return JsonResponse(checked(ScheduleForm(request.POST, instance=row)))

    def details(self, request: HttpRequest, number: int | None) -> dict[str, Any]:
        return {"zone_names": sorted(zone_names()), "schedule_id": number or ""}

    @admin.display(description=_("window"), ordering="starts")
    def window(self, schedule: ModelSchedule) -> str:
        return f"{schedule.starts:%H:%M}–{schedule.ends:%H:%M}"

    @admin.display(description=_("days"))
    def on_days(self, schedule: ModelSchedule) -> str:
        if len(schedule.days) == len(DAYS):
            return gettext("every day")
        names = dict(DAYS)
        return ", ".join(str(names[day]) for day in sorted(schedule.days))

    @display(description=_("state"), ordering="is_enabled", label={"on": "success", "off": "danger"})
    def state(self, schedule: ModelSchedule) -> tuple[str, str]:
        return ("on", gettext("enabled")) if schedule.is_enabled else ("off", gettext("disabled"))


def checked(form: ScheduleForm) -> dict[str, Any]:
    """`complaints`: sentences, of fields with their names before; `week`: null while a field that it needs is missing."""
    form.full_clean()
    complaints = [
        sentence if field == "__all__" else f"{form.fields[field].label}: {sentence}"
        for field, sentences in form.errors.items()
        for sentence in sentences
    ]
    return {"complaints": complaints, "week": week_with(form)}


def week_with(form: ScheduleForm) -> Any:
    """The week of the route if the window were stored as it stands in the form; None while that cannot be told."""
    needed = {"route", "model", "days", "starts", "ends", "time_zone", "priority"}
    if not needed <= form.cleaned_data.keys() or form.complaints() or not form.cleaned_data.get("is_enabled"):
        return None
    route: ModelRoute = form.cleaned_data["route"]
    now = timezone.now()
    plan = changed_plan(route, form.window(), now)
    return week_of(plan, zone_named(form.window().time_zone), now, clashes(plan.windows, now))


@admin.register(RouteOverride)
class RouteOverrideAdmin(Record, ModelAdmin):
    """Wishes that stand above the schedule; they are made and taken back on the page of their route."""

    list_display = ["route", "model", "from_at", "until_at", "state", "by", "reason"]
    list_display_links = None
    list_filter = ["route", "model", "from_at"]
    list_select_related = ["route", "model", "by"]

    @display(description=_("state"), label={"now": "info", "later": "warning", "over": ""})
    def state(self, override: RouteOverride) -> tuple[str, str]:
        now = timezone.now()
        if override.from_at > now:
            return "later", gettext("to come")
        is_over = override.until_at is not None and override.until_at <= now
        return ("over", gettext("over")) if is_over else ("now", gettext("holds"))
