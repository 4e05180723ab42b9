"""Routes: which model serves whom, now and this week; another model by a click, and back by one more.

A route is never without a model: its model is chosen when the route is made, and changed by swaps only.
"""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from transcription.admin.dashboard import condition, failures_beside, next_sentence, serving
from transcription.admin.forms import ChangeModelForm, NewRouteForm, RouteForm
from transcription.admin.rows import RowPageAdmin
from transcription.admin.schedule_views import route_week
from transcription.admin.sentences import ASKED, FOLLOWS_SCHEDULE, MADE_READY, PAIRED, PUT_INTO_SERVICE, WENT_BACK, localised
from transcription.admin.swaps import view_of
from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.swaps import SwapRefused, request_beside, request_rollback, request_swap, scheduling

NAME = "transcription_modelroute"


@admin.register(ModelRoute)
class ModelRouteAdmin(RowPageAdmin):
    form = RouteForm
    list_display = ["name", "state", "serving_now", "partials", "lighter", "next_change", "back_to"]
    list_display_links = ["name"]
    list_filter = ["scenario", "is_enabled"]
    search_fields = ["scenario", "language", "model__name"]
    change_form_outer_before_template = "admin/transcription/modelroute/now.html"
    change_form_outer_after_template = "admin/transcription/modelroute/week.html"

    class Media:
        js: ClassVar = [Script("transcription/js/page-admin-swaps.js", type="module")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelRoute]:
        routes = ModelRoute.objects.select_related("model", "partial_model", "fallback", "usual_model", "previous_model")
        return routes.prefetch_related("schedules__model", "overrides__model")

    def get_form(self, request: HttpRequest, obj: ModelRoute | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 -- Django's
        form = NewRouteForm if obj is None else RouteForm
        return super().get_form(request, obj, change, **kwargs | {"form": form})

    def get_fieldsets(self, request: HttpRequest, obj: ModelRoute | None = None) -> Any:
        whom = ["scenario", "language"]
        return [
            (_("Whom it serves"), {"fields": [*whom, "is_enabled"] if obj is not None else [*whom, "model", "is_enabled"]}),
            (_("How it hears"), {"fields": ["partial_model", "language_model"]}),
            (_("When there is too much to do"), {"fields": ["fallback", ("fallback_above_ms", "fallback_below_ms")]}),
        ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:route_id>/model/", view(self.change_model), name=f"{NAME}_model"),
            path("<int:route_id>/back/", view(self.roll_back), name=f"{NAME}_back"),
            path("<int:route_id>/schedule/", view(self.follow_schedule), name=f"{NAME}_follow"),
            *super().get_urls(),
        ]

    # --- Pages

    def details(self, request: HttpRequest, number: int | None) -> dict[str, Any]:
        route = None if number is None else self.get_queryset(request).filter(pk=number).first()
        return self.now_context(request, route) if route is not None else {}

    def now_context(self, request: HttpRequest, route: ModelRoute) -> dict[str, Any]:
        now = timezone.now()
        note, tone = condition(route)
        overrides = [row for row in route.overrides.all() if row.until_at is None or row.until_at > now]
        return {
            "hark_route": route,
            "serving": serving(route),
            "note": note,
            "tone": tone,
            "next_change": next_sentence(route, now),
            "failures": failures_beside(route),
            "overrides": [row for row in overrides if row.from_at <= now],
            "open_swaps": [view_of(swap) for swap in ModelSwap.objects.open().filter(route=route)],
            "recent_swaps": [view_of(swap) for swap in ModelSwap.objects.filter(route=route).order_by("-pk")[:5]],
            "week": route_week(route, now),
            "schedules": list(route.schedules.all()),
            "may_change": self.has_change_permission(request, route),
            "may_schedule": request.user.has_perm("transcription.add_modelschedule"),
        }

    def change_model(self, request: HttpRequest, route_id: int) -> HttpResponse:
        """A page with the choice of another model; a POST asks for the swap."""
        route = self.changeable(request, route_id)
        form = ChangeModelForm(request.POST or None, route=route)
        if request.method == "POST" and form.is_valid():
            return self.ask(request, route, form)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": gettext("Another model for %(route)s") % {"route": route},
            "hark_route": route,
            "form": form,
        }
        return TemplateResponse(request, "admin/transcription/modelroute/change_model.html", context)

    def ask(self, request: HttpRequest, route: ModelRoute, form: ChangeModelForm) -> HttpResponse:
        given, by = form.cleaned_data, request.user
        assert isinstance(by, User)
        try:
            if given["until"] is None:
                swap: ModelSwap | None = request_swap(route, given["model"], ModelSwap.Reason.MANUAL, by, given["note"])
            else:
                swap = scheduling.override_now(route, given["model"], given["until"], by=by, reason=given["note"])
        except SwapRefused as err:
            messages.error(request, localised(str(err)))
            return to_route(route)
        self.log_change(request, route, ASKED % {"model": given["model"]})
        return to_route(route) if swap is None else to_swap(swap)

    def roll_back(self, request: HttpRequest, route_id: int) -> HttpResponse:
        """One click: back to the model before."""
        route = self.changeable(request, route_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        assert isinstance(request.user, User)
        try:
            swap = request_rollback(route, by=request.user)
        except SwapRefused as err:
            messages.error(request, localised(str(err)))
            return to_route(route)
        self.log_change(request, route, WENT_BACK % {"model": swap.to_name})
        return to_swap(swap)

    def follow_schedule(self, request: HttpRequest, route_id: int) -> HttpResponse:
        """Takes back what stands above the schedule."""
        route = self.changeable(request, route_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        swap = scheduling.end_override(route)
        self.log_change(request, route, FOLLOWS_SCHEDULE)
        messages.success(request, gettext("The schedule decides again."))
        return to_route(route) if swap is None else to_swap(swap)

    def changeable(self, request: HttpRequest, route_id: int) -> ModelRoute:
        """With nothing fetched beside it, which a change would make untrue. Raises PermissionDenied, Http404."""
        route = get_object_or_404(ModelRoute, pk=route_id)
        if not self.has_change_permission(request, route):
            raise PermissionDenied
        return route

    # --- Saving

    def save_model(self, request: HttpRequest, obj: ModelRoute, form: Any, change: bool) -> None:  # noqa: FBT001 -- Django's
        """A route goes into service by a swap to its own model, which loads it first; its lighter model is loaded after it."""
        was_enabled = change and bool(form.initial.get("is_enabled"))
        is_wanted = obj.is_enabled and not was_enabled
        obj.is_enabled = obj.is_enabled and not is_wanted
        super().save_model(request, obj, form, change)
        will_serve = self.put_into_service(request, obj) if is_wanted else obj.is_enabled
        if will_serve and (is_wanted or "partial_model" in form.changed_data):
            self.make_ready(request, obj, obj.partial_model, PAIRED)
        if will_serve and (is_wanted or "fallback" in form.changed_data):
            self.make_ready(request, obj, obj.fallback, MADE_READY)

    def put_into_service(self, request: HttpRequest, route: ModelRoute) -> bool:
        """Whether it was asked for."""
        assert isinstance(request.user, User)
        try:
            request_swap(route, route.model, ModelSwap.Reason.MANUAL, request.user, PUT_INTO_SERVICE)
        except SwapRefused as err:
            messages.error(request, localised(str(err)))
            return False
        messages.info(request, gettext("%(route)s goes into service when its model is loaded.") % {"route": route})
        return True

    def make_ready(self, request: HttpRequest, route: ModelRoute, model: ASRModel | None, note: str) -> None:
        """It has to be in memory, and to have heard the reference clip, before it is needed. note: MADE_READY or PAIRED."""
        assert isinstance(request.user, User)
        try:
            swap = request_beside(route, model, request.user, note)
        except SwapRefused as err:
            messages.error(request, localised(str(err)))
            return
        if swap is not None:
            sentence = (
                gettext("%(model)s is loaded and tried now as the lighter model of %(route)s.")
                if note == MADE_READY
                else gettext("%(model)s is loaded and tried now for the partial texts of %(route)s.")
            )
            messages.info(request, sentence % {"model": swap.to_name, "route": route})

    def response_add(self, request: HttpRequest, obj: ModelRoute, post_url_continue: str | None = None) -> HttpResponse:
        """To the page of the route, where its swap can be watched."""
        if "_addanother" in request.POST:
            response: HttpResponse = super().response_add(request, obj, post_url_continue)
            return response
        return to_route(obj)

    def response_change(self, request: HttpRequest, obj: ModelRoute) -> HttpResponse:
        """To the page of the route, where what was asked for can be watched."""
        response: HttpResponse = super().response_change(request, obj)
        is_left = isinstance(response, HttpResponseRedirect) and "_addanother" not in request.POST
        return to_route(obj) if is_left else response

    # --- Columns

    @admin.display(description=_("route"), ordering="scenario")
    def name(self, route: ModelRoute) -> str:
        return str(route)

    @display(description=_("state"), label={"success": "success", "warning": "warning", "off": "danger"})
    def state(self, route: ModelRoute) -> tuple[str, str]:
        note, tone = condition(route)
        return tone, note

    @admin.display(description=_("serving"), ordering="model__name")
    def serving_now(self, route: ModelRoute) -> str:
        return serving(route)

    @admin.display(description=_("partial texts"), ordering="partial_model__name")
    def partials(self, route: ModelRoute) -> str:
        return "–" if route.partial_model is None else route.partial_model.name

    @admin.display(description=_("lighter model"), ordering="fallback__name")
    def lighter(self, route: ModelRoute) -> str:
        return "–" if route.fallback is None else route.fallback.name

    @admin.display(description=_("next"))
    def next_change(self, route: ModelRoute) -> str:
        return next_sentence(route, timezone.now()) or "–"

    @admin.display(description=_("before"))
    def back_to(self, route: ModelRoute) -> str:
        return "–" if route.previous_model is None else route.previous_model.name


def to_route(route: ModelRoute) -> HttpResponse:
    return HttpResponseRedirect(reverse(f"admin:{NAME}_change", args=[route.pk]))


def to_swap(swap: ModelSwap) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:transcription_modelswap_change", args=[swap.pk]))
