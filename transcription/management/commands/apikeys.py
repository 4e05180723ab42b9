"""`manage.py apikeys`: make, list and revoke the keys of programs, for operators without a browser."""

from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from inference.decoding.artefact import NO_LANGUAGE_MODEL
from transcription.access.keys import make_key, revoke_key
from transcription.listeners import Scope
from transcription.models import MAX_RETENTION_DAYS, ApiKey
from transcription.serving.language_models import installed_language_models

MAX_DAYS = 36_500


def num_days(text: str) -> int:
    """Days, at most a hundred years."""
    if not text.isascii() or not text.isdigit() or int(text) > MAX_RETENTION_DAYS:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_RETENTION_DAYS}")
    return int(text)


def whole_number(text: str) -> int:
    """A number of at least 1."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) < 2**31:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


class Command(BaseCommand):
    help = "Make, list and revoke API keys. The text of a key is shown once, when it is made."

    def add_arguments(self, parser: CommandParser) -> None:
        subcommands = parser.add_subparsers(dest="subcommand", required=True)
        create = subcommands.add_parser("create", help="make a key and print it, this once, on a line of its own")
        create.add_argument("user", help="whose key it is; what it records belongs to them")
        create.add_argument("name", help="what the key is for")
        create.add_argument(
            "--scope", action="append", choices=list(Scope), dest="scopes",
            help="what it may do; may be given several times (default: stream)",
        )  # fmt: skip
        create.add_argument("--max-streams", type=whole_number, help="sockets at a time")
        create.add_argument("--max-audio-s-per-day", type=whole_number, help="seconds of audio from midnight to midnight UTC")
        create.add_argument("--retention-days", type=num_days, help="days after which its sessions are deleted; 0: never")
        create.add_argument("--stores-audio", action="store_true", help="keep the audio of its sessions for HARK_AUDIO_TTL_DAYS")
        create.add_argument("--language-model", default="", help="for its sessions that name none; see `manage.py lm list`")
        create.add_argument("--expires-in-days", type=whole_number, help="days until it is worth nothing")
        listing = subcommands.add_parser("list", help="all keys, newest first")
        listing.add_argument("user", nargs="?", help="only those of this user")
        revoke = subcommands.add_parser("revoke", help="end a key; its sockets are closed within seconds")
        revoke.add_argument("prefix", help="the eight characters behind hark_, as `list` shows them")

    def handle(self, *_args: Any, **options: Any) -> None:
        getattr(self, str(options["subcommand"]))(options)

    def create(self, options: dict[str, Any]) -> None:
        days = options["expires_in_days"]
        if days is not None and days > MAX_DAYS:
            raise CommandError(f"--expires-in-days is {days}; expected 1 to {MAX_DAYS}.")
        _key, text = make_key(
            user_named(options["user"]),
            options["name"],
            [Scope(word) for word in options["scopes"] or [Scope.STREAM]],
            max_streams=options["max_streams"],
            max_audio_s_per_day=options["max_audio_s_per_day"],
            retention_days=options["retention_days"],
            stores_audio=options["stores_audio"],
            language_model=language_model_named(options["language_model"]),
            expires_at=None if days is None else timezone.now() + timedelta(days=days),
        )
        self.stderr.write("The key, shown only this once:")
        self.stdout.write(text)

    def list(self, options: dict[str, Any]) -> None:
        keys = ApiKey.objects.select_related("owner")
        if options["user"]:
            keys = keys.filter(owner=user_named(options["user"]))
        for key in keys:
            self.stdout.write(described(key))

    def revoke(self, options: dict[str, Any]) -> None:
        key = ApiKey.objects.filter(prefix=options["prefix"]).first()
        if key is None:
            raise CommandError(f"There is no key with the prefix {options['prefix']!r}. `apikeys list` shows all.")
        revoke_key(key)
        self.stdout.write(f"{key.name} is revoked.")


def user_named(name: str) -> User:
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist as err:
        raise CommandError(f"There is no user {name!r}.") from err


def language_model_named(name: str) -> str:
    known = installed_language_models()
    if name and name not in {*known, NO_LANGUAGE_MODEL}:
        raise CommandError(f"There is no language model {name!r} here; there are: {', '.join(sorted(known)) or 'none'}.")
    return name


def described(key: ApiKey) -> str:
    """One line: prefix, owner, name, scopes, state, last use."""
    state = "usable" if key.is_usable else "revoked" if key.revoked_at else "expired"
    used = f"last used {key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never used"
    return f"{key.prefix}  {key.owner.username}  {key.name}  {','.join(key.scopes)}  {state}, {used}"
