"""The whole server with the scripted engine, sound or with a fault, and what it has stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import psycopg

from asr_project.serve.child import ChildSpec
from tests.inference.worker import wait_until
from tests.stack import Stack


@contextmanager
def fault(stack: Stack, name: str) -> Iterator[None]:
    """Recognition by a process that has the fault `name`; a sound one takes its place afterwards."""
    spawn = stack.spawn
    with patch.object(stack, "spawn", lambda spec: spawn(_spoilt(spec, name))):
        stack.restart_inference()
        stack.wait_until_ready()
    try:
        yield
    finally:
        stack.restart_inference()
        stack.wait_until_ready()


def _spoilt(spec: ChildSpec, name: str) -> ChildSpec:
    command = ["tests.acceptance.faulty_worker" if part == "inference" else part for part in spec.command]
    return replace(spec, command=(*command, name))


def stored_texts(stack: Stack, session: str) -> list[str]:
    """Of the session's segments, in order."""
    with psycopg.connect(stack.database_url) as connection:
        rows = connection.execute(
            "SELECT text FROM transcription_segment WHERE session_id = %s ORDER BY number", [session]
        ).fetchall()
    return [text for (text,) in rows]


def wait_until_over(stack: Stack, session: str, within_s: float) -> None:
    wait_until(lambda: status_of(stack, session) not in {"", "live"}, within_s)


def status_of(stack: Stack, session: str) -> str:
    """Empty when nothing is stored of it yet."""
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT status FROM transcription_session WHERE id = %s", [session]).fetchone()
    return row[0] if row else ""
