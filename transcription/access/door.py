"""The door of /stream: who comes with what credential, and whether there is room for them. All of it before accept.

One thread hop for a handshake: every query of it runs there, through one connection of the web process, and takes five
seconds at most. A visitor of this machine who is trusted without credentials costs no query at all.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import uuid4
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, InterfaceError
from django.http import parse_cookie
from django.utils import timezone

from transcription.access import keys, leases
from transcription.access.limits import HandshakeRates
from transcription.access.refusals import Refusal
from transcription.listeners import Listener, Scope, anonymous_of_scope, counted_address, peer_of_scope
from transcription.models import ApiKey

SUBPROTOCOL: Final = "token"
PATIENCE_S: Final = 5.0
MAX_CREDENTIAL_CHARS: Final = 512

AsgiScope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody who may come in, and what must stay true while they are here (`transcription.streaming.warden` looks after that).

    session_key, session_hash: of the Django session that let them in; empty for keys and local visitors. `lease`: the place
    that was taken for them, None where nothing is counted. `subprotocol`: what to accept the socket with.
    """

    listener: Listener
    subprotocol: str | None = None
    session_key: str = field(default="", repr=False)
    session_hash: str = field(default="", repr=False)
    key: ApiKey | None = None
    lease: leases.Lease | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a handshake brought; at most one of them is looked at, in this order."""

    bearer: str | None = field(default=None, repr=False)
    ticket: str | None = field(default=None, repr=False)
    session_key: str | None = field(default=None, repr=False)
    subprotocol: str | None = None

    @property
    def are_none(self) -> bool:
        return self.bearer is None and self.ticket is None and self.session_key is None


async def authenticate(scope: AsgiScope) -> Admission:
    """Let somebody in who opens a WebSocket. Called before accept; `leave` gives their place back.

    Raises:
        Refusal: nobody we know, without the right scope, more than the limits allow, or the database does not answer.
    """
    address = counted_address(peer_of_scope(scope), scope.get("headers", ()))
    if address and (wait_s := current_rates().knock(address)):
        raise Refusal(
            HTTPStatus.TOO_MANY_REQUESTS, "too_many_handshakes", "Too many connections were opened from your address.",
            retry_after_s=int(wait_s) + 1,
        )  # fmt: skip
    credentials = credentials_of(scope)
    visitor = anonymous_of_scope(scope)
    if credentials.are_none and not visitor.is_trusted_anonymous:
        raise not_authenticated("Send an API key, a ticket, or the cookie of a signed-in session.")
    if credentials.are_none:
        return Admission(visitor)
    return await admitted_in_time(credentials, visitor, address)


async def admitted_in_time(credentials: Credentials, visitor: Listener, address: str) -> Admission:
    try:
        async with asyncio.timeout(PATIENCE_S):
            admission: Admission = await database_sync_to_async(admit)(credentials, visitor, address)
            return admission
    except (TimeoutError, DatabaseError, InterfaceError) as err:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Credentials cannot be checked now. Try again.", retry_after_s=5
        ) from err


async def leave(admission: Admission) -> None:
    """Give the place back. Without a database it is forgotten within a minute."""
    if admission.lease is not None:
        with forgiving_database():
            await database_sync_to_async(leases.drop_lease)(admission.lease.id)


@contextmanager
def forgiving_database() -> Iterator[None]:
    try:
        yield
    except (DatabaseError, InterfaceError):
        return


def credentials_of(scope: AsgiScope) -> Credentials:
    """What the handshake brought, none of it checked.

    Raises:
        Refusal: the subprotocol `token` without exactly one credential behind it.
    """
    headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True, max_num_fields=20)
    cookies = parse_cookie(headers.get(b"cookie", ""))
    found = Credentials(
        bearer=bearer_of(headers.get(b"authorization", "")),
        ticket=query["ticket"][0] if "ticket" in query else None,
        session_key=cookies.get(settings.SESSION_COOKIE_NAME),
    )
    offered = list(scope.get("subprotocols", ()))
    return with_subprotocol(found, offered) if SUBPROTOCOL in offered else found


def with_subprotocol(found: Credentials, offered: list[str]) -> Credentials:
    secrets = [word for word in offered if word != SUBPROTOCOL]
    if len(secrets) != 1:
        raise not_authenticated("Sec-WebSocket-Protocol must be `token, KEY`.")
    bearer = secrets[0] if found.bearer is None else found.bearer
    return replace(found, bearer=bearer, subprotocol=SUBPROTOCOL)


def bearer_of(authorization: str) -> str | None:
    """The key of `Bearer KEY`, empty where it is missing; None for other schemes, which are a proxy's affair."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def admit(credentials: Credentials, visitor: Listener, address: str) -> Admission:
    """Check credentials and take a place. Blocks: runs in a thread.

    Raises:
        Refusal: as `authenticate` does.
    """
    admission = identified(credentials, visitor)
    if Scope.STREAM not in admission.listener.scopes:
        raise Refusal(HTTPStatus.FORBIDDEN, "missing_scope", "This API key lacks the scope `stream`.")
    if admission.key is not None:
        refuse_spent_quota(admission.key)
    return with_place(replace(admission, subprotocol=credentials.subprotocol), address)


