"""The folder of our own PostgreSQL: what is refused, what is mended, and that its data survives a crash."""

import os
import signal
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import psycopg
import pytest

from asr_project.serve.console import Console
from asr_project.serve.errors import CannotStart
from asr_project.serve.postgres import SERVING_OPTIONS, TESTING_OPTIONS, Postgres, prepare_postgres
from asr_project.serve.services import ServiceUrls, start_services
from asr_project.serve.supervisor import Supervisor


def prepare(folder: Path) -> Postgres:
    return prepare_postgres(folder, Console(StringIO()), TESTING_OPTIONS)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(Console(StringIO()))
    yield supervisor
    supervisor.stop()


def start(supervisor: Supervisor, folder: Path) -> str:
    """With the options of `make serve`: what is committed is on disk."""
    wanted = ServiceUrls(database_url="", redis_url=os.environ["REDIS_URL"])
    return start_services(supervisor, Console(StringIO()), folder, wanted, SERVING_OPTIONS).database_url


def test_data_of_another_version_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(CannotStart, match=r"made by PostgreSQL 16 and Hark brings 18: dump it with the old version"):
        prepare(tmp_path)


def test_a_folder_that_is_no_database_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(CannotStart, match=r"is not a whole PostgreSQL database .*: restore it from a backup, or move it away"):
        prepare(tmp_path)


def test_the_process_number_of_a_stranger_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("18\n")
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    prepare(tmp_path)
    assert not (data / "postmaster.pid").exists()


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("18\n")
    postgres = prepare(folder)
    assert len(os.fsencode(postgres.socket_folder / ".s.PGSQL.5432")) < 104
    postgres.socket_folder.rmdir()


@pytest.mark.integration
def test_what_was_stored_is_there_after_a_crash_and_a_second_start(supervisor: Supervisor, tmp_path: Path) -> None:
    with psycopg.connect(start(supervisor, tmp_path)) as connection:
        connection.execute("CREATE TABLE said AS SELECT 'hello' AS word")
    pid = supervisor.pid_of("postgres")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    supervisor.stop()
    second = Supervisor(Console(StringIO()))
    try:
        with psycopg.connect(start(second, tmp_path)) as connection:
            assert connection.execute("SELECT word FROM said").fetchone() == ("hello",)
    finally:
        second.stop()


@pytest.mark.integration
def test_a_broken_database_gives_one_sentence(supervisor: Supervisor, tmp_path: Path) -> None:
    prepare(tmp_path / "postgres").data.joinpath("global", "pg_control").unlink()
    with pytest.raises(CannotStart, match=r"postgres could not start .* restore .* from a backup, or move it away"):
        start(supervisor, tmp_path)
