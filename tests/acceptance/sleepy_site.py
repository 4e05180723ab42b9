"""Hark with three pages more.

`/sleep/` sleeps in the database for as many milliseconds as its address says, as a slow page does. `/block/` is a fault: it
holds up the event loop. `/who/` tells how the visitor looks to the server.
"""

import time

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from asr_project.asgi import application
from asr_project.urls import urlpatterns
from transcription.listeners import counted_address

__all__ = ["application"]


def sleep(_request: HttpRequest, duration_ms: int) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [duration_ms / 1000])
    return HttpResponse("slept")


async def block(_request: HttpRequest, duration_ms: int) -> HttpResponse:
    time.sleep(duration_ms / 1000)  # noqa: ASYNC251 -- the fault
    return HttpResponse("blocked")


def who(request: HttpRequest) -> JsonResponse:
    headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
    return JsonResponse({"address": counted_address(request.META["REMOTE_ADDR"], headers), "scheme": request.scheme})


urlpatterns.insert(0, path("who/", who))
urlpatterns.insert(0, path("sleep/<int:duration_ms>/", sleep))
urlpatterns.insert(0, path("block/<int:duration_ms>/", block))