def identified(credentials: Credentials, visitor: Listener) -> Admission:
    if credentials.bearer is not None:
        return of_key(credentials.bearer)
    if credentials.ticket is not None:
        return of_ticket(credentials.ticket, visitor)
    admission = of_session(credentials.session_key or "")
    if admission is not None:
        return admission
    if visitor.is_trusted_anonymous:  # an old cookie takes nothing from what anybody here may do
        return Admission(visitor)
    raise not_authenticated("You are signed out. Sign in again.")


def of_key(text: str) -> Admission:
    try:
        key = keys.use_key(text[:MAX_CREDENTIAL_CHARS])
    except keys.UnusableKey as err:
        raise Refusal(HTTPStatus.UNAUTHORIZED, err.code, str(err)) from err
    return Admission(keys.listener_of_key(key), key=key)


def of_ticket(text: str, visitor: Listener) -> Admission:
    """A ticket is worth what the credential is worth that it was made with, at the time when it is spent."""
    spent = keys.spend_ticket(text[:MAX_CREDENTIAL_CHARS])
    admission = None if spent is None else of_spent_ticket(spent, visitor)
    if admission is None:
        raise Refusal(
            HTTPStatus.UNAUTHORIZED, "invalid_ticket", "This ticket was used, has expired, or is not one. Fetch a new one."
        )
    return admission


def of_spent_ticket(spent: keys.SpentTicket, visitor: Listener) -> Admission | None:
    if spent.listener.key_id is not None:
        key = ApiKey.objects.select_related("owner").get(pk=spent.listener.key_id)
        listener = replace(spent.listener, stores_audio=key.stores_audio, language_model=key.language_model)
        return Admission(listener, key=key) if key.is_usable and key.owner.is_active else None
    if spent.session_key:
        return of_session(spent.session_key)
    return Admission(visitor) if visitor.is_trusted_anonymous else None


def of_session(session_key: str) -> Admission | None:
    """Whoever is signed in with that Django session: it exists, the user is active, the password still the same."""
    store = SessionStore(session_key[:MAX_CREDENTIAL_CHARS])
    user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]  # it reads the session and nothing else
    if not user.is_authenticated or not user.is_active:
        return None
    session_hash = user.get_session_auth_hash()
    listener = Listener(user_id=user.pk, is_trusted_anonymous=False)
    return Admission(listener, session_key=store.session_key or "", session_hash=session_hash)


def refuse_spent_quota(key: ApiKey) -> None:
    if key.max_audio_s_per_day is None:
        return
    if keys.audio_today_ms([key.pk]).get(key.pk, 0) >= 1000 * key.max_audio_s_per_day:
        raise Refusal(
            HTTPStatus.TOO_MANY_REQUESTS, "quota_exhausted",
            f"This API key may send {key.max_audio_s_per_day} s of audio a day, and has. The day ends at midnight UTC.",
            retry_after_s=seconds_to_midnight(),
        )  # fmt: skip


def seconds_to_midnight() -> int:
    now = timezone.now()
    return 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)


def with_place(admission: Admission, address: str) -> Admission:
    limits = limits_of(admission, address)
    if not limits:
        return admission
    lease = leases.Lease(uuid4(), admission.listener.user_id, admission.listener.key_id, address)
    try:
        leases.take_lease(lease, limits)
    except leases.TooManySockets as err:
        raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_sockets", str(err), retry_after_s=5) from err
    return replace(admission, lease=lease)


def limits_of(admission: Admission, address: str) -> list[leases.Limit]:
    """What is counted of a socket. A key with a limit of its own, which an operator chose for it, is held to that alone."""
    key, user_id = admission.key, admission.listener.user_id
    if key is not None and key.max_streams is not None:
        return [leases.Limit("key_id", key.pk, key.max_streams, "This API key")]
    limits = []
    if user_id is not None and settings.HARK_MAX_SOCKETS_PER_USER:
        limits.append(leases.Limit("user_id", user_id, settings.HARK_MAX_SOCKETS_PER_USER, "This user"))
    if address and settings.HARK_MAX_SOCKETS_PER_ADDRESS:
        limits.append(leases.Limit("address", address, settings.HARK_MAX_SOCKETS_PER_ADDRESS, "Your address"))
    return limits


def not_authenticated(message: str) -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, "not_authenticated", message)


def draining() -> Refusal:
    message = "This server is about to stop. Try again in a moment."
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "server_draining", message, retry_after_s=1)


_rates: WeakKeyDictionary[asyncio.AbstractEventLoop, HandshakeRates] = WeakKeyDictionary()


def current_rates() -> HandshakeRates:
    """The handshake rates of the running event loop, made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _rates:
        _rates[loop] = HandshakeRates(settings.HARK_MAX_HANDSHAKES_PER_MIN, time.monotonic)
    return _rates[loop]
