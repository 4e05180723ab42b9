"""The ASGI application: HTTP to Django, WebSocket through the origin check to the stream consumer, an orderly end."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "asr_project.settings")
http_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  # the app registry must be ready first
from django.conf import settings  # noqa: E402

from asr_project.below_path import BelowPath  # noqa: E402
from asr_project.discretion import cut_daphnes_queries  # noqa: E402
from asr_project.http_slots import HttpSlots  # noqa: E402
from transcription.access.origins import OwnOriginOrNone  # noqa: E402
from transcription.routing import websocket_urlpatterns  # noqa: E402
from transcription.streaming.draining import lifespan  # noqa: E402
from transcription.streaming.gauges import watch_streams  # noqa: E402

cut_daphnes_queries()
watch_streams()
protocols = ProtocolTypeRouter(
    {
        "lifespan": lifespan,
        "http": HttpSlots(http_application, settings.HARK_HTTP_THREADS),
        "websocket": OwnOriginOrNone(URLRouter(websocket_urlpatterns)),
    }
)
application = BelowPath(protocols, settings.URL_PREFIX)
