"""The ASGI application: HTTP to Django, WebSocket through origin and authentication to the stream consumer."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "asr_project.settings")
http_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402  # the app registry must be ready first
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from transcription.origins import OwnOriginOrNone  # noqa: E402
from transcription.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": OwnOriginOrNone(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
