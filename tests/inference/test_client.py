"""The client against a real inference process with the scripted engine: over sockets, through kills and restarts."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
import soxr

from inference.audio import to_samples
from inference.client import NO_WORKER, StreamHandle, pool
from inference.engines.fake import speak
from inference.link import local
from inference.messages import (
    AudioChunk,
    Checkpoint,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    OpenStream,
    SpeechEnded,
    SpeechStarted,
    StreamDone,
    StreamFailed,
    StreamOpened,
    StreamProgress,
    Timings,
    TranscriptFinal,
    TranscriptUpdated,
)
from tests.inference.conftest import OpenClient
from tests.inference.worker import Listener, Worker, listen, running_worker, say, send_in_pieces, to_pcm

FIRST = "alpha bravo charlie delta echo foxtrot"
SECOND = "golf hotel india juliett kilo lima"
THIRD = "mike november oscar papa quebec romeo"
Moment = Callable[[StreamHandle, Listener], Awaitable[object]]


def assert_every_sample_counted(done: StreamDone | StreamFailed, num_samples: int) -> None:
    assert isinstance(done, StreamDone)
    assert done.checkpoint.settled_samples == num_samples


async def has_partial_of(listener: Listener, segment: int) -> None:
    await listener.until(lambda: any(event.segment == segment for event in listener.of(TranscriptUpdated)))


def assert_numbers_count(listener: Listener) -> None:
    finals = listener.of(TranscriptFinal)
    assert [final.segment for final in finals] == list(range(len(finals)))


@pytest.mark.integration
async def test_words_spoken_are_words_heard(worker: Worker, open_client: OpenClient) -> None:
    handle, listener = listen(open_client(worker.address))
    spoken = say(FIRST, 1.0) + say(SECOND)

    await send_in_pieces(handle, spoken)
    handle.end()

    assert_every_sample_counted(await listener.over(), len(spoken) // 2)
    assert isinstance(listener.events[0], StreamOpened)
    assert listener.words == f"{FIRST} {SECOND}".split()
    assert_numbers_count(listener)


@pytest.mark.integration
async def test_the_link_works_over_tcp_too(open_client: OpenClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with running_worker(f"tcp:127.0.0.1:{port}") as worker:
        handle, listener = listen(open_client(worker.address))
        await send_in_pieces(handle, say(FIRST))
        handle.end()
        await listener.over()

    assert listener.words == FIRST.split()


@pytest.mark.integration
async def test_streams_of_two_clients_hear_their_own_words_only(worker: Worker, open_client: OpenClient) -> None:
    texts = [FIRST, SECOND, THIRD, f"{SECOND} {FIRST}"]
    clients = [open_client(worker.address), open_client(worker.address)]
    streams = [listen(clients[index % 2]) for index in range(len(texts))]

    await asyncio.gather(*(send_in_pieces(handle, say(text)) for (handle, _), text in zip(streams, texts, strict=True)))
    for handle, listener in streams:
        handle.end()
        await listener.over()

    assert [" ".join(listener.words) for _, listener in streams] == texts


async def right_after_opening(_handle: StreamHandle, listener: Listener) -> None:
    await listener.heard(StreamOpened)


async def before_anything(_handle: StreamHandle, _listener: Listener) -> None:
    pass


async def when_speech_starts(_handle: StreamHandle, listener: Listener) -> None:
    await listener.heard(SpeechStarted)


async def at_a_partial(_handle: StreamHandle, listener: Listener) -> None:
    await listener.heard(TranscriptUpdated)


async def when_speech_ends(_handle: StreamHandle, listener: Listener) -> None:
    await listener.heard(SpeechEnded)


async def after_a_final(_handle: StreamHandle, listener: Listener) -> None:
    await listener.heard(TranscriptFinal)


async def in_the_second_sentence(_handle: StreamHandle, listener: Listener) -> None:
    await has_partial_of(listener, 1)


MOMENTS = [
    before_anything,
    right_after_opening,
    when_speech_starts,
    at_a_partial,
    when_speech_ends,
    after_a_final,
    in_the_second_sentence,
]


@pytest.mark.integration
@pytest.mark.parametrize("moment", MOMENTS)
async def test_no_word_is_lost_or_doubled_when_the_process_is_killed(
    moment: Moment, worker: Worker, open_client: OpenClient
) -> None:
    handle, listener = listen(open_client(worker.address))
    heard_before = say(FIRST, 1.0) + say(SECOND)
    heard_later = say(THIRD)
    await send_in_pieces(handle, heard_before)
    await moment(handle, listener)

    worker.kill()
    await send_in_pieces(handle, heard_later)
    worker.start()
    handle.end()

    assert_every_sample_counted(await listener.over(), len(heard_before + heard_later) // 2)
    assert listener.words == f"{FIRST} {SECOND} {THIRD}".split()
    assert_numbers_count(listener)


@pytest.mark.integration
async def test_a_finalize_that_the_process_was_killed_in_is_answered_once_and_a_gap_stays_where_it_was(
    worker: Worker, open_client: OpenClient
) -> None:
    handle, listener = listen(open_client(worker.address))
    await send_in_pieces(handle, say(FIRST, 1.0))
    await listener.heard(TranscriptFinal)
    await send_in_pieces(handle, say(SECOND))
    handle.send_gap(4_800)
    await has_partial_of(listener, 1)
    handle.finalize()

    worker.restart()
    await send_in_pieces(handle, say(THIRD))
    handle.end()
    done = await listener.over()

    assert_every_sample_counted(done, len(say(FIRST, 1.0) + say(SECOND) + say(THIRD)) // 2 + 4_800)
    assert isinstance(done, StreamDone)
    assert done.checkpoint.gap_samples == 4_800
    assert listener.words == f"{FIRST} {SECOND} {THIRD}".split()
    assert [final.from_finalize for final in listener.of(TranscriptFinal)] == [False, True, False]
    assert_numbers_count(listener)


@pytest.mark.integration
async def test_no_word_is_lost_when_the_process_is_killed_after_the_end(worker: Worker, open_client: OpenClient) -> None:
    handle, listener = listen(open_client(worker.address))
    await send_in_pieces(handle, say(FIRST, 1.0) + say(SECOND))
    await listener.heard(TranscriptFinal)
    handle.end()

    worker.restart()

    await listener.over()
    assert listener.words == f"{FIRST} {SECOND}".split()


@pytest.mark.integration
async def test_three_kills_in_one_stream_lose_nothing(worker: Worker, open_client: OpenClient) -> None:
    handle, listener = listen(open_client(worker.address))
    for number, text in enumerate([FIRST, SECOND, THIRD]):
        await send_in_pieces(handle, say(text, 1.0))
        await has_partial_of(listener, number)
        worker.restart()
    handle.end()

    await listener.over()

    assert listener.words == f"{FIRST} {SECOND} {THIRD}".split()
    assert_numbers_count(listener)


@pytest.mark.integration
async def test_a_finalize_that_was_not_answered_is_answered_after_the_restart(worker: Worker, open_client: OpenClient) -> None:
    handle, listener = listen(open_client(worker.address))
    await listener.heard(StreamOpened)
    worker.kill()
    await send_in_pieces(handle, say(FIRST))
    handle.finalize()
    await send_in_pieces(handle, say(SECOND))

    worker.start()
    handle.end()

    await listener.over()
    assert [(final.text, final.from_finalize) for final in listener.of(TranscriptFinal)] == [(FIRST, True), (SECOND, False)]


@pytest.mark.integration
async def test_an_answered_finalize_is_not_repeated_after_a_restart(worker: Worker, open_client: OpenClient) -> None:
    handle, listener = listen(open_client(worker.address))
    await send_in_pieces(handle, say(FIRST))
    handle.finalize()
    await listener.heard(TranscriptFinal)

    worker.restart()
    await send_in_pieces(handle, say(SECOND))
    handle.end()

    await listener.over()
    assert [final.from_finalize for final in listener.of(TranscriptFinal)] == [True, False]


@pytest.mark.integration
async def test_a_change_of_language_outlives_the_process(worker: Worker, open_client: OpenClient) -> None:
    handle, listener = listen(open_client(worker.address), languages=("en",))
    await listener.heard(StreamOpened)
    handle.configure(ConfigureStream(stream=handle.number, languages=("de",)))

    worker.restart()
    await send_in_pieces(handle, say(FIRST))
    handle.end()

    await listener.over()
    assert [final.language for final in listener.of(TranscriptFinal)] == ["de"]


@pytest.mark.integration
@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
async def test_another_sample_rate_is_replayed_from_the_right_place(
    rate_hz: int, worker: Worker, open_client: OpenClient
) -> None:
    handle, listener = listen(open_client(worker.address), sample_rate_hz=rate_hz)
    silence = np.zeros(16_000, dtype=np.float32)
    # Sine-like edges ring when resampled; loud words are told apart all the same.
    audio = np.concatenate([speak("alpha bravo charlie"), silence, speak("delta echo"), silence])
    pcm = to_pcm(soxr.resample(np.repeat(np.abs(audio[::40]), 40), 16_000, rate_hz).clip(-1, 1))
    await send_in_pieces(handle, pcm[: len(pcm) // 2 & ~1])
    await listener.heard(TranscriptFinal)

    worker.restart()
    await send_in_pieces(handle, pcm[len(pcm) // 2 & ~1 :])
    handle.end()

    done = await listener.over()
    assert isinstance(done, StreamDone)
    assert listener.words == ["alpha", "bravo", "charlie", "delta", "echo"]
    assert abs(done.checkpoint.settled_samples - len(pcm) // 2 * 16_000 // rate_hz) <= 32


@pytest.mark.integration
async def test_a_stream_that_is_opened_before_the_process_starts_waits_for_it(address: str, open_client: OpenClient) -> None:
    handle, listener = listen(open_client(address))
    await send_in_pieces(handle, say(FIRST))

    with running_worker(address):
        handle.end()
        await listener.over()

    assert listener.words == FIRST.split()


async def test_without_a_process_a_stream_fails_after_some_patience(
    address: str, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "OPEN_PATIENCE_S", 0.05)
    handle, listener = listen(open_client(address))

    failed = await listener.over()

    assert isinstance(failed, StreamFailed)
    assert (failed.code, failed.retryable) == ("inference_unavailable", True)
    assert handle.is_over


@pytest.mark.integration
async def test_a_stream_fails_when_its_process_never_comes_back(
    worker: Worker, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "LOST_PATIENCE_S", 0.05)
    _handle, listener = listen(open_client(worker.address))
    await listener.heard(StreamOpened)

    worker.kill()

    failed = await listener.over()
    assert isinstance(failed, StreamFailed)
    assert failed.code == "inference_unavailable"


@pytest.mark.integration
async def test_a_link_that_brings_garbage_is_given_up_and_tried_again(
    address: str, open_client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(local.pack(b"\xc1 is no MessagePack"))
        await local.close(writer)

    babbler = await local.listen(address, babble)
    handle, listener = listen(open_client(address))
    with caplog.at_level(logging.ERROR):
        while not caplog.records:  # noqa: ASYNC110  # a log line sets no event
            await asyncio.sleep(0.01)
    babbler.close()

    with running_worker(address):
        await send_in_pieces(handle, say(FIRST))
        handle.end()
        await listener.over()

    assert listener.words == FIRST.split()


@pytest.mark.integration
async def test_status_tells_what_is_loaded_and_forgets_it_with_the_process(worker: Worker, open_client: OpenClient) -> None:
    client = open_client(worker.address)
    _handle, listener = listen(client)
    await listener.heard(StreamOpened)
    assert (client.status.is_ready, [model.name for model in client.status.models]) == (True, ["fake"])

    worker.kill()
    while client.status.is_ready:  # noqa: ASYNC110  # the link notices on the next turn of the event loop
        await asyncio.sleep(0.01)

    assert client.status == NO_WORKER


async def test_nobody_listening_is_known_at_once(address: str, open_client: OpenClient) -> None:
    async with asyncio.timeout(1):
        status = await open_client(address).heard_status(patience_s=10)

    assert not status.is_ready


async def test_a_cancelled_stream_hears_nothing_more(address: str, open_client: OpenClient) -> None:
    client = open_client(address)
    handle, listener = listen(client)

    handle.cancel()
    handle.send_audio(b"\0\0")
    handle.end()

    assert handle.is_over
    assert listener.events == []


# The handle by itself: what it keeps and what it would replay.


@pytest.fixture
async def handle(address: str, open_client: OpenClient) -> StreamHandle:
    return listen(open_client(address))[0]


def settle(handle: StreamHandle, num_samples: int) -> None:
    checkpoint = Checkpoint(silence_samples=num_samples)
    handle.take([StreamProgress(stream=handle.number, checkpoint=checkpoint, behind_ms=0)])


def a_final(handle: StreamHandle) -> TranscriptFinal:
    return TranscriptFinal(
        stream=handle.number,
        segment=0,
        text="",
        start_ms=0,
        end_ms=0,
        language="en",
        confidence=0.0,
        model="fake",
        words=(),
        from_finalize=True,
        timings=Timings(queue_ms=0.0, infer_ms=0.0),
        checkpoint=handle.checkpoint,
    )


def replayed_audio(handle: StreamHandle) -> bytes:
    return b"".join(request.payload for request in handle.replay() if isinstance(request, AudioChunk))


async def test_only_what_is_not_settled_is_replayed(handle: StreamHandle) -> None:
    handle.send_audio(bytes(range(100)))
    handle.send_audio(bytes(range(100, 200)))

    settle(handle, 70)

    opening = handle.replay()[0]
    assert isinstance(opening, OpenStream)
    assert opening.checkpoint == Checkpoint(silence_samples=70)
    assert replayed_audio(handle) == bytes(range(140, 200))


async def test_settled_audio_is_not_kept(handle: StreamHandle) -> None:
    for _ in range(10):
        handle.send_audio(bytes(2_000))

    settle(handle, 9_500)

    assert len([request for request in handle.replay() if isinstance(request, AudioChunk)]) == 1
    assert handle.unsettled_ms == 500 * 1000 // 16_000


async def test_audio_behind_answered_finalizes_is_not_kept(handle: StreamHandle) -> None:
    handle.send_audio(bytes(2_000))
    handle.finalize()
    handle.finalize()
    handle.send_audio(bytes(2_000))

    handle.take([a_final(handle), a_final(handle)])
    settle(handle, 2_000)

    assert [type(request) for request in handle.replay()] == [OpenStream]


async def test_a_finalize_is_replayed_in_its_place(handle: StreamHandle) -> None:
    handle.send_audio(bytes(20))
    handle.finalize()
    handle.send_audio(bytes(20))
    handle.end()

    kinds = [type(request) for request in handle.replay()]

    assert kinds == [OpenStream, AudioChunk, FinalizeStream, AudioChunk, EndStream]


async def test_room_is_made_by_settling(handle: StreamHandle) -> None:
    handle.send_audio(bytes(2 * to_samples(1_000)))
    waiting = asyncio.create_task(handle.wait_for_room(500))
    await asyncio.sleep(0)
    assert not waiting.done()

    settle(handle, to_samples(600))

    await asyncio.wait_for(waiting, 1)


async def test_nobody_waits_for_room_in_a_stream_that_is_over(handle: StreamHandle) -> None:
    handle.send_audio(bytes(2 * to_samples(1_000)))
    waiting = asyncio.create_task(handle.wait_for_room(500))
    await asyncio.sleep(0)

    handle.cancel()

    await asyncio.wait_for(waiting, 1)


@pytest.mark.integration
async def test_the_kill_tests_would_show_a_replay_without_audio(
    worker: Worker, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They can fail: here the audio is forgotten."""
    replay = StreamHandle.replay
    monkeypatch.setattr(
        StreamHandle, "replay", lambda handle: [each for each in replay(handle) if not isinstance(each, AudioChunk)]
    )
    handle, listener = listen(open_client(worker.address))
    await listener.heard(StreamOpened)
    await send_in_pieces(handle, say(FIRST))
    await listener.heard(TranscriptUpdated)
    worker.restart()
    handle.end()

    await listener.over()

    assert listener.words != FIRST.split()
