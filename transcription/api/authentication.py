"""API keys as REST credentials: `Authorization: Bearer KEY`. What came with a key is answered within the key's scopes."""

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from transcription.access.door import bearer_of
from transcription.access.keys import UnusableKey, listener_of_key, use_key
from transcription.listeners import Listener


class KeyAuthentication(BaseAuthentication):
    """`request.auth` becomes the key's listener. A bad key is refused even where a cookie or this machine would do."""

    def authenticate(self, request: Request) -> tuple[User, Listener] | None:
        bearer = bearer_of(request.headers.get("Authorization", ""))
        if bearer is None:
            return None
        try:
            key = use_key(bearer)
        except UnusableKey as err:
            raise AuthenticationFailed(str(err), code=err.code) from err
        return key.owner, listener_of_key(key)

    def authenticate_header(self, request: Request) -> str:
        """Makes DRF answer 401, not 403, to whoever is not known."""
        return "Bearer"


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the library has no types
    target_class = KeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key. `transcripts:read` lets it GET, `transcripts:delete` DELETE, `stream` fetch tickets.",
        }
