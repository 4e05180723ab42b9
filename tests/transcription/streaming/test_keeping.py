"""Audio that is kept: what came is what lies on disk, nothing else is, and no session suffers from a bad disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import soundfile
from asgiref.sync import sync_to_async
from django.db import connections
from pytest_django import Settings

from inference.audio import decode_pcm
from inference.messages import Checkpoint, StreamOptions
from tests.factories import make_session
from transcription.listeners import Listener, Scope
from transcription.models import Session, StoredAudio
from transcription.privacy.places import path_of
from transcription.session.storing import Storing
from transcription.streaming import keeping
from transcription.streaming.keeping import PIECE_BYTES, Keeping, close_keeper, current_keeper, storing_for
from transcription.streaming.recorder import close_recorder

pytestmark = pytest.mark.django_db(transaction=True)
NOISE = np.random.default_rng(1).integers(-32768, 32767, 100_000, dtype=np.int16)
PERSON = Listener(user_id=1, is_trusted_anonymous=False)


@pytest.fixture(autouse=True)
async def folder(tmp_path: Path, settings: Settings) -> AsyncIterator[Path]:
    settings.HARK_AUDIO_DIR = tmp_path / "audio"
    settings.HARK_AUDIO_TTL_DAYS = 7
    yield tmp_path / "audio"
    await close_keeper()
    await close_recorder()
    await sync_to_async(connections.close_all)()


def keep(session_id: UUID, options: StreamOptions | None = None, checkpoint: Checkpoint | None = None) -> Keeping:
    return current_keeper().begin(session_id, 0, options or StreamOptions(), checkpoint or Checkpoint())


async def written(session_id: UUID) -> tuple[np.ndarray, StoredAudio]:
    """What lies on disk and what the database says of it."""
    await close_keeper()
    samples, rate_hz = soundfile.read(path_of(session_id, 0), dtype="int16")
    row = await StoredAudio.objects.aget(session=session_id)
    assert (row.sample_rate_hz, row.duration_ms) == (rate_hz, len(samples) * 1000 // rate_hz)
    assert row.num_bytes == path_of(session_id, 0).stat().st_size
    return samples, row


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def a_session() -> UUID:
    session: Session = await sync_to_async(make_session)(status=Session.Status.LIVE)
    return session.pk


async def test_what_came_is_what_lies_on_disk_sample_by_sample(folder: Path) -> None:
    session_id = await a_session()
    kept = keep(session_id, checkpoint=Checkpoint(transcribed_samples=16_000, silence_samples=8_000))
    for start in range(0, len(NOISE), 1_600):
        kept.write(NOISE[start : start + 1_600].tobytes())
    kept.finish(None)
    kept.finish(None)

    samples, row = await written(session_id)

    assert np.array_equal(samples, NOISE)
    assert row.start_ms == 1_500
    assert [path.suffix for path in files_in(folder)] == [".flac"]
    assert path_of(session_id, 0).stat().st_mode & 0o077 == 0


async def test_telephone_audio_in_two_channels_is_kept_as_it_is_heard() -> None:
    session_id = await a_session()
    payload = np.random.default_rng(2).integers(0, 255, 8_000, dtype=np.uint8).tobytes()
    kept = keep(session_id, StreamOptions(encoding="mulaw", sample_rate_hz=8_000, num_channels=2))
    kept.write(payload)
    kept.finish(None)

    samples, row = await written(session_id)

    assert np.abs(samples / 32768 - decode_pcm(payload, "mulaw", 2)).max() < 1 / 32768
    assert row.duration_ms == 500


async def test_what_is_missing_is_silence_so_that_times_stay_right() -> None:
    session_id = await a_session()
    kept = keep(session_id)
    kept.write(NOISE[:100].tobytes())
    kept.write_gap(100_000)
    kept.write(NOISE[100:200].tobytes())
    kept.finish(None)

    samples, _row = await written(session_id)

    assert np.array_equal(samples, np.concatenate([NOISE[:100], np.zeros(100_000, dtype=np.int16), NOISE[100:200]]))


async def assert_nothing_is_left(folder: Path) -> None:
    await close_keeper()
    assert files_in(folder) == []
    assert not await StoredAudio.objects.aexists()


async def test_nothing_is_left_of_what_was_discarded(folder: Path) -> None:
    kept = keep(await a_session())
    kept.write(bytes(2 * PIECE_BYTES))
    kept.discard()
    kept.write(bytes(PIECE_BYTES))
    kept.finish(None)

    await assert_nothing_is_left(folder)


async def test_a_file_whose_session_was_deleted_goes_at_once(folder: Path) -> None:
    kept = keep(uuid4())
    kept.write(bytes(PIECE_BYTES))
    kept.finish(None)

    await assert_nothing_is_left(folder)


async def test_a_disk_that_is_too_slow_costs_the_stretch_and_no_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MAX_WAITING_BYTES", 2 * PIECE_BYTES)
    kept = keep(await a_session())
    for _ in range(3):  # the thread cannot tell that it has written before we listen to it
        kept.write(bytes(PIECE_BYTES))
    kept.finish(None)

    await assert_nothing_is_left(folder)


async def test_a_disk_that_cannot_be_written_costs_the_stretch_alone(settings: Settings) -> None:
    settings.HARK_AUDIO_DIR = Path(__file__)  # no folder
    kept = keep(await a_session())
    kept.write(bytes(PIECE_BYTES))
    kept.finish(None)
    await close_keeper()

    assert not await StoredAudio.objects.aexists()


async def test_a_full_store_takes_no_more_and_keeps_what_it_has(settings: Settings) -> None:
    settings.HARK_AUDIO_MAX_MB = 1
    session_id = await a_session()
    kept, loud = keep(session_id), np.tile(NOISE, 8)
    for start in range(0, loud.nbytes, PIECE_BYTES):
        before = kept.num_bytes
        kept.write(loud.tobytes()[start : start + PIECE_BYTES])
        await until(partial(has_grown, kept, before))
    kept.finish(None)

    samples, row = await written(session_id)

    assert 1_000_000 <= row.num_bytes < 1_000_000 + 2 * PIECE_BYTES
    assert np.array_equal(samples, loud[: len(samples)])


def has_grown(kept: Keeping, before: int) -> bool:
    """Or there is no room for it."""
    return kept.num_bytes > before or storing_for(PERSON) is Storing.FULL


async def until(condition: Callable[[], bool]) -> None:
    """What another thread does is noticed in turns of the event loop."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    pytest.fail("it did not happen")


async def test_what_others_have_stored_takes_room_too(settings: Settings) -> None:
    settings.HARK_AUDIO_MAX_MB = 1
    fields = {"duration_ms": 1, "sample_rate_hz": 16_000, "num_bytes": 1_000_000}
    await StoredAudio.objects.acreate(session_id=await a_session(), **fields)

    assert storing_for(PERSON) is Storing.ON_REQUEST  # not known yet
    await until(lambda: storing_for(PERSON) is Storing.FULL)


async def test_what_may_be_kept_is_for_the_operator_the_key_and_the_speaker_to_say(settings: Settings) -> None:
    key = Listener(1, is_trusted_anonymous=False, key_id=1, scopes=frozenset({Scope.STREAM}))
    always, asking = replace(key, stores_audio=True), replace(key, scopes=frozenset({Scope.STREAM, Scope.STORE_AUDIO}))

    assert [storing_for(listener) for listener in (key, asking, always, PERSON)] == [
        Storing.FORBIDDEN,
        Storing.ON_REQUEST,
        Storing.ALWAYS,
        Storing.ON_REQUEST,
    ]
    settings.HARK_AUDIO_TTL_DAYS = 0
    assert {storing_for(listener) for listener in (key, asking, always, PERSON)} == {Storing.OFF}
