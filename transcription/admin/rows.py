"""The page of one row that shows more than the form of its fields."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin


class RowPageAdmin(ModelAdmin):
    """`details` says what the page's template has besides the form."""

    def details(self, request: HttpRequest, number: int | None) -> dict[str, Any]:
        """`number`: the row's key; None: the row is being added."""
        raise NotImplementedError

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        number = int(object_id) if object_id is not None and object_id.isdecimal() else None
        return super().changeform_view(request, object_id, form_url, {**self.details(request, number), **(extra_context or {})})
