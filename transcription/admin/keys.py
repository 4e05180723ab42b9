"""API keys: made here, shown once, changed and revoked, never deleted."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from transcription.access import keys
from transcription.admin.forms import language_model_choice
from transcription.listeners import Scope
from transcription.models import ApiKey

LIMITS = ["max_streams", "max_audio_s_per_day", "retention_days", "stores_audio", "language_model", "expires_at"]
FIELDS = ["owner", "name", "scopes", *LIMITS]


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
        fields: ClassVar = FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "language_model" in self.fields:
            self.fields["language_model"] = language_model_choice(
                self.instance.language_model, _("that of the route"), _("For sessions that name none.")
            )


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
        return FIELDS if obj is None else [*FIELDS, "prefix", "created_at", "revoked_at", "last_used_at"]

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
            retention_days=obj.retention_days,
            stores_audio=obj.stores_audio,
            language_model=obj.language_model,
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
