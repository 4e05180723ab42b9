"""Pages of sessions, newest first, stable while new ones arrive."""

from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

MAX_PAGE_SIZE = 200
EXPECTED_CURSOR = "the value from a 'next' or 'previous' link of this list, unchanged"


class SessionPagination(CursorPagination):
    """Unlike its parent it refuses a bad cursor or page size with 400 and does not guess."""

    ordering = ("-started_at", "-id")
    page_size = 50
    page_size_query_param = "page_size"
    page_size_query_description = f"Sessions on a page, 1 to {MAX_PAGE_SIZE}."
    cursor_query_description = "Where the page begins; taken from a 'next' or 'previous' link."
    max_page_size = MAX_PAGE_SIZE

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size", str(self.page_size))
        if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_PAGE_SIZE):
            raise ValidationError({"page_size": f"a whole number from 1 to {MAX_PAGE_SIZE}"})
        return int(text)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        page: dict[str, Any] = super().get_paginated_response_schema(schema)
        page["properties"]["next"]["description"] = "Address of the next page, older sessions; null on the last."
        page["properties"]["previous"]["description"] = "Address of the previous page, newer sessions; null on the first."
        page["properties"]["results"] = {**schema, "description": "Sessions of this page, newest first."}
        return page

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor = super().decode_cursor(request)
            is_usable = cursor is None or cursor.position is None or parse_datetime(str(cursor.position)) is not None
        except (NotFound, ValueError):
            is_usable = False
        if not is_usable:
            raise ValidationError({"cursor": EXPECTED_CURSOR})
        return cursor
