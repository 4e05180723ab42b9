"""The models of the catalogue: what each is, what was measured of it, and who needs it. They come in by `manage.py models`."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.db.models import Case, CharField, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from transcription.models import ASRModel, ModelRoute
from transcription.swaps import configured_models

NOTHING: Final = "–"


def routes_with(model: ASRModel | OuterRef) -> QuerySet[ModelRoute]:
    """Routes that serve with `model` now, write partial texts with it, or would serve with it by schedule, by wish, or when there
    is too much to do."""
    lasting = Q(overrides__until_at=None) | Q(overrides__until_at__gt=timezone.now())
    of_route = Q(model=model) | Q(partial_model=model) | Q(fallback=model) | Q(usual_model=model)
    return ModelRoute.objects.filter(of_route | Q(schedules__model=model) | (Q(overrides__model=model) & lasting)).distinct()


def route_names() -> ArraySubquery:
    """For each model of a query, the names of the routes that need it, in one query for all of them."""
    language = Case(When(language="", then=Value("*")), default="language", output_field=CharField())
    named = routes_with(OuterRef("pk")).annotate(name=Concat("scenario", Value("/"), language)).order_by("name")
    return ArraySubquery(named.values("name"))


class ASRModelForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    class Meta:
        model = ASRModel
        fields: ClassVar = ["is_enabled"]

    def clean_is_enabled(self) -> bool:
        """A route must not be left without a model."""
        is_enabled = bool(self.cleaned_data["is_enabled"])
        routes = ", ".join(map(str, routes_with(self.instance)))
        if routes and not is_enabled:
            raise ValidationError(
                gettext("%(model)s is needed by %(routes)s: give these another model first.")
                % {"model": self.instance, "routes": routes}
            )
        return is_enabled


@admin.register(ASRModel)
class ASRModelAdmin(ModelAdmin):
    form = ASRModelForm
    list_display = ["name", "state", "precision", "knows", "memory", "speed", "errors", "routes"]
    list_filter = ["is_enabled", "precision", "engine"]
    search_fields = ["name", "origin", "licence", "source"]
    list_per_page = 50
    fieldsets = [
        (None, {"fields": ["name", "is_enabled", "routes"]}),
        (_("What it is"), {"fields": ["engine", "precision", "all_languages", "multilingual", "variant_of", "is_builtin"]}),
        (_("What it takes"), {"fields": ["size", "memory", "load_time", "speed", "errors"]}),
        (_("Where it is from"), {"fields": ["origin", "licence", "source", "checksum", "created_at"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: ASRModel | None = None) -> list[str]:
        shown = [name for _title, options in self.fieldsets for name in options["fields"]]
        return [name for name in shown if name != "is_enabled"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Files are brought in by `manage.py models import`, which looks at them first."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ASRModel | None = None) -> bool:
        """Files and row go together, by `manage.py models remove`."""
        return False

    @display(description=_("state"), ordering="is_enabled", label={"on": "success", "off": "danger"})
    def state(self, model: ASRModel) -> tuple[str, str]:
        return ("on", gettext("enabled")) if model.is_enabled else ("off", gettext("disabled"))

    @admin.display(description=_("languages"))
    def knows(self, model: ASRModel) -> str:
        if not model.languages:
            return gettext("any")
        few = ", ".join(model.languages[:4])
        return (
            few
            if len(model.languages) <= 4
            else gettext("%(few)s and %(number)d more")
            % {
                "few": few,
                "number": len(model.languages) - 4,
            }
        )

    @admin.display(description=_("languages"))
    def all_languages(self, model: ASRModel) -> str:
        return ", ".join(model.languages) or gettext("any")

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, model: ASRModel) -> str:
        return NOTHING if model.size_bytes is None else filesizeformat(model.size_bytes)

    @admin.display(description=_("memory"), ordering="memory_bytes")
    def memory(self, model: ASRModel) -> str:
        return NOTHING if model.memory_bytes is None else filesizeformat(model.memory_bytes)

    @admin.display(description=_("loads in"), ordering="load_ms")
    def load_time(self, model: ASRModel) -> str:
        return NOTHING if model.load_ms is None else f"{model.load_ms / 1000:.1f} s"

    @admin.display(description=_("speed"), ordering="rtf")
    def speed(self, model: ASRModel) -> str:
        """How many times faster than speech."""
        return NOTHING if not model.rtf else f"{1 / model.rtf:.1f}×"

    @admin.display(description=_("wrong words"), ordering="wer")
    def errors(self, model: ASRModel) -> str:
        return NOTHING if model.wer is None else f"{model.wer:.1%}"

    @admin.display(description=_("needed by"))
    def routes(self, model: ASRModel) -> str:
        """Routes, and the setting by whose name it stays in memory."""
        configured = ["HARK_MODELS"] if model.name in configured_models() else []
        return ", ".join([*getattr(model, "route_names", []), *configured]) or NOTHING

    def get_queryset(self, request: HttpRequest) -> QuerySet[ASRModel]:
        return ASRModel.objects.select_related("variant_of").annotate(route_names=route_names())

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[ASRModel], search_term: str) -> Any:
        return super().get_search_results(request, queryset, search_term.replace("\0", ""))
