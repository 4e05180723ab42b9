"""Stored audio for tests, as a web process leaves it."""

from pathlib import Path
from typing import Any

from transcription.models import Session, StoredAudio
from transcription.privacy.places import path_of

AUDIO = b"fLaC and what was said"


def store_audio(session: Session, number: int = 0, **fields: Any) -> Path:
    """A file and its row. fields: of the row."""
    path = path_of(session.pk, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(AUDIO)
    row = StoredAudio.objects.create(
        session=session, number=number, duration_ms=4_000, sample_rate_hz=16_000, num_bytes=len(AUDIO)
    )
    StoredAudio.objects.filter(pk=row.pk).update(**fields) if fields else None
    return path
