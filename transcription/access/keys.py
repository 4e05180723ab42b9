"""API keys of programs and tickets of browser pages: making, finding, spending and taking back.

Only digests are stored. A key holds 190 random bits and a ticket 256, so one round of SHA-256 is enough; the slow hashes of
passwords are for what people can remember.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from transcription.listeners import Listener, Scope
from transcription.models import ApiKey, Session, StreamTicket

ALPHABET: Final = string.ascii_letters + string.digits
PREFIX_CHARS: Final = 8
SECRET_CHARS: Final = 32
KEY_FORM = re.compile(rf"hark_([A-Za-z0-9]{{{PREFIX_CHARS}}})_[A-Za-z0-9]{{{SECRET_CHARS}}}", re.ASCII)
TICKET_S: Final = 60
USE_NOTED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: a write for each use would cost more than the use."""


class UnusableKey(Exception):
    """The text is no key, or one that is over. `code` and the sentence may be shown: who has the secret may know why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class SpentTicket:
    """For whom a ticket was made. `session_key`: the Django session that asked for it, "" for a key or a local visitor."""

    listener: Listener
    session_key: str


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def random_chars(num_chars: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(num_chars))


def make_key(
    owner: User,
    name: str,
    scopes: Iterable[Scope],
    *,
    max_streams: int | None = None,
    max_audio_s_per_day: int | None = None,
    retention_days: int | None = None,
    stores_audio: bool = False,
    language_model: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, which exists nowhere else from now on."""
    prefix = random_chars(PREFIX_CHARS)
    text = f"hark_{prefix}_{random_chars(SECRET_CHARS)}"
    key = ApiKey.objects.create(
        owner=owner,
        name=name,
        prefix=prefix,
        digest=digest_of(text),
        scopes=sorted(scopes),
        max_streams=max_streams,
        max_audio_s_per_day=max_audio_s_per_day,
        retention_days=retention_days,
        stores_audio=stores_audio,
        language_model=language_model,
        expires_at=expires_at,
    )
    return key, text


def revoke_key(key: ApiKey) -> None:
    """From now on it opens nothing; sockets that it has opened are closed within seconds. A second call changes nothing."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    key.refresh_from_db(fields=["revoked_at"])


def use_key(text: str) -> ApiKey:
    """The key that `text` is, with its owner: one query, and at most once a minute a note that it was used.

    Raises:
        UnusableKey: it is unknown, revoked or expired, or its owner is disabled.
    """
    form = KEY_FORM.fullmatch(text)
    key = ApiKey.objects.select_related("owner").filter(prefix=form[1]).first() if form else None
    if key is None or not constant_time_compare(key.digest, digest_of(text)):
        raise UnusableKey("invalid_credentials", "This API key is not known here. Check that it was copied whole.")
    refuse_unusable(key)
    note_use(key)
    return key


def refuse_unusable(key: ApiKey) -> None:
    now = timezone.now()
    if key.revoked_at is not None:
        raise UnusableKey("key_revoked", f"The API key {key.prefix} was revoked. Ask for a new one.")
    if key.expires_at is not None and key.expires_at <= now:
        raise UnusableKey("key_expired", f"The API key {key.prefix} has expired. Ask for a new one.")
    if not key.owner.is_active:
        raise UnusableKey("user_disabled", f"The owner of the API key {key.prefix} may not use this server any more.")


def note_use(key: ApiKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


def listener_of_key(key: ApiKey) -> Listener:
    scopes = frozenset(map(Scope, key.scopes))
    return Listener(
        key.owner_id,
        is_trusted_anonymous=False,
        key_id=key.pk,
        scopes=scopes,
        stores_audio=key.stores_audio,
        language_model=key.language_model,
    )


def audio_today_ms(key_ids: Iterable[int]) -> dict[int, int]:
    """Milliseconds of audio that each key's sessions have received since midnight UTC, of sessions that have ended."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    today = Session.objects.filter(key__in=list(key_ids), started_at__gte=midnight).order_by()
    return dict(today.values_list("key").annotate(total_ms=Sum("received_ms")))


@transaction.atomic
def make_ticket(listener: Listener, session_key: str = "") -> str:
    """A ticket for one handshake of `listener` within a minute. Those that have expired are thrown away meanwhile."""
    now = timezone.now()
    StreamTicket.objects.filter(expires_at__lte=now).delete()
    text = secrets.token_urlsafe(32)
    StreamTicket.objects.create(
        digest=digest_of(text),
        user_id=listener.user_id,
        key_id=listener.key_id,
        session_key=session_key,
        expires_at=now + timedelta(seconds=TICKET_S),
    )
    return text


@transaction.atomic
def spend_ticket(text: str) -> SpentTicket | None:
    """For whom `text` was made; None when it was spent, has expired, or never was. Two at once: one of them gets it."""
    spent = StreamTicket.objects.select_for_update().filter(digest=digest_of(text)).first()
    if spent is None:
        return None
    spent.delete()
    if spent.expires_at <= timezone.now():
        return None
    is_local = spent.user_id is None
    listener = Listener(spent.user_id, is_local, spent.key_id, frozenset({Scope.STREAM}))
    return SpentTicket(listener, spent.session_key)
