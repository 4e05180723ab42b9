"""Which pages may open a socket: those of our own hosts; and programs, which send no Origin and carry no cookies."""

from collections.abc import Awaitable, Callable
from typing import Any

from channels.security.websocket import OriginValidator
from django.conf import settings

Application = Callable[..., Awaitable[None]]


class OwnOriginOrNone:
    """ASGI middleware: a foreign Origin is refused before accept; no Origin at all passes."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.guarded = OriginValidator(application, settings.ALLOWED_HOSTS)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        has_origin = any(name == b"origin" for name, _value in scope["headers"])
        await (self.guarded if has_origin else self.application)(scope, receive, send)
