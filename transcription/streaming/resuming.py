"""Finds the session that a client comes back to: in this process, or where another process left it.

A session has one writer. Even where it is known here the database is asked whether another process has taken it since.
"""

import asyncio
import logging
from hmac import compare_digest
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from inference.logs import about
from transcription.listeners import Listener
from transcription.metrics.meters import web
from transcription.protocol import Resume
from transcription.resumption import hash_of, is_held, take_over
from transcription.streaming.live import LiveStream, live_streams
from transcription.streaming.recorder import TOUCH_EVERY_S, current_recorder

logger = logging.getLogger(__name__)

ASK_PATIENCE_S: Final = 3.0
SETTLE_PATIENCE_S: Final = 2.0

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[UUID, asyncio.Lock]] = WeakKeyDictionary()


class StorageAwayError(Exception):
    """The session may exist, but the database does not answer."""


async def find_session(listener: Listener, client_name: str, resume: Resume) -> LiveStream | None:
    """The stream that `resume` asks for; None if there is none, or `listener` has no right to it.

    Raises:
        StorageAwayError: it is not here, and where else cannot be asked.
    """
    try:
        session_id = UUID(resume.session)
    except ValueError:
        return None
    async with _lock(session_id):
        stream = live_streams().get(session_id)
        if stream is not None:
            if not _has_right(stream, listener, resume.token):
                return None
            if await _is_still_ours(stream):
                web.resumptions.labels("here").inc()
                return stream
            stream.abandon()
        return await _taken_over(listener, client_name, session_id, resume)


def _has_right(stream: LiveStream, listener: Listener, token: str) -> bool:
    is_owner = stream.listener.user_id == listener.user_id
    return is_owner and stream.session.can_resume and compare_digest(stream.token_hash, hash_of(token))


async def _is_still_ours(stream: LiveStream) -> bool:
    """A database that does not answer takes nothing away: nobody else can have asked it either."""
    try:
        asked = current_recorder().run(is_held, stream.session_id, stream.epoch)
        return await asyncio.wait_for(asked, ASK_PATIENCE_S) is not False
    except (TimeoutError, DatabaseError, InterfaceError):
        return True


async def _taken_over(listener: Listener, client_name: str, session_id: UUID, resume: Resume) -> LiveStream | None:
    within_s = settings.HARK_RESUME_S + round(TOUCH_EVERY_S)
    try:
        asked = current_recorder().run(take_over, session_id, resume.token, listener.user_id, resume.next_segment, within_s)
        taken = await asyncio.wait_for(asked, ASK_PATIENCE_S)
    except (TimeoutError, DatabaseError, InterfaceError) as err:
        raise StorageAwayError from err
    if taken is None:
        return None
    web.resumptions.labels("taken_over").inc()
    logger.info("session %s goes on here (epoch %d)", session_id, taken.epoch, extra=about(session_id))
    return LiveStream.restored(listener, client_name, session_id, resume.token, taken)


def _lock(session_id: UUID) -> asyncio.Lock:
    """Two sockets that ask for the same session at once get it one after the other."""
    locks = _locks.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    return locks.setdefault(session_id, asyncio.Lock())
