"""Typed readers for environment variables: a bad value stops the process and names the variable.

Only this module reads ``os.environ`` for the web side. A secret may come from a file instead: ``NAME_FILE`` holds its
path. No defaults live here; every setting states its own.
"""

import os
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
Choice = TypeVar("Choice", bound=str)


def read_str(name: str, default: str) -> str:
    """Text of `name`, or of the file that `name`_FILE points at, or `default`.

    Raises:
        ImproperlyConfigured: the named file cannot be read.
    """
    if name in os.environ:
        return os.environ[name]
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return default
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as err:
        raise ImproperlyConfigured(f"{name}_FILE points at {path!r}, which cannot be read: {err.strerror}.") from err


def read_bool(name: str, *, default: bool) -> bool:
    word = read_str(name, "true" if default else "false").strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name} is {word!r}; expected one of true, false, 1, 0, yes, no, on, off.")


def read_int(name: str, default: int, *, minimum: int, maximum: int) -> int:
    text = read_str(name, str(default))
    try:
        number = int(text)
    except ValueError as err:
        raise ImproperlyConfigured(f"{name} is {text!r}; expected a whole number.") from err
    if not minimum <= number <= maximum:
        raise ImproperlyConfigured(f"{name} is {number}; expected {minimum} to {maximum}.")
    return number


def read_choice(name: str, default: Choice, choices: Sequence[Choice]) -> Choice:
    word = read_str(name, default)
    for choice in choices:
        if word == choice:
            return choice
    raise ImproperlyConfigured(f"{name} is {word!r}; expected one of {', '.join(choices)}.")


def read_list(name: str, default: Sequence[str]) -> list[str]:
    """Comma-separated words, blanks dropped."""
    return [word.strip() for word in read_str(name, ",".join(default)).split(",") if word.strip()]


def read_networks(name: str, default: Sequence[str]) -> list[str]:
    """Comma-separated addresses and networks such as 10.0.0.0/8; the word unix stands for peers on a Unix socket."""
    words = read_list(name, default)
    for word in words:
        try:
            ip_network("::" if word == "unix" else word)
        except ValueError as err:
            raise ImproperlyConfigured(
                f"{name} holds {word!r}; expected addresses or networks such as 10.0.0.0/8, or unix, with commas between."
            ) from err
    return words
