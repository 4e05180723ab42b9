"""Hark with two pages more, which last as many milliseconds as their address says.

`/sleep/` sleeps in the database, as a slow page does. `/block/` is a fault: it holds up the event loop.
"""

import time

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from asr_project.asgi import application
from asr_project.urls import urlpatterns

__all__ = ["application"]


def sleep(_request: HttpRequest, duration_ms: int) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [duration_ms / 1000])
    return HttpResponse("slept")


async def block(_request: HttpRequest, duration_ms: int) -> HttpResponse:
    time.sleep(duration_ms / 1000)  # noqa: ASYNC251 -- the fault
    return HttpResponse("blocked")


urlpatterns.insert(0, path("sleep/<int:duration_ms>/", sleep))
urlpatterns.insert(0, path("block/<int:duration_ms>/", block))
