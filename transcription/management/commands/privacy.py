"""`manage.py privacy`: delete what is over its time, forget or export what somebody has said; for operators without a browser."""

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from transcription.models import Session
from transcription.privacy import erasure, export, retention


class Command(BaseCommand):
    help = "Delete what is over its time now; forget, or export, all that somebody has said."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("sweep", help="delete what has been kept for as long as it may be; beat does it every hour")
        erase = verbs.add_parser("erase", help="delete all that somebody has said up to now; the account stays")
        exporting = verbs.add_parser("export", help="write all that is stored of somebody into a ZIP file")
        for verb in (erase, exporting):
            whose = verb.add_mutually_exclusive_group(required=True)
            whose.add_argument("--user", help="whose data")
            whose.add_argument("--of-nobody", action="store_true", help="sessions that were recorded without signing in")
        exporting.add_argument("file", type=Path, help="a new file; it is readable by you alone")

    def handle(self, *_args: Any, **options: Any) -> None:
        getattr(self, str(options["verb"]))(options)

    def sweep(self, _options: dict[str, Any]) -> None:
        swept = retention.sweep()
        self.stdout.write(
            f"{swept.num_sessions} sessions, {swept.num_audio} stretches of audio and {swept.num_files} stray files were deleted."
        )

    def erase(self, options: dict[str, Any]) -> None:
        wish = erasure.request_erasure(user_id_in(options))
        if erasure.carry_out(wish):
            wish.refresh_from_db()
            self.stdout.write(f"{wish.num_sessions} sessions were deleted.")
            return
        num_live = erasure.sessions_of(wish).filter(status=Session.Status.LIVE).count()
        self.stdout.write(f"{num_live} sessions are being spoken. They are ended now, and all is deleted within a minute.")

    def export(self, options: dict[str, Any]) -> None:
        path: Path = options["file"]
        user_id = user_id_in(options)
        try:
            path.touch(mode=0o600, exist_ok=False)
            with path.open("wb") as file:
                file.writelines(export.export_pieces(user_id))
        except OSError as err:
            raise CommandError(f"{path} cannot be written: {err.strerror}. Name a new file in a folder that is yours.") from err
        self.stdout.write(f"{path} has {path.stat().st_size} bytes.")


def user_id_in(options: dict[str, Any]) -> int | None:
    """None: of nobody."""
    if options["of_nobody"]:
        return None
    user = User.objects.filter(username=options["user"]).first()
    if user is None:
        raise CommandError(f"There is no user {options['user']!r}.")
    return user.pk
