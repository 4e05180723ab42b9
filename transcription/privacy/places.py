"""Where stored audio lies on disk. Knows no tables. Blocks: not for the event loop.

A file is written under another name (`unfinished`) and renamed when it is whole. Its place follows from session and number, so
that whoever deletes a row, in whichever way, needs nothing else to find the file.
"""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

SUFFIX: Final = ".flac"
UNFINISHED_SUFFIX: Final = ".part"


class OfSession(Protocol):
    """A row of StoredAudio."""

    session_id: UUID
    number: int


def path_of(session_id: UUID, number: int) -> Path:
    """Folders by the first two digits, so that none of them gets too large."""
    name = f"{session_id}-{number}{SUFFIX}"
    return Path(settings.HARK_AUDIO_DIR) / name[:2] / name


def unfinished(path: Path) -> Path:
    return path.with_suffix(UNFINISHED_SUFFIX)


def remove_with_row(instance: OfSession, **_kwargs: Any) -> None:
    """Receives `post_delete` of StoredAudio: the file goes when the transaction has come to its end."""
    path = path_of(instance.session_id, instance.number)
    transaction.on_commit(lambda: remove(path))


def remove(path: Path) -> None:
    """What cannot be removed now is found by the next sweep."""
    try:
        path.unlink(missing_ok=True)
    except OSError as err:
        logger.error("stored audio could not be removed and will be tried again: %s", err.strerror)
        return
    with suppress(OSError):  # others are in it
        path.parent.rmdir()
