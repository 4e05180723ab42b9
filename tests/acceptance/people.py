"""Users with keys, sessions and tickets of a running stack, as its operator would make them, and how they lose them again."""

import json
import subprocess
import sys
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import psycopg

from asr_project.serve.config import PROJECT_DIR
from tests.stack import HOST, Stack

MAKE = """
import json, sys
from datetime import timedelta
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from transcription.listeners import ALL_SCOPES, Scope
from transcription.access.keys import make_key
from transcription.models import ApiKey

def make(name):
    user = User.objects.create_user(name)
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    key, text = make_key(user, "gateway", ALL_SCOPES)
    small, small_text = make_key(user, "two at a time", [Scope.STREAM], max_streams=2)
    reader, reader_text = make_key(user, "reader", [Scope.READ])
    expired, expired_text = make_key(user, "expired", ALL_SCOPES, expires_at=timezone.now() - timedelta(seconds=1))
    revoked, revoked_text = make_key(user, "revoked", ALL_SCOPES)
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=timezone.now())
    return {
        "id": user.pk, "session_key": store.session_key, "key_id": key.pk, "key": text, "small_key": small_text,
        "reading_key": reader_text, "expired_key": expired_text, "revoked_key": revoked_text,
    }

print(json.dumps([make(name) for name in sys.stdin.read().split()]))
"""


@dataclass(frozen=True)
class Person:
    """A user with a Django session and keys: one good for all, one for two sockets, one for reading, two that are over."""

    stack: Stack
    id: int
    session_key: str
    key_id: int
    key: str
    small_key: str
    reading_key: str
    expired_key: str
    revoked_key: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"sessionid={self.session_key}"}

    @property
    def secrets(self) -> list[str]:
        """All that may stand in no log."""
        keys = [self.key, self.small_key, self.reading_key, self.expired_key, self.revoked_key]
        return [self.session_key, *(key.rsplit("_", 1)[1] for key in keys)]

    def ticket(self, port: int | None = None) -> str:
        status, body = request(port or self.stack.port, "POST", "/api/v1/stream-tickets/", self.bearer)
        assert status == 201, body
        return str(json.loads(body)["ticket"])

    # How access is lost

    def revoke_key(self) -> None:
        self._change("UPDATE transcription_apikey SET revoked_at = now() WHERE id = %s", self.key_id)

    def expire_key(self) -> None:
        self._change("UPDATE transcription_apikey SET expires_at = now() WHERE id = %s", self.key_id)

    def disable(self) -> None:
        self._change("UPDATE auth_user SET is_active = false WHERE id = %s", self.id)

    def change_password(self) -> None:
        self._change("UPDATE auth_user SET password = '!another' WHERE id = %s", self.id)

    def log_out(self) -> None:
        self._change("DELETE FROM django_session WHERE session_key = %s", self.session_key)

    def expire_tickets(self) -> None:
        self._change("UPDATE transcription_streamticket SET expires_at = now() WHERE user_id = %s", self.id)

    def _change(self, statement: str, value: int | str) -> None:
        with psycopg.connect(self.stack.database_url) as connection:
            assert connection.execute(statement.encode(), [value]).rowcount > 0


def make_people(stack: Stack, *names: str) -> list[Person]:
    made = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", MAKE],
        cwd=PROJECT_DIR, env=stack.environment, input=" ".join(names), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    people: list[dict[str, Any]] = json.loads(made.stdout.splitlines()[-1])
    return [Person(stack, **fields) for fields in people]


def request(
    port: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, bytes]:
    """Status and body."""
    connection = HTTPConnection(HOST, port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
