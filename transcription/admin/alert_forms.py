"""Forms of alert rules and channels: what could never be measured or delivered is refused with a sentence."""

from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from transcription.alerts.notices.webhook import url_problem
from transcription.metrics.names import BY_NAME, EVERY
from transcription.metrics.queries import described
from transcription.models import AlertChannel, AlertRule

NO_METRIC: Final = ("", "—")
METRICS: Final = [(metric.name, metric.name) for metric in sorted(EVERY, key=lambda metric: metric.name)]
COUNTERS: Final = [NO_METRIC, *[(metric.name, metric.name) for metric in EVERY if metric.kind == "counter"]]


class LabelsField(forms.CharField):
    """A dict of texts, written as `model=whisper-base, worker=inference-0`."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(f"{name}={text}" for name, text in sorted(value.items())) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> Any:
        pairs = [pair.partition("=") for pair in (super().to_python(value) or "").split(",") if pair.strip()]
        if not all(name.strip() and sign for name, sign, _text in pairs):
            raise ValidationError(_("Expected names and values such as model=whisper-base, with commas between."))
        return {name.strip(): text.strip() for name, _sign, text in pairs}

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial), data))


class AlertRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    metric = forms.ChoiceField(choices=METRICS, label=_("Metric"), widget=UnfoldAdminSelectWidget)
    per = forms.ChoiceField(
        choices=COUNTERS,
        required=False,
        label=_("Divided by"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("The quotient of how much both counters grew in the window: 0.01 is one error in a hundred sessions."),
    )
    labels = LabelsField(
        required=False,
        label=_("Labels"),
        help_text=_("Only what has these, such as model=whisper-base. Empty: all."),
    )

    channels = forms.ModelMultipleChoiceField(
        queryset=AlertChannel.objects.order_by("name"),
        required=False,
        label=_("Channels"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("None: those that are for all rules without channels."),
    )

    class Meta:
        model = AlertRule
        fields: ClassVar = [
            "name",
            "severity",
            "is_enabled",
            "metric",
            "aggregation",
            "labels",
            "per",
            "min_count",
            "comparison",
            "threshold",
            "window_s",
            "for_s",
            "no_data",
            "cool_down_s",
            "channels",
        ]
        help_texts: ClassVar = {
            "threshold": _("In the unit of the metric: 0.5 for half a second, 0.01 for one per cent, 4e9 for 4 GB."),
            "min_count": _("So many sessions or texts must be in the window, if of fewer nothing is to be said. 0: always."),
            "window_s": _("What the value is made of: so many seconds up to now."),
            "for_s": _("It fires when the value was bad for so long, and is over when it was fine for so long. 0: at once."),
            "cool_down_s": _("Nobody is told again of what fires again within this time after it was over."),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"metric", "aggregation", "labels"} <= cleaned.keys():
            self.check_question(cleaned["metric"], cleaned["aggregation"], cleaned["labels"], cleaned.get("per", ""))
        if cleaned.get("min_count") and BY_NAME[cleaned.get("per") or cleaned["metric"]].kind == "gauge":
            self.add_error("min_count", gettext("A gauge counts nothing; leave it at 0."))
        return cleaned

    def check_question(self, metric: str, how: str, labels: dict[str, str], per: str) -> None:
        try:
            kind = described(metric, how, list(labels)).kind
        except ValueError as err:
            self.add_error("labels" if "label" in str(err) else "aggregation", str(err))
            return
        if per and (kind != "counter" or how != AlertRule.Aggregation.SUM):
            self.add_error("per", gettext("Only the sum of a counter can be divided by another counter."))


class AlertChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    class Meta:
        model = AlertChannel
        fields: ClassVar = ["name", "kind", "target", "secret", "language", "is_default", "is_enabled"]
        widgets: ClassVar = {"secret": UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"})}
        help_texts: ClassVar = {
            "target": _("E-mail: addresses with commas between. Webhook: a URL such as https://example.org/alerts."),
            "secret": _("The receiver of a webhook needs it to tell that a notice is ours. E-mails do not use it."),
            "language": _("Of titles and e-mails."),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind, target = cleaned.get("kind"), cleaned.get("target")
        if kind and target and (problem := email_problem(target) if kind == AlertChannel.Kind.EMAIL else url_problem(target)):
            self.add_error("target", problem)
        if kind == AlertChannel.Kind.EMAIL and not settings.EMAIL_HOST:
            self.add_error("kind", gettext("EMAIL_HOST is not set, so no e-mail can be sent. Name a mail server there."))
        return cleaned


def email_problem(target: str) -> str:
    """What is wrong with these addresses; empty if nothing is."""
    for address in target.split(","):
        try:
            validate_email(address.strip())
        except ValidationError:
            return gettext("%(address)s is no e-mail address.") % {"address": address.strip() or "“”"}
    return ""
