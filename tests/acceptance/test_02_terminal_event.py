"""Check 2: every session ends with exactly one `done` or `error`, whatever its length, pace and frames."""

import asyncio
import itertools
from dataclasses import dataclass

import pytest
from websockets.exceptions import ConnectionClosed

from tests.acceptance.sessions import fault
from tests.inference.worker import say
from tests.stack import Stack
from tests.stream_client import TERMINAL, Message, StreamClient, assert_well_formed, open_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

LENGTHS_S = (0, 1 / 16_000, 0.02, 0.2, 0.5, 1, 2, 5, 15, 29.9, 30.1, 60, 600)
ODD_BYTES = 1_001
FRAME_BYTES = (320, 3_200, 32_000, ODD_BYTES)
LONGEST_IN_SMALL_FRAMES_S = 60
LONGEST_PACED_S = {1: 1, 4: 5}
AT_ONCE = 16
PATIENCE_S = 30.0
WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliett"
SPEECH = say(" ".join([WORDS] * 3), 1.5)


@dataclass(frozen=True)
class Run:
    """One session. `pace`: how many times as fast as it was spoken; 0: as fast as it goes."""

    seconds: float
    frame_bytes: int
    pace: int = 0

    @property
    def pcm(self) -> bytes:
        num_bytes = round(self.seconds * 16_000) * 2
        return (SPEECH * (num_bytes // len(SPEECH) + 1))[:num_bytes]


def runs() -> list[Run]:
    """Every length in every kind of frame at once, and the short ones paced."""
    burst = [
        Run(seconds, frame_bytes)
        for seconds, frame_bytes in itertools.product(LENGTHS_S, FRAME_BYTES)
        if seconds <= LONGEST_IN_SMALL_FRAMES_S or frame_bytes == max(FRAME_BYTES)
    ]
    paced = [
        Run(seconds, 3_200, pace) for pace, most_s in LONGEST_PACED_S.items() for seconds in LENGTHS_S if 0 < seconds <= most_s
    ]
    return burst + paced


async def answer_to(stack: Stack, run: Run, patience_s: float = PATIENCE_S) -> list[Message]:
    """Everything that the client was told until the server closed, or until its patience was over."""
    async with open_stream(stack.ws_url) as client:
        try:
            async with asyncio.timeout(patience_s):
                await send_paced(client, run)
                await client.tell("end")
                await client.read_all()
        except (TimeoutError, ConnectionClosed):
            pass  # what came until then is judged
        return client.messages


async def send_paced(client: StreamClient, run: Run) -> None:
    for start in range(0, len(run.pcm), run.frame_bytes):
        await client.socket.send(run.pcm[start : start + run.frame_bytes])
        if run.pace:
            await asyncio.sleep(run.frame_bytes / 32_000 / run.pace)


async def answers_to(stack: Stack, wanted: list[Run]) -> list[list[Message]]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(run: Run) -> list[Message]:
        async with room:
            return await answer_to(stack, run)

    return await asyncio.gather(*(one(run) for run in wanted))


def assert_one_terminal_event(messages: list[Message]) -> None:
    kinds = [message["type"] for message in messages]
    assert [kind for kind in kinds if kind in TERMINAL] == kinds[-1:]
    assert kinds


async def test_each_of_61_sessions_gets_exactly_one_done_and_its_account(scripted_stack: Stack) -> None:
    wanted = runs()
    assert len(wanted) == 61

    answers = await answers_to(scripted_stack, wanted)

    for run, messages in zip(wanted, answers, strict=True):
        assert_one_terminal_event(messages)
        assert_well_formed(messages)
        done = messages[-1]
        assert (done["type"], done["complete"], done["received_ms"]) == ("done", True, len(run.pcm) // 32), run


async def test_a_session_that_recognition_fails_on_gets_exactly_one_error_and_others_their_done(
    scripted_stack: Stack,
) -> None:
    texts = ["alpha bravo zulu", "charlie delta echo"] * 8
    with fault(scripted_stack, "raises-on-zulu"):
        answers = await asyncio.gather(*(spoken(scripted_stack, text) for text in texts))

    for text, messages in zip(texts, answers, strict=True):
        assert_one_terminal_event(messages)
        assert messages[-1]["type"] == ("error" if "zulu" in text else "done")


async def spoken(stack: Stack, text: str) -> list[Message]:
    async with open_stream(stack.ws_url) as client:
        await client.send(say(text, 1.0))
        return await client.finish()


async def test_a_session_that_hears_nothing_more_would_be_noticed(scripted_stack: Stack) -> None:
    with fault(scripted_stack, "hangs"):
        messages = await answer_to(scripted_stack, Run(2, 3_200), patience_s=3.0)

    with pytest.raises(AssertionError):
        assert_one_terminal_event(messages)


async def test_a_second_terminal_event_would_be_noticed(scripted_stack: Stack) -> None:
    messages = await answer_to(scripted_stack, Run(1, 3_200))
    assert_one_terminal_event(messages)

    with pytest.raises(AssertionError):
        assert_one_terminal_event([*messages, messages[-1]])
