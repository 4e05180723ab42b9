"""Who may open a socket at all: pages of our own hosts; and programs, which send no Origin and carry no cookies."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlparse

from channels.security.websocket import OriginValidator
from django.conf import settings

from transcription.access.refusals import Refusal, refuse

Application = Callable[..., Awaitable[None]]


FOREIGN = "Pages of other sites may not open a stream here. An operator can add this site's host to ALLOWED_HOSTS."


class OwnOriginOrNone(OriginValidator):  # type: ignore[misc]  # Channels publishes no types
    """ASGI middleware: a foreign Origin is refused before accept; no Origin at all passes."""

    def __init__(self, application: Application) -> None:
        super().__init__(application, settings.ALLOWED_HOSTS)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        if all(self.is_own(origin) for origin in origins):
            await self.application(scope, receive, send)
        else:
            await refuse(scope, receive, send, Refusal(HTTPStatus.FORBIDDEN, "foreign_origin", FOREIGN))

    def is_own(self, origin: str) -> bool:
        """Whether a page at `origin` is one of ours."""
        try:
            parsed = urlparse(origin)
        except ValueError:
            return False
        return bool(self.valid_origin(parsed))
