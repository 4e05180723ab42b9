"""Bring database and static files up to date before the servers start: `python -m asr_project.serve.prepare`.

Runs as a child of its own, so that the supervisor never holds Django or a database connection. A first administrator is
made with the password in `HARK_ADMIN_PASSWORD`, which only the supervisor sets.
"""

import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import Error as DatabaseError

from asr_project import env

ADMIN_NAME = "admin"
ADMIN_MADE = "An administrator was made."


def bring_up_to_date() -> None:
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


def ensure_administrator(password: str) -> bool:
    """Make one if there is none; whether it was made."""
    from django.contrib.auth import get_user_model  # needs the settings that main() loads

    users = get_user_model()._default_manager
    if not password or users.filter(is_superuser=True).exists():
        return False
    call_command("createsuperuser", interactive=False, verbosity=0, username=ADMIN_NAME, email="")
    administrator = users.get(username=ADMIN_NAME)
    administrator.set_password(password)
    administrator.save()
    return True


def main() -> int:
    try:
        django.setup()
        bring_up_to_date()
        is_made = ensure_administrator(env.read_str("HARK_ADMIN_PASSWORD", ""))
    except (DatabaseError, ImproperlyConfigured, CommandError) as err:
        sys.stderr.write(" ".join(str(err).split()) + "\n")
        return 1
    sys.stdout.write(f"{ADMIN_MADE if is_made else 'Up to date.'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
