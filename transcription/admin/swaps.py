"""Swaps: the record of who changed which model when and why, and how a running one gets on. Nobody edits the record."""

from datetime import datetime
from typing import Any, ClassVar, Final, TypedDict

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import Script
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format, time_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from transcription.admin.records import Record
from transcription.admin.rows import RowPageAdmin
from transcription.admin.sentences import localised
from transcription.models import ModelSwap
from transcription.templatetags.transcription_format import clock

State = ModelSwap.State
STATE_TONES: Final = {
    State.DONE.value: "success",
    State.FAILED.value: "danger",
    State.ROLLED_BACK.value: "warning",
} | {state.value: "info" for state in State if state not in ModelSwap.OVER}
REASON_TONES: Final = {
    ModelSwap.Reason.MANUAL.value: "primary",
    ModelSwap.Reason.ROLLBACK.value: "warning",
    ModelSwap.Reason.FALLBACK.value: "warning",
}
STAGES: Final = (State.CHECKING, State.LOADING, State.CANARY, State.SWITCHING, State.DRAINING, State.DONE)
STAGE_NAMES: Final = {
    "checking": _("Checking"),
    "loading": _("Loading"),
    "warming": _("Warming up"),
    "canary": _("Hearing the reference clip"),
    "loaded": _("Loaded"),
    "room": _("Making room"),
    "later": _("Will make room"),
    "back": _("Loaded again"),
    "missing": _("Could not be loaded again"),
    "switching": _("Switching"),
    "draining": _("Letting streams finish"),
    "unloading": _("Unloading"),
    "unloaded": _("Unloaded"),
    "kept": _("Kept in memory"),
    "unreachable": _("Does not answer"),
    "done": _("Done"),
    "failed": _("Failed"),
}


class StageView(TypedDict):
    """`status`: done, now, failed or todo."""

    name: str
    status: str


class StepView(TypedDict):
    at: str
    time: str
    worker: str
    stage: str
    detail: str


class SwapView(TypedDict):
    """What a page shows of a swap; the same for the first look and for each further one."""

    number: int
    title: str
    state: str
    tone: str
    is_over: bool
    error: str
    lasted: str
    stages: list[StageView]
    steps: list[StepView]
    url: str


def view_of(swap: ModelSwap) -> SwapView:
    return SwapView(
        number=swap.pk,
        title=title_of(swap),
        state=str(swap.get_state_display()),
        tone=STATE_TONES[swap.state],
        is_over=swap.is_over,
        error=localised(swap.error),
        lasted=clock(lasted_ms(swap)),
        stages=stages_of(swap),
        steps=[step_view(step) for step in swap.progress],
        url=reverse("admin:transcription_modelswap_progress", args=[swap.pk]),
    )


def title_of(swap: ModelSwap) -> str:
    if not swap.from_name:
        return gettext("%(route)s: %(model)s") % {"route": swap.route_name, "model": swap.to_name}
    return f"{swap.route_name}: {swap.from_name} → {swap.to_name}"


def lasted_ms(swap: ModelSwap) -> int:
    if swap.duration_ms is not None:
        return swap.duration_ms
    return max(0, round((timezone.now() - swap.started_at).total_seconds() * 1000))


def stages_of(swap: ModelSwap) -> list[StageView]:
    """How far it came. One that failed did so in the last stage that it entered."""
    entered = [step["stage"] for step in swap.progress if not step["worker"] and step["stage"] in STAGES]
    position = STAGES.index(State(entered[-1])) if entered else -1
    at_it = "failed" if swap.state == State.FAILED else "now"
    views = []
    for number, stage in enumerate(STAGES):
        status = "done" if number < position else at_it if number == position else "todo"
        is_done = status == "now" and stage == State.DONE
        views.append(StageView(name=str(STAGE_NAMES[stage.value]), status="done" if is_done else status))
    return views


def step_view(step: dict[str, Any]) -> StepView:
    at = timezone.localtime(datetime.fromisoformat(step["at"]))
    return StepView(
        at=step["at"],
        time=time_format(at, "H:i:s"),
        worker=step["worker"],
        stage=str(STAGE_NAMES.get(step["stage"], step["stage"])),
        detail=localised(step["detail"]),
    )


@admin.register(ModelSwap)
class ModelSwapAdmin(Record, RowPageAdmin):
    list_display = ["when", "route_name", "change", "why", "by", "coloured_state", "lasted"]
    list_display_links = ["when"]
    list_filter = ["state", "reason", "route", "started_at"]
    list_select_related = ["by"]
    list_per_page = 50
    search_fields = ["route_name", "from_name", "to_name", "by__username", "note", "error"]
    search_help_text = _("Route, model, person, note or error")
    change_form_outer_before_template = "admin/transcription/modelswap/progress.html"
    fieldsets = [(None, {"fields": ["route_name", "change", "reason", "by", "noted", "when"]})]

    class Media:
        js: ClassVar = [Script("transcription/js/page-admin-swaps.js", type="module")]

    def get_urls(self) -> list[URLPattern]:
        progress = path(
            "<int:swap_id>/progress/", self.admin_site.admin_view(self.progress), name="transcription_modelswap_progress"
        )
        return [progress, *super().get_urls()]

    def progress(self, request: HttpRequest, swap_id: int) -> HttpResponse:
        """What a page that shows the swap asks for each second."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(view_of(get_object_or_404(ModelSwap, pk=swap_id)))

    def details(self, request: HttpRequest, number: int | None) -> dict[str, Any]:
        swap = None if number is None else ModelSwap.objects.filter(pk=number).first()
        return {"swap": view_of(swap)} if swap is not None else {}

    @admin.display(description=_("when"), ordering="started_at")
    def when(self, swap: ModelSwap) -> str:
        return date_format(timezone.localtime(swap.started_at), "Y-m-d H:i:s")

    @admin.display(description=_("model"))
    def change(self, swap: ModelSwap) -> str:
        return f"{swap.from_name} → {swap.to_name}" if swap.from_name else swap.to_name

    @admin.display(description=_("note"))
    def noted(self, swap: ModelSwap) -> str:
        return localised(swap.note)

    @display(description=_("why"), ordering="reason", label=REASON_TONES)
    def why(self, swap: ModelSwap) -> tuple[str, str]:
        return swap.reason, swap.get_reason_display()

    @display(description=_("state"), ordering="state", label=STATE_TONES)
    def coloured_state(self, swap: ModelSwap) -> tuple[str, str]:
        return swap.state, swap.get_state_display()

    @admin.display(description=_("lasted"), ordering="duration_ms")
    def lasted(self, swap: ModelSwap) -> str:
        return clock(lasted_ms(swap))
