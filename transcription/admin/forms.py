"""Forms of routes and schedules: what would leave a route without a model, or with two at once, is refused with a sentence."""

from datetime import datetime
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from inference.capabilities import uses
from inference.decoding.artefact import NO_LANGUAGE_MODEL
from transcription.admin.sentences import localised
from transcription.models import ASRModel, ModelRoute, ModelSchedule
from transcription.schedules import Conflict, Window, find_conflicts, window_complaints, zone_named
from transcription.serving.choices import window_of
from transcription.serving.language_models import installed_language_models
from transcription.swaps import why_unfit

DAYS: Final = (
    (0, _("Monday")),
    (1, _("Tuesday")),
    (2, _("Wednesday")),
    (3, _("Thursday")),
    (4, _("Friday")),
    (5, _("Saturday")),
    (6, _("Sunday")),
)
"""As in schedules.DAY_NAMES, in the reader's language."""


class ModelChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """A model of the catalogue, with what helps to choose."""

    widget = UnfoldAdminSelectWidget

    def label_from_instance(self, obj: Any) -> str:
        facts = [obj.precision]
        if obj.memory_bytes:
            facts.append(f"{obj.memory_bytes / 1e6:.0f} MB")
        if obj.rtf:
            facts.append(gettext("%(speed).1f× as fast as speech") % {"speed": 1 / obj.rtf})
        if obj.wer is not None:
            facts.append(gettext("%(wer).1f %% of words wrong") % {"wer": 100 * obj.wer})
        return " · ".join([obj.name, *(fact for fact in facts if fact)])


def enabled_models() -> Any:
    return ASRModel.objects.filter(is_enabled=True).order_by("name")


def language_model_choice(chosen: str, empty_label: Any, help_text: Any) -> forms.ChoiceField:
    """Among those that lie on this machine, and the one that was chosen, even if it is gone."""
    names = sorted({*installed_language_models(), chosen} - {"", NO_LANGUAGE_MODEL})
    return forms.ChoiceField(
        choices=[("", empty_label), *((name, name) for name in names), (NO_LANGUAGE_MODEL, _("none"))],
        required=False,
        label=_("Language model"),
        help_text=help_text,
        widget=UnfoldAdminSelectWidget,
    )


class RouteForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Of a route that is there: its model is changed by swaps only."""

    partial_model = ModelChoice(
        queryset=ASRModel.objects.none(),
        label=_("Model of partial texts"),
        required=False,
        help_text=_(
            "A fast one, for text that appears while somebody speaks. Empty: the route's own model, which writes finals."
        ),
    )
    fallback = ModelChoice(
        queryset=ASRModel.objects.none(),
        label=_("Lighter model"),
        required=False,
        help_text=_("For what is said while texts come late. It stays in memory beside the other."),
    )

    class Meta:
        model = ModelRoute
        fields: ClassVar = [
            "scenario",
            "language",
            "partial_model",
            "language_model",
            "fallback",
            "fallback_above_ms",
            "fallback_below_ms",
            "is_enabled",
        ]
        help_texts: ClassVar = {
            "scenario": _("What clients ask for: general, telephony, commands, dictation, or a name of your own."),
            "language": _("A tag such as en or zh-hant. Empty: every language that has no route of its own."),
            "is_enabled": _("A route goes into service when its model is loaded and has heard the reference clip rightly."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("model", "partial_model", "fallback"):
            if name in self.fields:
                self.fields[name].queryset = enabled_models()  # type: ignore[attr-defined]  # a ModelChoice
        if "language_model" in self.fields:
            self.fields["language_model"] = language_model_choice(
                self.instance.language_model,
                _("the model's own, if it has one"),
                _("What is likely to be said, for models that take one. They are made with manage.py lm build."),
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        language, model = cleaned.get("language"), self.chosen_model()
        if language is None or model is None:
            return cleaned
        if sentence := why_unfit(language, model):
            self.add_error("model" if "model" in self.fields else "language", localised(sentence))
        if self.gives_in_vain(cleaned.get("language_model", ""), model):
            sentence = gettext("%(model)s makes no use of language models: choose none here.")
            self.add_error("language_model", sentence % {"model": model})
        for name in ("partial_model", "fallback"):
            beside = cleaned.get(name)
            is_new = {name, "model", "language"} & set(self.changed_data)  # a swap may have made it the only one
            if beside is not None and is_new and (sentence := self.why_not_beside(name, language, model, beside)):
                self.add_error(name, sentence)
        return cleaned

    def chosen_model(self) -> ASRModel | None:
        if "model" in self.fields:
            chosen: ASRModel | None = self.cleaned_data.get("model")
            return chosen
        own: ASRModel = self.instance.model
        return own

    def gives_in_vain(self, language_model: str, model: ASRModel) -> bool:
        """Whether somebody chooses a language model just now that `model` makes no use of."""
        is_new = {"language_model", "model"} & set(self.changed_data)  # a swap may have changed the model
        return bool(is_new) and language_model not in {"", NO_LANGUAGE_MODEL} and not uses(model.engine, "language_model")

    def why_not_beside(self, name: str, language: str, model: ASRModel, beside: ASRModel) -> str:
        """What is wrong with `beside`, the model of partial texts or the lighter one."""
        if beside == model and name == "fallback":
            return gettext("This is the route's own model: choose a lighter one, or none.")
        if beside == model:
            return gettext("This is the route's own model: choose a faster one, or none.")
        return localised(why_unfit(language, beside))


class NewRouteForm(RouteForm):
    """With the model that it begins with."""

    model = ModelChoice(queryset=ASRModel.objects.none(), label=_("Model"))

    class Meta(RouteForm.Meta):
        fields: ClassVar = [*RouteForm.Meta.fields, "model"]


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    model = ModelChoice(queryset=ASRModel.objects.none(), label=_("Model"))
    days = forms.TypedMultipleChoiceField(
        choices=DAYS,
        coerce=int,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label=_("Days"),
        help_text=_("Days on which the window begins."),
        error_messages={"required": _("The window has no day. Choose at least one on which it begins.")},
    )

    class Meta:
        model = ModelSchedule
        fields: ClassVar = ["route", "model", "days", "starts", "ends", "time_zone", "priority", "is_enabled"]
        widgets: ClassVar = {
            "time_zone": UnfoldAdminTextInputWidget(attrs={"list": "time-zones", "autocomplete": "off"}),
            "starts": UnfoldAdminTextInputWidget(attrs={"type": "time"}),
            "ends": UnfoldAdminTextInputWidget(attrs={"type": "time"}),
        }
        help_texts: ClassVar = {
            "ends": _("At or before the beginning: on the next day."),
            "time_zone": _("Such as Europe/Berlin. Clocks that change are followed."),
            "priority": _("Of two windows that hold at once the one with the higher number counts."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "model" in self.fields:
            self.fields["model"].queryset = enabled_models()  # type: ignore[attr-defined]  # a ModelChoice

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        route, model = cleaned.get("route"), cleaned.get("model")
        if route is not None and model is not None and (sentence := why_unfit(route.language, model)):
            self.add_error("model", localised(sentence))
        for sentence in self.complaints():
            self.add_error(None, localised(sentence))
        if not self.errors and cleaned.get("is_enabled"):
            for conflict in self.conflicts():
                self.add_error(None, conflict_sentence(conflict, self.window()))
        return cleaned

    def complaints(self) -> list[str]:
        """What is wrong with the window by itself; fields that were refused already are left out."""
        given = self.cleaned_data
        if any(given.get(name) is None for name in ("days", "starts", "ends", "time_zone")):
            return []
        return window_complaints(given["days"], given["starts"], given["ends"], given["time_zone"])

    def window(self) -> Window:
        """The window as it stands in the form; only of a form whose fields are valid."""
        given = self.cleaned_data
        return Window(
            key=self.instance.pk or 0,
            model=given["model"].name,
            days=frozenset(given["days"]),
            starts=given["starts"],
            ends=given["ends"],
            time_zone=given["time_zone"],
            priority=given["priority"],
        )

    def other_windows(self) -> list[Window]:
        rows = ModelSchedule.objects.filter(route=self.cleaned_data["route"], is_enabled=True).select_related("model")
        return [window_of(row) for row in rows.exclude(pk=self.instance.pk)]

    def conflicts(self) -> list[Conflict]:
        """With other windows of the route."""
        window = self.window()
        found = find_conflicts([window, *self.other_windows()], timezone.now())
        return [conflict for conflict in found if window in (conflict.first, conflict.second)]


def conflict_sentence(conflict: Conflict, window: Window) -> str:
    other = conflict.second if conflict.first == window else conflict.first
    at = conflict.span.from_at.astimezone(zone_named(window.time_zone))
    return gettext(
        "On %(at)s the window %(starts)s–%(ends)s holds too, with the same priority and another model (%(model)s). "
        "Change one of them, or give one a higher priority."
    ) % {
        "at": f"{at:%Y-%m-%d %H:%M}",
        "starts": f"{other.starts:%H:%M}",
        "ends": f"{other.ends:%H:%M}",
        "model": other.model,
    }


class ChangeModelForm(forms.Form):
    """Another model for a route, now."""

    model = ModelChoice(queryset=ASRModel.objects.none(), label=_("New model"))
    until = forms.DateTimeField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text=_("Empty: until the schedule has something else to say, or somebody changes it."),
    )
    note = forms.CharField(required=False, max_length=200, label=_("Why"), widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, route: ModelRoute, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.route = route
        self.fields["model"].queryset = enabled_models().exclude(pk=route.model_id)  # type: ignore[attr-defined]
        self.fields["until"].label = gettext("Until (%(zone)s)") % {"zone": timezone.get_current_timezone_name()}

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise ValidationError(gettext("This time is over. Give one to come, or none."))
        return until

    def clean_model(self) -> ASRModel:
        model: ASRModel = self.cleaned_data["model"]
        if sentence := why_unfit(self.route.language, model):
            raise ValidationError(localised(sentence))
        return model
