"""What the list of sessions may be narrowed by; a value that makes no sense, or an unknown name, is refused."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from transcription.models import Session, SessionQuerySet

EXPECTED_TIME = "an ISO 8601 time such as 2026-01-31T09:00:00Z (with + percent-encoded)"
EXPECTED_STATUS = f"one of {', '.join(Session.Status.values)}"


class SessionFilter(filters.FilterSet):
    """Filters of `GET sessions/`; all that are given must hold."""

    status = filters.ChoiceFilter(
        choices=Session.Status.choices, help_text="State of the session.", error_messages={"invalid_choice": EXPECTED_STATUS}
    )
    language = filters.CharFilter(
        method="in_language", max_length=16, help_text="Language tag the session was started in, or that was heard in it."
    )
    model = filters.CharFilter(max_length=100, help_text="Name of the model that the session was started with.")
    started_after = filters.IsoDateTimeFilter(
        field_name="started_at", lookup_expr="gte", help_text="Started at or after this time (ISO 8601).",
        error_messages={"invalid": EXPECTED_TIME},
    )  # fmt: skip
    started_before = filters.IsoDateTimeFilter(
        field_name="started_at", lookup_expr="lt", help_text="Started before this time (ISO 8601).",
        error_messages={"invalid": EXPECTED_TIME},
    )  # fmt: skip
    q = filters.CharFilter(
        method="containing", max_length=200, help_text="Words that one final of the session holds, all of them, in any order."
    )

    class Meta:
        model = Session
        fields: list[str] = []

    def in_language(self, queryset: SessionQuerySet, _name: str, tag: str) -> SessionQuerySet:
        return queryset.in_language(tag)

    def containing(self, queryset: SessionQuerySet, _name: str, words: str) -> SessionQuerySet:
        return queryset.containing(words)


class KnownParametersOnly(BaseFilterBackend):
    """Refuses parameters that nothing reads: a misspelt filter would else answer with everything."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        known = {*SessionFilter.base_filters, "cursor", "page_size", "format"}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise ValidationError(dict.fromkeys(unknown, f"none but {', '.join(sorted(known - {'format'}))}"))
        return queryset
