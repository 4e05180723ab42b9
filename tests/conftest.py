"""The whole suite runs against a real PostgreSQL and Valkey, started here from the same wheels and code as `make serve`."""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from io import StringIO
from pathlib import Path

import django
import pytest

from asr_project.serve.console import Console
from asr_project.serve.postgres import TESTING_OPTIONS
from asr_project.serve.services import ServiceUrls, start_services
from asr_project.serve.supervisor import Supervisor
from tests.stack import Stack, running_stack

PROJECT_DIR = Path(__file__).resolve().parent.parent
SERVICES = pytest.StashKey[tuple[Supervisor, Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the services before pytest-django, which configures last, reads the settings."""
    folder = Path(tempfile.mkdtemp(prefix="hark-tests-"))
    (folder / "static").mkdir()  # WhiteNoise warns of a missing one
    console = Console(StringIO())
    supervisor = Supervisor(console)
    config.stash[SERVICES] = supervisor, folder
    wanted = ServiceUrls(os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", ""))
    urls = start_services(supervisor, console, folder, wanted, TESTING_OPTIONS)
    os.environ.update(
        DATABASE_URL=urls.database_url,
        REDIS_URL=urls.redis_url,
        HARK_VAR_DIR=str(folder),
        SECRET_KEY="only-for-tests",
        DJANGO_SETTINGS_MODULE="asr_project.settings",
    )
    django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVICES in config.stash:
        supervisor, folder = config.stash[SERVICES]
        supervisor.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the servers of a test wrote stands below its failure."""
    report = yield
    if report.failed:
        stacks = [stack for stack in getattr(item, "funcargs", {}).values() if isinstance(stack, Stack)]
        report.sections += [("What the server wrote last", stack.logs()) for stack in stacks]
    return report


@pytest.fixture(scope="session")
def hark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Web and inference with the models that come with it; one for integration and browser tests."""
    with running_stack(tmp_path_factory.mktemp("hark")) as stack:
        yield stack


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """The larger speech set: FLAC files and their transcripts. On CI it must be there; elsewhere its absence is a skip."""
    folder = Path(os.environ.get("HARK_SPEECH_DIR", PROJECT_DIR.parent / "shared" / "speech"))
    if not folder.is_dir():
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(f"no speech set in {folder}: set HARK_SPEECH_DIR")
    return folder
