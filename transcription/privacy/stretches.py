"""Stretches of audio that are kept: FLAC files, written on a thread of their caller's and noted in the database when whole."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
import soundfile
from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from inference.audio import decode_pcm
from inference.messages import Encoding
from transcription.models import Session, StoredAudio
from transcription.privacy.places import path_of, remove, unfinished

BYTES_PER_MB: Final = 1_000_000
SILENCE_FRAMES: Final = 48_000
"""Written at a time where audio is missing."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a stream's audio comes."""

    encoding: Encoding
    num_channels: int
    sample_rate_hz: int


@dataclass(slots=True)
class Stretch:
    """One file, 16-bit mono at the rate at which the audio came. Not for the event loop; one thread at a time.

    `start_ms`: where in the session it begins.
    """

    session_id: UUID
    number: int
    start_ms: int
    form: Form
    num_frames: int = 0
    _file: Any = field(default=None, init=False)

    def write(self, payload: bytes) -> int:
        """Add whole frames in the stream's encoding; returns how large the file is by now, in bytes.

        Raises:
            OSError, soundfile.LibsndfileError: it cannot be written.
        """
        audio = decode_pcm(payload, self.form.encoding, self.form.num_channels)
        return self._write((audio * 32768.0).clip(-32768, 32767).astype(np.int16))

    def write_silence(self, num_frames: int) -> int:
        """As `write`, for audio that is missing."""
        num_bytes = 0
        for start in range(0, num_frames, SILENCE_FRAMES):
            num_bytes = self._write(np.zeros(min(SILENCE_FRAMES, num_frames - start), dtype=np.int16))
        return num_bytes

    def _write(self, samples: np.ndarray) -> int:
        """samples: int16 (num_frames,)."""
        self._opened().write(samples)
        self.num_frames += len(samples)
        return os.stat(unfinished(self.path)).st_size

    @property
    def path(self) -> Path:
        return path_of(self.session_id, self.number)

    def _opened(self) -> Any:
        if self._file is None:
            part = unfinished(self.path)
            part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.touch(mode=0o600)
            rate_hz = self.form.sample_rate_hz
            self._file = soundfile.SoundFile(part, "w", samplerate=rate_hz, channels=1, format="FLAC", subtype="PCM_16")
        return self._file

    def close(self) -> bool:
        """Make the file whole; False if nothing was ever written.

        Raises:
            OSError, soundfile.LibsndfileError: it cannot be written.
        """
        if self._file is None:
            return False
        self._file.close()
        part = unfinished(self.path)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(self.path)
        return True

    def throw_away(self) -> None:
        """Whatever there is of it on disk."""
        if self._file is not None:
            self._file.close()
        remove(unfinished(self.path))
        remove(self.path)


@transaction.atomic
def note_stored(stretch: Stretch) -> int:
    """Enter a whole file in the database; returns its size in bytes. A second call changes nothing.

    Where the session is gone nobody wants it any more: then so is the file, and the size is 0.
    """
    if not Session.objects.select_for_update().filter(pk=stretch.session_id).exists():
        remove(stretch.path)
        return 0
    num_bytes = stretch.path.stat().st_size
    row = StoredAudio(
        session_id=stretch.session_id,
        number=stretch.number,
        start_ms=stretch.start_ms,
        duration_ms=stretch.num_frames * 1000 // stretch.form.sample_rate_hz,
        sample_rate_hz=stretch.form.sample_rate_hz,
        num_bytes=num_bytes,
    )
    StoredAudio.objects.bulk_create([row], ignore_conflicts=True)
    return num_bytes


def stored_bytes() -> int:
    """All audio that is stored now, by whomever."""
    return StoredAudio.objects.aggregate(total=Sum("num_bytes"))["total"] or 0


def quota_bytes() -> int:
    return BYTES_PER_MB * int(settings.HARK_AUDIO_MAX_MB)
