"""Coming back to a session: over another socket of the same web process, and at another one that shares its database."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from asgiref.sync import sync_to_async

from tests.factories import make_user
from tests.inference.worker import Worker, running_worker, say
from tests.transcription.reliable_socket import ReliableSocket
from tests.transcription.test_consumers import FIRST, SECOND, Socket, cookie_of, stored
from tests.transcription.web_process import running_web_process
from transcription.models import ResumePoint, Segment, StoredAudio
from transcription.privacy.places import path_of
from transcription.streaming.keeping import close_keeper
from transcription.streaming.live import LINGER_S, live_streams
from transcription.streaming.recorder import current_recorder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(f"unix:{tmp_path_factory.mktemp('worker') / 'i.sock'}") as started:
        yield started


@pytest.fixture(autouse=True)
async def web_process(worker: Worker, settings: Any) -> AsyncIterator[None]:
    async with running_web_process(worker, settings):
        yield


async def lose_the_process() -> None:
    """As if this web process had been killed: nothing in its memory is known any more, and nothing of it is written."""
    await current_recorder().flush(5)
    for stream in list(live_streams().values()):
        stream.recorder.let_go(stream.session_id)
        stream.abandon()


async def test_a_client_comes_back_and_goes_on_where_it_was() -> None:
    first = ReliableSocket()
    ready = await first.begin()
    await first.say(FIRST, 1.0)
    await first.expect("final")
    await first.leave()

    second = ReliableSocket()
    resumed = await second.resume(ready, next_segment=1)
    second.sent = resumed["offset"]
    await second.say(SECOND)
    messages = await second.finish()

    assert resumed["offset"] == first.sent
    assert second.text == SECOND
    assert messages[-1]["complete"] is True
    assert await texts_stored() == [FIRST, SECOND]


@sync_to_async
def cookie(name: str) -> tuple[bytes, bytes]:
    return cookie_of(make_user(name))


async def texts_stored() -> list[str]:
    _session, texts = await stored()
    return texts


async def test_what_was_missed_is_told_again_in_order() -> None:
    first = ReliableSocket()
    ready = await first.begin()
    await first.say(FIRST, 1.0)
    await first.say(SECOND, 1.0)
    await first.leave()
    while await Segment.objects.acount() < 2:  # noqa: ASYNC110  # the other side of a database tells no news
        await asyncio.sleep(0.02)

    second = ReliableSocket()
    await second.resume(ready, next_segment=0)
    await second.finish()

    assert [final["segment"] for final in second.of("final")] == [0, 1]
    assert second.text == f"{FIRST} {SECOND}"


async def test_a_client_that_missed_the_end_is_told_it() -> None:
    first = ReliableSocket()
    ready = await first.begin()
    await first.say(FIRST)
    await first.tell("end")
    await first.expect("done")
    await first.leave()

    second = ReliableSocket()
    await second.resume(ready)
    messages = await second.read_all()

    assert [message["type"] for message in messages] == ["resumed", "final", "done"]
    assert second.code == 1000


async def test_a_client_whose_network_went_away_at_the_end_is_told_the_error_it_missed() -> None:
    """Its dead socket hangs; it is not the client that left."""
    first = ReliableSocket()
    ready = await first.begin()
    await first.send_to(bytes_data=b"short")
    await first.expect("error")
    (stream,) = live_streams().values()
    over_s = time.monotonic()

    stream.look_after(over_s)
    second = ReliableSocket()
    await second.resume(ready)
    messages = await second.read_all()
    stream.look_after(over_s + 2 * LINGER_S)

    assert [message["type"] for message in messages] == ["resumed", "error"]
    assert not live_streams()


async def test_another_process_goes_on_from_what_is_stored() -> None:
    first = ReliableSocket()
    ready = await first.begin()
    await first.say(FIRST, 1.0)
    await first.expect("final")
    pcm = say(FIRST, 1.0) + say(SECOND, 1.0)
    await first.send_pcm(pcm[len(say(FIRST, 1.0)) :][:12_800])
    await lose_the_process()

    second = ReliableSocket()
    resumed = await second.resume(ready, next_segment=0)
    assert 0 < resumed["offset"] <= len(say(FIRST, 1.0)) // 2
    second.sent = resumed["offset"]
    await second.send_pcm(pcm[2 * resumed["offset"] :])
    messages = await second.finish()

    assert second.text == f"{FIRST} {SECOND}"
    assert messages[-1]["complete"] is True
    assert messages[-1]["received_ms"] == len(pcm) // 32
    assert await texts_stored() == [FIRST, SECOND]


async def test_each_process_keeps_the_stretch_of_audio_that_it_heard(settings: Any, tmp_path: Path) -> None:
    settings.HARK_AUDIO_DIR, settings.HARK_AUDIO_TTL_DAYS = tmp_path, 7
    pcm = say(FIRST, 1.0) + say(SECOND, 1.0)
    first = ReliableSocket()
    ready = await first.begin(store_audio=True)
    await first.send_pcm(pcm[: len(say(FIRST, 1.0)) + 12_800])
    await first.expect("final")
    await lose_the_process()
    second = ReliableSocket()
    resumed = await second.resume(ready, next_segment=0)
    second.sent = resumed["offset"]
    await second.send_pcm(pcm[2 * resumed["offset"] :])
    await second.finish()
    await close_keeper()

    stretches = [stretch async for stretch in StoredAudio.objects.all()]
    kept = [soundfile.read(path_of(each.session_id, each.number), dtype="int16")[0].tobytes() for each in stretches]

    assert [each.start_ms for each in stretches] == [0, resumed["offset"] // 16]
    assert kept == [pcm[: 2 * first.sent], pcm[2 * resumed["offset"] :]]


async def test_a_process_that_lost_the_session_writes_nothing_more() -> None:
    first = ReliableSocket()
    ready = await first.begin()
    await first.say(FIRST, 1.0)
    await first.expect("final")
    await current_recorder().flush(5)
    await ResumePoint.objects.aupdate(epoch=5)

    await first.say(SECOND)
    await first.finish()

    assert await texts_stored() == [FIRST]
    assert ready["resume_token"]


async def test_audio_that_the_client_no_longer_has_is_a_gap() -> None:
    first = ReliableSocket()
    ready = await first.begin()
    await first.say(FIRST, 1.0)
    await first.leave()

    second = ReliableSocket()
    resumed = await second.resume(ready, oldest=first.sent + 16_000)
    second.sent = resumed["offset"]
    await second.say(SECOND)
    messages = await second.finish()

    assert resumed["offset"] == first.sent + 16_000
    assert [(gap["to_ms"] - gap["from_ms"], gap["reason"]) for gap in second.of("gap")] == [(1000, "lost")]
    assert messages[-1]["complete"] is False
    assert messages[-1]["gap_ms"] == 1000
    assert second.text == f"{FIRST} {SECOND}"


async def test_a_lost_frame_is_asked_for_and_its_copy_changes_nothing() -> None:
    socket = ReliableSocket()
    await socket.begin()
    pcm = say(FIRST, 1.0)
    frames = [(start // 2, pcm[start : start + 6_400]) for start in range(0, len(pcm), 6_400)]
    for number, (offset, payload) in enumerate(frames):
        if number != 3:
            await socket.send_frame(offset, payload)

    nack = await socket.expect("nack")
    await socket.send_frame(*frames[3])
    await socket.send_frame(*frames[3])
    messages = await socket.finish()

    assert (nack["from"], nack["to"]) == (9_600, 12_800)
    assert socket.text == FIRST
    assert messages[-1]["complete"] is True


@pytest.mark.parametrize("change", [{"token": "x" * 43}, {"session": "0" * 32}, {"session": "none"}])
async def test_a_wrong_token_or_session_is_refused(change: dict[str, str]) -> None:
    first = ReliableSocket()
    ready = await first.begin()
    fields = {"session": ready["session"], "token": ready["resume_token"]} | change

    second = await Socket().open()
    await second.tell("resume", **fields)
    messages = await second.read_all()

    assert [message["code"] for message in messages] == ["unknown_session"]
    assert second.code == 4404
    await first.say(FIRST)
    assert (await first.finish())[-1]["complete"] is True


async def test_nobody_resumes_the_session_of_another() -> None:
    first = ReliableSocket([await cookie("ada")])
    ready = await first.begin()

    second = await Socket([await cookie("bob")]).open()
    await second.tell("resume", session=ready["session"], token=ready["resume_token"])
    messages = await second.read_all()

    assert [message["code"] for message in messages] == ["unknown_session"]


async def test_late_events_of_the_old_socket_change_nothing() -> None:
    first = ReliableSocket()
    ready = await first.begin()
    await first.say(FIRST, 1.0)
    await first.expect("final")
    second = ReliableSocket()
    resumed = await second.resume(ready, next_segment=1)
    second.sent = resumed["offset"]

    await first.say("kilo lima mike")
    await first.tell("end")
    await second.say(SECOND)
    messages = await second.finish()

    assert messages[-1]["complete"] is True
    assert await texts_stored() == [FIRST, SECOND]
