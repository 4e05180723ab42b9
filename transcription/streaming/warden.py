"""Looks after the sockets of one web process: is what let them in still true, and is the session still ours?

Every two seconds one look at the database for all of them together: keys, users and Django sessions that sockets were opened
with, reliable sessions, which another web process may have taken over, and sessions whose owner wants all forgotten. While
PostgreSQL is away nobody is thrown out; the next look finds what happened meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as WebSession
from django.db import DatabaseError, InterfaceError
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from transcription.access import leases
from transcription.access.door import Admission
from transcription.access.keys import audio_today_ms
from transcription.models import ApiKey
from transcription.privacy.erasure import to_be_erased
from transcription.resumption import taken_away
from transcription.streaming.live import live_streams

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 2.0
RENEW_EVERY_S: Final = leases.LEASE_S / 3


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a socket must close. `code` and the sentence go to the client."""

    code: str
    message: str


REVOKED: Final = Loss("access_revoked", "What let you in is no longer valid: signed out, disabled, revoked or expired.")
QUOTA_SPENT: Final = Loss("quota_exhausted", "This API key has sent all the audio that it may send today.")


def received_nothing() -> int:
    return 0


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """One live socket. on_loss is called at most once, on the event loop. received_ms: audio of its session up to now."""

    admission: Admission
    on_loss: Callable[[Loss], None]
    received_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Findings:
    """What is true in the database: usable keys with their quota (s) and use, hashes of active users, Django sessions."""

    keys: dict[int, int | None]
    key_audio_ms: dict[int, int]
    user_hashes: dict[int, str]
    web_sessions: frozenset[str]


