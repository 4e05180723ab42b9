"""PostgreSQL refuses to run as root: when root serves, its database runs as a system account of its own."""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from asr_project.serve.errors import CannotStart

ACCOUNT_NAME = "hark-postgres"


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int


def account_for_postgres(data: Path) -> Account | None:
    """Whom PostgreSQL runs as: ourselves (None), or, if we are root, the owner of `data` or an account made for it.

    Raises:
        CannotStart: the account does not exist and cannot be made.
    """
    if os.geteuid() != 0:
        return None
    if data.exists():
        return Account(data.stat().st_uid, data.stat().st_gid)
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        entry = _make_account()
    return Account(entry.pw_uid, entry.pw_gid)


def _make_account() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT_NAME]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as err:
        raise CannotStart(
            f"PostgreSQL cannot run as root and the account {ACCOUNT_NAME} could not be made ({err}): "
            "run `make serve` as an ordinary user, or set DATABASE_URL."
        ) from err
    return pwd.getpwnam(ACCOUNT_NAME)


def open_the_way(path: Path) -> list[Path]:
    """Let every account pass through (not list) the folders above `path`; returns those that had to be changed."""
    closed = [folder for folder in path.resolve().parents if not folder.stat().st_mode & stat.S_IXOTH]
    for folder in closed:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    return closed


def let_everybody_read(tree: Path) -> None:
    """Undo a strict umask on installed programs: others may read them, and run what the owner may run."""
    for path in [tree, *tree.rglob("*")]:
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
