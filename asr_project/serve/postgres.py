"""A PostgreSQL of our own: its folder, how it is run, and its address. It listens on a Unix socket only."""

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from asr_project.serve.accounts import Account, account_for_postgres, let_everybody_read, open_the_way
from asr_project.serve.child import ChildSpec
from asr_project.serve.console import Console
from asr_project.serve.errors import CannotStart
from asr_project.serve.programs import POSTGRES_VERSION, postgres_install

DATABASE_NAME = "hark"
SOCKET_PORT = 5432  # names the socket file; nothing listens on TCP
MAX_SOCKET_PATH_BYTES = 100  # the smallest limit of the systems we know is 104, with the final zero
STOP_STAGE = 4
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}
# An error of a statement goes to who asked, and not into the log, where it would quote what somebody said.
DISCREET_OPTIONS = {"log_min_messages": "log", "log_min_error_statement": "panic", "log_error_verbosity": "terse"}
SERVING_OPTIONS = {"max_connections": "200", "shared_buffers": "128MB"}
TESTING_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


@dataclass(frozen=True, slots=True)
class Postgres:
    """`folder` holds everything: data/, socket/ and the log."""

    folder: Path
    socket_folder: Path
    account: Account | None
    options: dict[str, str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def url(self, database: str = DATABASE_NAME) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket_folder), safe='')}&port={SOCKET_PORT}"

    def spec(self) -> ChildSpec:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            "port": str(SOCKET_PORT),
            **DISCREET_OPTIONS,
            **self.options,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ChildSpec(
            name="postgres",
            command=(str(postgres_install() / "bin" / "postgres"), "-D", str(self.data), *flags),
            environment=ENVIRONMENT,
            folder=self.folder,
            stop_stage=STOP_STAGE,
            stop_signal=signal.SIGINT,  # "fast": ends connections, keeps the data whole
            grace_s=10,
            log_path=self.log,
            account=self.account,
            advice=f"Its log is {self.log}; restore {self.folder} from a backup, or move it away to begin anew.",
        )

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def ensure_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE_NAME]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE_NAME)))


def prepare_postgres(folder: Path, console: Console, options: dict[str, str]) -> Postgres:
    """Make `folder` ready for a server: accounts, an empty cluster if there is none, no traces of a crash.

    Raises:
        CannotStart: the folder cannot be used.
    """
    postgres = Postgres(folder, _socket_folder(folder), account_for_postgres(folder / "data"), options)
    for path in (folder, postgres.socket_folder):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        _hand_over(path, postgres.account)
    if postgres.account:
        _admit_account(folder, console)
    if not postgres.data.exists():
        console.say("Making an empty database.")
        _make_cluster(postgres)
    _require_version(postgres)
    _drop_stale_pid_file(postgres)
    postgres.log.unlink(missing_ok=True)
    return postgres


def _socket_folder(folder: Path) -> Path:
    wanted = folder / "socket"
    is_short = len(os.fsencode(wanted / f".s.PGSQL.{SOCKET_PORT}")) <= MAX_SOCKET_PATH_BYTES
    return wanted if is_short else Path(tempfile.mkdtemp(prefix="hark-"))


def _hand_over(path: Path, account: Account | None) -> None:
    if account:
        os.chown(path, account.uid, account.gid)


def _admit_account(folder: Path, console: Console) -> None:
    install = postgres_install()
    for opened in [*open_the_way(install), *open_the_way(folder)]:
        console.say(f"Other accounts may now pass through {opened}: the database, which cannot run as root, lies below it.")
    if not (install / "bin" / "postgres").stat().st_mode & 0o001:
        let_everybody_read(install)


def _make_cluster(postgres: Postgres) -> None:
    """initdb into a folder beside the final one, so that an interrupted attempt is never mistaken for a database."""
    unfinished = postgres.folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    account = postgres.account
    # fmt: off
    command = [
        str(postgres_install() / "bin" / "initdb"), "--pgdata", str(unfinished), "--username", "postgres", "--auth", "trust",
        "--encoding", "UTF8", "--no-locale", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-sync",
    ]
    # fmt: on
    made = subprocess.run(
        command,
        env=ENVIRONMENT,
        cwd=postgres.folder,
        capture_output=True,
        text=True,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CannotStart(
            f"PostgreSQL cannot make a database in {postgres.folder} ({reason}): make room there, or set DATABASE_URL."
        )
    unfinished.rename(postgres.data)


def _require_version(postgres: Postgres) -> None:
    try:
        found = (postgres.data / "PG_VERSION").read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError) as err:
        raise CannotStart(
            f"{postgres.data} is not a whole PostgreSQL database (it has no PG_VERSION): "
            "restore it from a backup, or move it away to begin with an empty one."
        ) from err
    if found != str(POSTGRES_VERSION):
        raise CannotStart(
            f"{postgres.data} was made by PostgreSQL {found} and Hark brings {POSTGRES_VERSION}: "
            "dump it with the old version, or move it away to begin with an empty one."
        )


def _drop_stale_pid_file(postgres: Postgres) -> None:
    """After a crash PostgreSQL refuses to start if a stranger has its old process number; the lock file says so wrongly."""
    pid_file = postgres.data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text(encoding="ascii").split()[0])
        is_postgres = psutil.Process(pid).name() == "postgres"
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        is_postgres = False
    if not is_postgres:
        pid_file.unlink(missing_ok=True)
