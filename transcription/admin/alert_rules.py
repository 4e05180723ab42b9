"""Alert rules: where each stands, and, before one is saved, what it would have done over the last day."""

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from transcription.admin.alert_forms import AlertRuleForm
from transcription.admin.alert_trials import trial_of
from transcription.admin.rows import RowPageAdmin
from transcription.alerts.events import facts_of
from transcription.alerts.notices.payloads import condition_text
from transcription.alerts.quantities import readable
from transcription.models import AlertRule, AlertStanding, Severity

NAME: Final = "transcription_alertrule"
SEVERITY_TONES: Final = {Severity.INFO.value: "info", Severity.WARNING.value: "warning", Severity.CRITICAL.value: "danger"}
STATE_TONES: Final = {"ok": "success", "pending": "warning", "firing": "danger", "no_data": "info", "off": ""}


@admin.register(AlertRule)
class AlertRuleAdmin(RowPageAdmin):
    form = AlertRuleForm
    list_display = ["title", "coloured_severity", "state", "value", "condition", "since"]
    list_display_links = ["title"]
    list_filter = ["severity", "is_enabled", "standing__state"]
    search_fields = ["name", "metric"]
    change_form_outer_after_template = "admin/transcription/alertrule/test.html"
    readonly_fields = ["title"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        return AlertRule.objects.select_related("standing")

    def get_fieldsets(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        """The names of rules that come with the project are translated, and stay."""
        name = "title" if obj is not None and obj.is_shipped else "name"
        return [
            (None, {"fields": [name, "severity", "is_enabled"]}),
            (_("What is looked at"), {"fields": ["metric", "aggregation", "labels", "per", "min_count", "window_s"]}),
            (_("When it fires"), {"fields": [("comparison", "threshold"), ("for_s", "no_data")]}),
            (_("Whom it tells"), {"fields": ["channels", "cool_down_s"]}),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: AlertRule | None = None) -> bool:
        """What comes with the project can only be disabled: it would not come back."""
        return not (obj is not None and obj.is_shipped) and bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> Any:
        """Not all at once: some may not be deleted."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def get_urls(self) -> list[URLPattern]:
        return [path("test/", self.admin_site.admin_view(self.test), name=f"{NAME}_test"), *super().get_urls()]

    def details(self, request: HttpRequest, number: int | None) -> dict[str, Any]:
        may_test = self.has_change_permission(request) or self.has_add_permission(request)
        return {"may_test": may_test, "rule_number": number or ""}

    def test(self, request: HttpRequest) -> HttpResponse:
        """What the rule in a form that is being filled in would have done over the last day. Changes nothing."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        number = request.POST.get("rule_number", "")
        stored = AlertRule.objects.filter(pk=number).first() if number.isdecimal() else None
        form = self.get_form(request, stored, change=stored is not None)(request.POST, instance=stored)
        is_valid = form.is_valid()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": gettext("What the rule would have done"),
            "rule": form.instance,
            "condition": condition_text(facts_of(form.instance)) if is_valid else "",
            "complaints": complaints_of(form),
            "trial": trial_of(form.instance) if is_valid else None,
        }
        return TemplateResponse(request, "admin/transcription/alertrule/trial.html", context)

    # --- Columns

    @admin.display(description=_("name"), ordering="name")
    def title(self, rule: AlertRule) -> str:
        return str(rule)

    @display(description=_("severity"), ordering="severity", label=SEVERITY_TONES)
    def coloured_severity(self, rule: AlertRule) -> tuple[str, str]:
        return rule.severity, rule.get_severity_display()

    @display(description=_("state"), ordering="standing__state", label=STATE_TONES)
    def state(self, rule: AlertRule) -> tuple[str, str]:
        if not rule.is_enabled:
            return "off", gettext("disabled")
        standing = standing_of(rule)
        return ("no_data", gettext("not looked at yet")) if standing is None else (standing.state, standing.get_state_display())

    @admin.display(description=_("value"), ordering="standing__value")
    def value(self, rule: AlertRule) -> str:
        standing = standing_of(rule)
        return readable(rule.metric, None if standing is None else standing.value, how=rule.aggregation, per=rule.per)

    @admin.display(description=_("condition"))
    def condition(self, rule: AlertRule) -> str:
        return condition_text(facts_of(rule))

    @admin.display(description=_("since"), ordering="standing__since")
    def since(self, rule: AlertRule) -> str:
        standing = standing_of(rule)
        if standing is None or standing.since is None or not rule.is_enabled:
            return "–"
        return date_format(timezone.localtime(standing.since), "Y-m-d H:i:s")


def standing_of(rule: AlertRule) -> AlertStanding | None:
    return getattr(rule, "standing", None)


def complaints_of(form: Any) -> list[str]:
    """Sentences, of fields with their names before."""
    return [
        sentence if field == "__all__" else f"{form.fields[field].label}: {sentence}"
        for field, sentences in form.errors.items()
        for sentence in sentences
    ]
