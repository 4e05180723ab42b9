"""A server for others: what Django and Hark find to say of its settings, and where its secrets come from."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from asr_project.serve.config import PROJECT_DIR

PRODUCTION = {
    "ALLOWED_HOSTS": "hark.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://hark.example.org",
    "HARK_HTTPS": "true",
    "HARK_TRUSTED_PROXIES": "10.0.0.0/8",
    "DATABASE_URL": "postgresql://hark@db.example.org/hark",
}
ASK = "from django.conf import settings; print(settings.DEBUG, settings.SECRET_KEY, settings.DATABASES['default']['PASSWORD'])"


def manage(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`manage.py` in an environment of nothing but `environment`."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT_DIR, env={"PATH": os.defpath, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def deploy_check(**changes: str) -> "subprocess.CompletedProcess[str]":
    return manage(
        "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION | {"SECRET_KEY": secrets.token_urlsafe(48)} | changes
    )


def test_nothing_is_left_to_say_of_production_settings(tmp_path: Path) -> None:
    checked = deploy_check(HARK_VAR_DIR=str(tmp_path))

    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"HARK_HTTPS": "false"}, "security.W012"),
        ({"DEBUG": "true"}, "security.W018"),
        ({"SECRET_KEY": "short"}, "security.W009"),
        ({"HARK_ANONYMOUS": "loopback"}, "hark.W001"),
        ({"HARK_TRUSTED_PROXIES": ""}, "hark.W004"),
    ],
)
def test_a_weak_setting_is_named(changes: dict[str, str], complaint: str) -> None:
    checked = deploy_check(**changes)

    assert checked.returncode != 0
    assert complaint in checked.stderr


def test_debug_is_off_and_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key-from-a-file\n")
    (tmp_path / "database").write_text("postgresql://hark:password-from-a-file@db/hark\n")

    asked = manage("shell", "-c", ASK, SECRET_KEY_FILE=str(tmp_path / "key"), DATABASE_URL_FILE=str(tmp_path / "database"))

    assert asked.stdout.split()[-3:] == ["False", "key-from-a-file", "password-from-a-file"], asked.stderr


def test_no_secret_is_no_server() -> None:
    asked = manage("check", DATABASE_URL=PRODUCTION["DATABASE_URL"])

    assert asked.returncode != 0
    assert "SECRET_KEY is not set" in asked.stderr


def test_a_network_that_is_none_is_named() -> None:
    checked = deploy_check(HARK_TRUSTED_PROXIES="10.0.0.0/8, proxy")

    assert "HARK_TRUSTED_PROXIES holds 'proxy'" in checked.stderr
