"""Daphne is slower than uvicorn here but stays supported: a session works on it, and so does a page."""

import sys
from collections.abc import Iterator

import pytest

from asr_project.serve.child import ChildSpec
from asr_project.serve.config import PROJECT_DIR
from tests.inference.worker import say
from tests.stack import HOST, Stack, free_port
from tests.stream_client import assert_well_formed, open_stream


@pytest.fixture
def daphne(fake_server: Stack) -> Iterator[Stack]:
    """A second web process, Daphne, beside the one of `fake_server`, with the same database and inference process."""
    stack = Stack(fake_server.folder, fake_server.environment, free_port())
    command = (sys.executable, "-m", "daphne", "-b", HOST, "-p", str(stack.port), "asr_project.asgi:application")
    stack.spawn(ChildSpec(name="daphne", command=command, environment=stack.environment, folder=PROJECT_DIR, stop_stage=1))
    stack.wait_until_ready()
    yield stack
    stack.stop()


async def test_a_session_works_on_daphne(daphne: Stack) -> None:
    async with open_stream(daphne.ws_url) as client:
        await client.send(say("alpha bravo charlie"))
        messages = await client.finish()

    assert_well_formed(messages)
    assert client.words == ["alpha", "bravo", "charlie"]
    assert client.code == 1000


def test_a_page_works_on_daphne(daphne: Stack) -> None:
    status, body = daphne.get("/")

    assert status == 200
    assert b"Hark" in body