class Warden:
    """One for each event loop."""

    def __init__(self) -> None:
        self.watches: set[Watch] = set()
        self._renewed_at_s = time.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(_log_death)

    def watch(
        self, admission: Admission, on_loss: Callable[[Loss], None], received_ms: Callable[[], int] = received_nothing
    ) -> Watch:
        """Look after a socket until `unwatch`."""
        watch = Watch(admission, on_loss, received_ms)
        self.watches.add(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        self.watches.discard(watch)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except (DatabaseError, InterfaceError) as err:
                logger.warning("live sockets could not be checked (%s); trying again", type(err).__name__)

    async def look(self) -> None:
        """Check every live socket and session once.

        Raises:
            DatabaseError, InterfaceError: PostgreSQL does not answer.
        """
        await self._look_at_sockets()
        await self._look_at_sessions()
        await self._look_for_erasures()
        await self._renew()

    async def _look_at_sockets(self) -> None:
        """Local visitors depend on nothing that is stored."""
        watches = [watch for watch in self.watches if watch.admission.listener.user_id is not None]
        if not watches:
            return
        findings = await database_sync_to_async(find)([watch.admission for watch in watches])
        for watch in watches:
            loss = self._loss_of(watch.admission, findings)
            if loss is not None:
                self._report(watch, loss)

    def _loss_of(self, admission: Admission, findings: Findings) -> Loss | None:
        if not is_still_let_in(admission, findings):
            return REVOKED
        return QUOTA_SPENT if self._has_spent_quota(admission.listener.key_id, findings) else None

    async def _look_at_sessions(self) -> None:
        """Put down the sessions that another web process has taken over: one writer each."""
        epochs = {stream.session_id: stream.epoch for stream in live_streams().values() if stream.session.can_resume}
        if not epochs:
            return
        for session_id in await database_sync_to_async(taken_away)(epochs):
            stream = live_streams().get(session_id)
            if stream is not None and stream.epoch == epochs[session_id]:
                asyncio.get_running_loop().call_soon(stream.abandon)

    async def _look_for_erasures(self) -> None:
        """End the sessions whose owner wants all forgotten."""
        if not live_streams():
            return
        for session_id in await database_sync_to_async(to_be_erased)(list(live_streams())):
            stream = live_streams().get(session_id)
            if stream is not None:
                asyncio.get_running_loop().call_soon(stream.erase)

    def _has_spent_quota(self, key_id: int | None, findings: Findings) -> bool:
        """Counting what the key's sessions of this process have received up to now."""
        quota_s = findings.keys.get(key_id) if key_id is not None else None
        if key_id is None or quota_s is None:
            return False
        live_ms = sum(watch.received_ms() for watch in self.watches if watch.admission.listener.key_id == key_id)
        return findings.key_audio_ms.get(key_id, 0) + live_ms >= 1000 * quota_s

    def _report(self, watch: Watch, loss: Loss) -> None:
        """Through the loop: a fault in one socket must not end the watch over the others."""
        if watch in self.watches:
            self.watches.discard(watch)
            asyncio.get_running_loop().call_soon(watch.on_loss, loss)

    async def _renew(self) -> None:
        if time.monotonic() - self._renewed_at_s < RENEW_EVERY_S:
            return
        held = [watch.admission.lease for watch in self.watches if watch.admission.lease is not None]
        if held:
            await database_sync_to_async(leases.renew_leases)(held)
        self._renewed_at_s = time.monotonic()


def is_still_let_in(admission: Admission, findings: Findings) -> bool:
    """Whether the key, the user and the Django session that a socket was opened with are still good."""
    listener = admission.listener
    if listener.key_id is not None:
        return listener.key_id in findings.keys
    if listener.user_id is None:
        return True
    current_hash = findings.user_hashes.get(listener.user_id, "")
    return admission.session_key in findings.web_sessions and constant_time_compare(current_hash, admission.session_hash)


def find(admissions: Sequence[Admission]) -> Findings:
    """Look up all that `admissions` depend on: at most one query for each kind of thing. Blocks: runs in a thread."""
    key_ids = {admission.listener.key_id for admission in admissions if admission.listener.key_id is not None}
    people = [admission for admission in admissions if admission.session_key]
    user_ids = {admission.listener.user_id for admission in people if admission.listener.user_id is not None}
    keys = usable_keys(key_ids) if key_ids else {}
    with_quota = [key_id for key_id, quota_s in keys.items() if quota_s is not None]
    return Findings(
        keys=keys,
        key_audio_ms=audio_today_ms(with_quota) if with_quota else {},
        user_hashes=hashes_of_active(user_ids) if user_ids else {},
        web_sessions=living_sessions({admission.session_key for admission in people}) if people else frozenset(),
    )


def usable_keys(key_ids: Iterable[int]) -> dict[int, int | None]:
    """Of `key_ids`, those that still open something, with the seconds of audio that each may send a day."""
    living = ApiKey.objects.living().filter(pk__in=key_ids).order_by()
    return dict(living.values_list("pk", "max_audio_s_per_day"))


def hashes_of_active(user_ids: Iterable[int]) -> dict[int, str]:
    """What the sessions of active users must hold; it changes with the password."""
    users = User.objects.filter(pk__in=user_ids, is_active=True).only("pk", "password")
    return {user.pk: user.get_session_auth_hash() for user in users}


def living_sessions(session_keys: Iterable[str]) -> frozenset[str]:
    found = WebSession.objects.filter(pk__in=session_keys, expire_date__gt=timezone.now())
    return frozenset(found.values_list("pk", flat=True))


def _log_death(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (err := task.exception()) is not None:
        logger.error("the warden ended", exc_info=err)


_wardens: WeakKeyDictionary[asyncio.AbstractEventLoop, Warden] = WeakKeyDictionary()


def current_warden() -> Warden:
    """The warden of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _wardens:
        _wardens[loop] = Warden()
    return _wardens[loop]


async def close_warden() -> None:
    """Close the running loop's warden, if it has one."""
    warden = _wardens.pop(asyncio.get_running_loop(), None)
    if warden is not None:
        await warden.close()
