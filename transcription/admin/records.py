"""Tables that people read in the admin site and do not write there."""

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """For an admin class or an inline: nobody adds or changes a row."""

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


class Record(ReadOnly):
    """Nobody removes one either: what happened stays."""

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False
