"""/healthz and /readyz: what a load balancer or an operator asks. Public, so no address, user name or error text is shown.

`readyz` answers within about TIMEOUT_S whatever PostgreSQL or inference do: it opens a connection of its own, which a
hanging server cannot keep beyond the limit, and never waits in Django's pool of threads.
"""

import asyncio
import logging
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from msgspec import Struct, to_builtins

from transcription import recognizer
from transcription.streaming.draining import current_drain
from transcription.streaming.recorder import current_recorder

T = TypeVar("T")

TIMEOUT_S = 1.5
UNREACHABLE = "PostgreSQL does not answer. Check that it runs and that DATABASE_URL is right."
TOO_MUCH_WAITS = "PostgreSQL takes what is said more slowly than it comes: too much waits to be stored."
UNKNOWN_MIGRATIONS = "Not known while the database does not answer."
DRAINING = "This web process is being stopped and takes no new sessions."
COLD = "No warm model: no inference process answers, or all are still loading or held up. Their log says more."

# The event loop holds its tasks weakly.
given_up: set[asyncio.Task[Any]] = set()
logger = logging.getLogger(__name__)


class Check(Struct, frozen=True):
    """`message` says what is wrong and what to do; empty when all is well."""

    ok: bool
    message: str = ""


DatabaseChecks = tuple[Check, Check]
under_way: dict[asyncio.AbstractEventLoop, asyncio.Task[DatabaseChecks]] = {}


@require_safe
@never_cache
async def healthz(_request: HttpRequest) -> JsonResponse:
    """The process is alive and its event loop turns; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
async def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when a session could start now; else 503 with a sentence for each check that failed.

    One inference process that is ready is enough; `inference` tells of each.
    """
    model, (database, migrations) = await asyncio.gather(check_model(), shared_database_check())
    staying = Check(ok=False, message=DRAINING) if current_drain.has_begun else Check(ok=True)
    if database.ok and current_recorder().is_filling:
        database = Check(ok=False, message=TOO_MUCH_WAITS)
    checks = {"model": model, "database": database, "migrations": migrations, "staying": staying}
    is_ready = all(check.ok for check in checks.values())
    body = {
        "status": "ready" if is_ready else "not_ready",
        "checks": to_builtins(checks),
        "inference": recognizer.worker_readiness(),
    }
    return JsonResponse(body, status=200 if is_ready else 503)


async def within_limit(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Unlike `asyncio.wait_for` it does not wait for the end of work that was cancelled: psycopg
    first asks the server to stop its query, which a hanging server never does.

    Raises:
        TimeoutError: `work` took longer than TIMEOUT_S.
    """
    task = asyncio.create_task(work)
    done, _pending = await asyncio.wait({task}, timeout=TIMEOUT_S)
    if done:
        return task.result()
    given_up.add(task)
    task.add_done_callback(forget)
    task.cancel()
    raise TimeoutError


def forget(task: asyncio.Task[Any]) -> None:
    """Drop a task that was given up; its error was reported as a timeout already."""
    given_up.discard(task)
    if not task.cancelled():
        task.exception()


async def check_model() -> Check:
    try:
        worker = await within_limit(recognizer.current_status())
    except TimeoutError:
        return Check(ok=False, message=COLD)
    return Check(ok=True) if worker.is_ready else Check(ok=False, message=COLD)


async def shared_database_check() -> DatabaseChecks:
    """The check that is under way, or a new one: however many ask, a process opens one connection at a time for them."""
    loop = asyncio.get_running_loop()
    if loop not in under_way:
        under_way[loop] = loop.create_task(check_database())
        under_way[loop].add_done_callback(lambda _task: under_way.pop(loop))
    return await asyncio.shield(under_way[loop])


async def check_database() -> DatabaseChecks:
    """Whether the database answers, and whether every migration is applied."""
    try:
        applied = await within_limit(applied_migrations())
    except psycopg.errors.UndefinedTable:
        applied = frozenset()
    except (psycopg.Error, OSError, TimeoutError) as err:
        logger.warning("Database check failed: %s", type(err).__name__)
        return Check(ok=False, message=UNREACHABLE), Check(ok=False, message=UNKNOWN_MIGRATIONS)
    missing = sorted(".".join(migration) for migration in await asyncio.to_thread(newest_migrations) - applied)
    if missing:
        sentence = f"The database is not up to date: {', '.join(missing)} not applied. Run `python manage.py migrate`."
        return Check(ok=True), Check(ok=False, message=sentence)
    return Check(ok=True), Check(ok=True)


async def applied_migrations() -> frozenset[tuple[str, str]]:
    """(app, name) of every applied migration, read over a new connection."""
    place: dict[str, Any] = settings.DATABASES["default"]
    connecting = psycopg.AsyncConnection.connect(
        dbname=str(place["NAME"]),
        user=place["USER"] or None,
        password=place["PASSWORD"] or None,
        host=place["HOST"] or None,
        port=place["PORT"] or None,
        **place["OPTIONS"],
    )
    connection = await connecting
    try:
        cursor = await connection.execute("SELECT app, name FROM django_migrations")
        return frozenset([(app, name) async for app, name in cursor])
    finally:
        connection.pgconn.finish()  # at once: a polite close waits, and can be cancelled in its turn when the loop ends


@cache
def newest_migrations() -> frozenset[tuple[str, str]]:
    """(app, name) of the last migration of each app in this code; they cannot change while the process runs."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())
