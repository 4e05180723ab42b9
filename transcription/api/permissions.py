"""Who may use the REST API."""

from typing import TYPE_CHECKING

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from transcription.listeners import Scope, listener_of_request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class IsKnownListener(BasePermission):
    """Signed-in users, API keys with the right scope, and anybody on this machine where HARK_ANONYMOUS=loopback.

    What they see is up to `visible_to`.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        listener = listener_of_request(request)
        if not listener.is_known:
            return False
        scope = needed_scope(request, view)
        if scope not in listener.scopes:
            raise PermissionDenied(f"This API key lacks the scope `{scope}`.", code="missing_scope")
        return True


def needed_scope(request: Request, view: "APIView") -> Scope:
    """A view may name its own as `needed_scope`, or by method as `needed_scopes`; else reading and deleting are what there is."""
    by_method = getattr(view, "needed_scopes", {})
    if request.method in by_method:
        return Scope(by_method[request.method])
    named = getattr(view, "needed_scope", None)
    if isinstance(named, Scope):
        return named
    return Scope.READ if request.method in SAFE_METHODS else Scope.DELETE
