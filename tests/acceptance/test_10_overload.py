"""Check 10: a server that is full says so at once; one that is too slow says how far it is behind; nothing is lost unsaid."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise

import numpy as np
import pytest

from inference.engines.fake import VOCABULARY, speak
from inference.loop import RecognitionLoop
from inference.messages import LAG_MS, StreamDone, StreamProgress, TranscriptFinal, TranscriptUpdated
from tests.acceptance.conftest import MAX_STREAMS
from tests.acceptance.overload import Hall
from tests.acceptance.rig import Transcript, silence
from tests.acceptance.sessions import fault
from tests.inference.worker import say
from tests.stack import Stack
from tests.stream_client import Message, StreamClient, assert_well_formed, open_stream

TOLD_WITHIN_MS = 5_000
NUM_SPEAKERS = 8
TOO_SLOW = 1.5 / NUM_SPEAKERS
"""What is said in a second, by all speakers together, takes the engine a second and a half."""
LAG_GONE_MS = 1_000
CAUGHT_UP_WITHIN_MS = 60_000
SENTENCES = " ".join(VOCABULARY)
AFTERWARDS = "alpha bravo"


def rush() -> np.ndarray:
    """Half a minute without a pause, more than a minute of rest, and some words more. float32, 16 kHz."""
    return np.concatenate([speak(f"{SENTENCES} {SENTENCES}"), silence(75), speak(AFTERWARDS), silence(3)])


def told_lags(transcript: Transcript) -> list[tuple[int, int]]:
    """When the stream was told to be behind, and how far. Milliseconds."""
    return [(at_ms, told.behind_ms) for at_ms, told in transcript.timed(StreamProgress) if told.behind_ms >= LAG_MS]


def assert_told_in_time(transcript: Transcript) -> None:
    """Whenever the newest text lies three seconds behind for long, the client has been told before five more are over."""
    partials = [(at_ms, text.end_ms) for at_ms, text in transcript.timed(TranscriptUpdated)]
    looked_at = sorted([*partials, *((at_ms, text.end_ms) for at_ms, text in transcript.timed(TranscriptFinal))])
    lags_ms = [at_ms for at_ms, _behind_ms in told_lags(transcript)]
    assert lags_ms
    for (_before_ms, end_ms), (at_ms, _end_ms) in pairwise([(0, 0), *looked_at]):
        late_from_ms = end_ms + LAG_MS
        if at_ms > late_from_ms + TOLD_WITHIN_MS and end_ms < rush_ms():
            assert any(late_from_ms <= lag_ms <= late_from_ms + TOLD_WITHIN_MS for lag_ms in lags_ms), late_from_ms


def rush_ms() -> int:
    return len(speak(f"{SENTENCES} {SENTENCES}")) // 16


def test_speakers_are_told_that_recognition_is_too_slow_and_no_word_is_lost() -> None:
    hall = Hall(TOO_SLOW)

    transcripts = hall.listen([rush()] * NUM_SPEAKERS)

    for transcript in transcripts:
        assert_told_in_time(transcript)
        assert transcript.text == f"{SENTENCES} {SENTENCES} {AFTERWARDS}"


def test_a_server_that_tells_of_its_lag_with_finals_only_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecognitionLoop, "_tell_lags", lambda _loop: None)

    transcripts = Hall(TOO_SLOW).listen([rush()] * NUM_SPEAKERS)

    for transcript in transcripts:
        with pytest.raises(AssertionError):
            assert_told_in_time(transcript)


def test_nobody_is_told_of_a_lag_where_there_is_none() -> None:
    transcripts = Hall(TOO_SLOW / 30).listen([rush()] * NUM_SPEAKERS)

    assert [lag for transcript in transcripts for lag in told_lags(transcript)] == []


def assert_caught_up(transcript: Transcript) -> None:
    """Within a minute after the rush the account is up to date, and it adds up in the end."""
    progress = transcript.timed(StreamProgress)
    assert max(at_ms for at_ms, told in progress if told.behind_ms >= LAG_GONE_MS and at_ms <= last_words_ms()) <= (
        rush_ms() + CAUGHT_UP_WITHIN_MS
    )
    done = transcript.events[-1]
    assert isinstance(done, StreamDone)
    assert done.checkpoint.settled_samples == len(rush())


def last_words_ms() -> int:
    return (len(rush()) - len(silence(3)) - len(speak(AFTERWARDS))) // 16


def test_when_the_rush_is_over_the_lag_is_gone_within_a_minute_and_every_sample_is_accounted_for() -> None:
    hall = Hall(TOO_SLOW)

    for transcript in hall.listen([rush()] * NUM_SPEAKERS):
        assert_caught_up(transcript)
    assert max(hall.kept_ms) <= NUM_SPEAKERS * rush_ms()


def test_a_server_that_never_catches_up_would_be_noticed() -> None:
    hall = Hall(5 * TOO_SLOW)

    with pytest.raises(AssertionError):
        assert_caught_up(hall.listen([rush()] * NUM_SPEAKERS)[0])


# The whole server


def assert_refused(messages: list[Message]) -> None:
    """Before anything else, with a code, a reason, and when to come back."""
    (refusal,) = messages
    assert (refusal["type"], refusal["code"], refusal["retryable"]) == ("error", "server_full", True)
    assert refusal["message"]
    assert refusal["retry_after_s"] >= 1


async def first_answer(client: StreamClient) -> Message:
    await client.tell("start")
    return await client.until(lambda message: message["type"] in {"ready", "error"})


@pytest.mark.integration
async def test_of_twice_as_many_sessions_as_there_is_room_for_half_are_refused_and_half_are_heard(scripted_stack: Stack) -> None:
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(scripted_stack.ws_url)) for _ in range(2 * MAX_STREAMS)]
        answers = await asyncio.gather(*(first_answer(client) for client in clients))
        admitted = [client for client, answer in zip(clients, answers, strict=True) if answer["type"] == "ready"]
        refused = [client for client in clients if client not in admitted]
        await asyncio.gather(*(client.send(say(SENTENCES, 1.0)) for client in admitted))
        endings = await asyncio.gather(*(client.finish() for client in admitted))

    assert (len(admitted), len(refused)) == (MAX_STREAMS, MAX_STREAMS)
    for client in refused:
        assert_refused(client.messages)
    for client, messages in zip(admitted, endings, strict=True):
        assert client.words == [*VOCABULARY]
        assert_well_formed(messages)
        assert messages[-1]["complete"]


def test_a_refusal_without_a_reason_or_a_time_would_be_noticed() -> None:
    refusal = {"type": "error", "code": "server_full", "message": "", "retryable": True, "retry_after_s": None}

    with pytest.raises(AssertionError):
        assert_refused([refusal])


async def answer_to_a_new_one(stack: Stack) -> list[Message]:
    """What somebody is told who comes, says a word if there is room, and goes."""
    async with open_stream(stack.ws_url) as client:
        if (await first_answer(client))["type"] == "ready":
            await client.send(say("alpha"))
            await client.finish()
        return client.messages


async def until_a_new_one_gets(stack: Stack, kind: str) -> list[Message]:
    async with asyncio.timeout(60):
        while (messages := await answer_to_a_new_one(stack))[-1]["type"] != kind:  # noqa: ASYNC110
            await asyncio.sleep(0.5)  # another process: it sets no event here
    return messages


@pytest.mark.integration
async def test_a_server_that_is_too_slow_says_so_refuses_new_sessions_and_loses_nothing_of_the_others(
    scripted_stack: Stack,
) -> None:
    with fault(scripted_stack, "too-slow"):
        async with AsyncExitStack() as opened:
            clients = [await opened.enter_async_context(open_stream(scripted_stack.ws_url)) for _ in range(4)]
            for client in clients:
                await first_answer(client)
                await client.send(say(SENTENCES, 1.0))
            refusal = await until_a_new_one_gets(scripted_stack, "error")
            endings = await asyncio.gather(*(client.finish() for client in clients))
        await until_a_new_one_gets(scripted_stack, "done")

    assert_refused(refusal)
    for client, messages in zip(clients, endings, strict=True):
        assert client.of("lag")
        assert min(lag["behind_ms"] for lag in client.of("lag")) >= LAG_MS
        assert client.words == [*VOCABULARY]
        assert_well_formed(messages)
        assert messages[-1]["complete"]
