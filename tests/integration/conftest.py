"""Running stacks for tests that need the real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack, running_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def shared_fake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("fake"), HARK_MODELS="fake") as stack:
        yield stack


@pytest.fixture
def fake_server(shared_fake_server: Stack) -> Stack:
    """Web and inference with the scripted engine, which hears the words that `inference.engines.fake.speak` says.

    A test may end its processes: the next test finds new ones.
    """
    if shared_fake_server.processes["inference-0"].poll() is not None:
        shared_fake_server.start_inference()
    if shared_fake_server.processes["web"].poll() is not None:
        shared_fake_server.start_web()
    shared_fake_server.wait_until_ready()
    return shared_fake_server
