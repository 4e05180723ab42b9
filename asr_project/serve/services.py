"""PostgreSQL and Valkey, ours or the operator's: afterwards both have answered. Tests start theirs through here too."""

from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from asr_project.serve.console import Console
from asr_project.serve.errors import CannotStart
from asr_project.serve.postgres import Postgres, prepare_postgres
from asr_project.serve.supervisor import Supervisor
from asr_project.serve.valkey import Valkey, prepare_valkey

LOOK_EVERY_S = 0.05
ANSWERS_WITHIN_S = 60.0
CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    database_url: str
    redis_url: str


def start_services(
    supervisor: Supervisor, console: Console, folder: Path, wanted: ServiceUrls, postgres_options: dict[str, str]
) -> ServiceUrls:
    """Start what `wanted` leaves empty under `folder`, check what it names, and return the addresses of both.

    Raises:
        CannotStart: one of them does not answer.
        StopServing: a stop was requested meanwhile.
    """
    valkey = None if wanted.redis_url else prepare_valkey(folder / "valkey")
    if valkey:
        supervisor.start(valkey.spec())
    postgres = None if wanted.database_url else prepare_postgres(folder / "postgres", console, postgres_options)
    if postgres:
        supervisor.start(postgres.spec())
    if wanted.database_url:
        require_database(wanted.database_url)
    if wanted.redis_url:
        require_valkey(wanted.redis_url)
    return ServiceUrls(
        _await_postgres(supervisor, postgres) if postgres else wanted.database_url,
        _await_valkey(supervisor, valkey) if valkey else wanted.redis_url,
    )


def _await_postgres(supervisor: Supervisor, postgres: Postgres) -> str:
    if not supervisor.wait_until(postgres.answers, look_every_s=LOOK_EVERY_S, within_s=ANSWERS_WITHIN_S):
        raise CannotStart(f"PostgreSQL in {postgres.folder} does not answer after {ANSWERS_WITHIN_S:g} s: see {postgres.log}.")
    postgres.ensure_database()
    return postgres.url()


def _await_valkey(supervisor: Supervisor, valkey: Valkey) -> str:
    if not supervisor.wait_until(valkey.answers, look_every_s=LOOK_EVERY_S, within_s=ANSWERS_WITHIN_S):
        raise CannotStart(f"Valkey in {valkey.folder} does not answer after {ANSWERS_WITHIN_S:g} s: see {valkey.folder / 'log'}.")
    return valkey.url


def require_database(url: str) -> None:
    """Check the operator's own database.

    Raises:
        CannotStart: it does not answer.
    """
    try:
        psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.ProgrammingError as err:  # its text repeats the address with the password
        raise CannotStart("DATABASE_URL is no address: it must look like postgresql://user@host:5432/name.") from err
    except psycopg.Error as err:
        raise CannotStart(
            f"The database at DATABASE_URL does not answer ({_first_line(err)}): start it, or correct DATABASE_URL."
        ) from err


def require_valkey(url: str) -> None:
    """Check the operator's own Valkey or Redis.

    Raises:
        CannotStart: it does not answer.
    """
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=CONNECT_TIMEOUT_S) as client:
            client.ping()
    except (redis.RedisError, ValueError) as err:
        raise CannotStart(
            f"The Valkey at REDIS_URL does not answer ({_first_line(err)}): start it, or correct REDIS_URL."
        ) from err


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0].rstrip(".")
