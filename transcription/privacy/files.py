"""No file of stored audio outlives its row. Blocks: not for the event loop."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings

from transcription.models import Session, StoredAudio
from transcription.privacy.places import path_of, remove

ORPHAN_AFTER: Final = timedelta(hours=1)
"""Longer than anything takes between a file and its row."""


def remove_orphans(older_than: timedelta = ORPHAN_AFTER) -> int:
    """Remove files that have no row: their process died while it wrote them, or between deleting the row and the file."""
    num_removed = 0
    for path in orphans(time.time() - older_than.total_seconds()):
        remove(path)
        num_removed += 1
    return num_removed


def orphans(before_s: float) -> Iterator[Path]:
    """Files without a row that nobody has written since `before_s`, seconds of the clock, and that no live session is writing."""
    folder = Path(settings.HARK_AUDIO_DIR)
    for part in sorted(folder.iterdir()) if folder.is_dir() else ():
        old = {path: session_of(path) for path in part.iterdir() if written_s(path) < before_s} if part.is_dir() else {}
        of_rows = {path_of(*row) for row in StoredAudio.objects.filter(session__in=ids(old)).values_list("session_id", "number")}
        live = set(Session.objects.filter(pk__in=ids(old), status=Session.Status.LIVE).values_list("pk", flat=True))
        yield from (path for path, session_id in old.items() if path not in of_rows and session_id not in live)


def written_s(path: Path) -> float:
    """When the file was last written; never, if it is gone meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def ids(old: dict[Path, UUID | None]) -> set[UUID]:
    return {session_id for session_id in old.values() if session_id is not None}


def session_of(path: Path) -> UUID | None:
    try:
        return UUID(path.stem.rpartition("-")[0])
    except ValueError:
        return None
