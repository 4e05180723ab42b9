"""Names of those who speak, and the last words that were stored of them. Every function blocks: call it in a thread."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection

from transcription.models import ApiKey
from transcription.streaming.reporting import LiveSession

MAX_TEXT_CHARS: Final = 300
LAST_TEXTS: Final = """
    SELECT live.id, segment.text FROM unnest(%s::uuid[]) AS live(id)
    CROSS JOIN LATERAL (
        SELECT text FROM transcription_segment WHERE session_id = live.id AND text <> '' ORDER BY number DESC LIMIT 1
    ) AS segment
"""
"""One step down an index for each session, however long it is."""


def names_of(sessions: Iterable[LiveSession]) -> dict[tuple[int | None, int | None], str]:
    """(user, key) of sessions → who that is, as far as they are still there. Two queries."""
    pairs = {(session.user_id, session.key_id) for session in sessions if session.user_id is not None}
    users = dict(User.objects.filter(pk__in={user for user, _key in pairs}).values_list("pk", "username"))
    keys = dict(ApiKey.objects.filter(pk__in={key for _user, key in pairs if key is not None}).values_list("pk", "name"))
    return {(user, key): name_of(users.get(user or 0, "?"), keys.get(key or 0, "")) for user, key in pairs}


def name_of(username: str, key_name: str) -> str:
    return f"{username} · {key_name}" if key_name else username


def last_texts(session_ids: Sequence[str]) -> dict[str, str]:
    """Session → its last final that has text."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_TEXTS, [[UUID(each) for each in session_ids]])
        return {str(session_id): text[-MAX_TEXT_CHARS:] for session_id, text in cursor.fetchall()}
