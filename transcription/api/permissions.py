"""Who may use the REST API."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from transcription.access import listener_of_request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class IsKnownListener(BasePermission):
    """Signed-in users, and anybody on this machine where HARK_ANONYMOUS=loopback. What they see is up to `visible_to`."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return listener_of_request(request).is_known
