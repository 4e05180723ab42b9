"""Links to inference processes for tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from inference.client import InferenceClient
from tests.inference.worker import Worker, running_worker

OpenClient = Callable[..., InferenceClient]


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 'i.sock'}"


@pytest.fixture
def worker(address: str) -> Iterator[Worker]:
    with running_worker(address) as started:
        yield started


@pytest.fixture
async def open_client() -> AsyncIterator[OpenClient]:
    """Makes clients that are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(*addresses: str) -> InferenceClient:
            client = InferenceClient(*addresses)
            stack.push_async_callback(client.close)
            return client

        yield make
