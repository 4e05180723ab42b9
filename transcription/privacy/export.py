"""Everything that is kept of somebody as one ZIP file, made piece by piece: nothing is written to disk, and memory is bounded.

`account.json`, and for each session `sessions/ID.json`, with its transcript and all else that is stored of it, and its audio
where that is kept.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from django.contrib.auth.models import User
from django.db.models import Prefetch
from django.utils import timezone

from transcription import exports
from transcription.models import ApiKey, Segment, Session, StoredAudio
from transcription.privacy.places import path_of

READ_BYTES: Final = 256 * 1024
BATCH: Final = 10
PIECE_BYTES: Final = 32 * 1024
"""Some tenths of a second of work: then the thread that makes it does something else in between."""


class Outlet:
    """What ZipFile writes into: it keeps what was not taken yet."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.num_bytes = 0

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        self.num_bytes += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was not taken can still be taken."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.num_bytes = 0
        return taken


def export_pieces(user_id: int | None) -> Iterator[bytes]:
    """The ZIP file of all that belongs to `user_id` (None: to nobody), in pieces of about PIECE_BYTES. Each `next` blocks.

    What is deleted meanwhile is left out.
    """
    outlet = Outlet()
    with ZipFile(outlet, "w", ZIP_DEFLATED) as archive:
        for _written in _entries(archive, user_id):
            if outlet.num_bytes >= PIECE_BYTES:
                yield outlet.take()
    yield outlet.take()


def file_name(now: datetime) -> str:
    return f"hark-export-{now:%Y-%m-%d}.zip"


def _entries(archive: ZipFile, user_id: int | None) -> Iterator[None]:
    """Write one after the other; gives the turn back after each step."""
    archive.writestr("account.json", _json(_account(user_id)))
    ids = list(Session.objects.filter(owner=user_id).order_by("started_at").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        for session in _loaded(ids[start : start + BATCH]):
            archive.writestr(f"sessions/{session.pk}.json", _json(_described(session)))
            yield
            for audio in session.audio.all():
                yield from _audio_entry(archive, audio)


def _loaded(ids: list[UUID]) -> list[Session]:
    segments = Prefetch("segments", Segment.objects.select_related("correction"))
    return list(Session.objects.filter(pk__in=ids).prefetch_related(segments, "audio").order_by("started_at"))


def _audio_entry(archive: ZipFile, audio: StoredAudio) -> Iterator[None]:
    """It is compressed already. A file that is gone was deleted meanwhile."""
    path = path_of(audio.session_id, audio.number)
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return
    with source, archive.open(ZipInfo(f"sessions/{path.name}"), "w", force_zip64=True) as entry:
        while piece := source.read(READ_BYTES):
            entry.write(piece)
            yield


def _account(user_id: int | None) -> dict[str, Any]:
    exported = {"exported_at": timezone.now().isoformat()}
    user = User.objects.filter(pk=user_id).first() if user_id is not None else None
    if user is None:
        return exported
    keys = ApiKey.objects.filter(owner=user).values("name", "prefix", "scopes", "created_at", "expires_at", "last_used_at")
    named = {"username": user.username, "email": user.email, "first_name": user.first_name, "last_name": user.last_name}
    return exported | named | {"joined_at": user.date_joined, "last_login": user.last_login, "keys": list(keys)}


def _described(session: Session) -> dict[str, Any]:
    """The transcript as the API gives it, and what else is stored."""
    corrections = {
        str(segment.number): segment.correction.text for segment in session.segments.all() if hasattr(segment, "correction")
    }
    return exports.to_json(session.transcript()) | {
        "client": session.client,
        "metadata": session.metadata,
        "latency": session.latency,
        "gaps": session.gaps,
        "corrections": corrections,
    }


def _json(value: dict[str, Any]) -> bytes:
    """With line ends, for people; times in ISO 8601."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1)
