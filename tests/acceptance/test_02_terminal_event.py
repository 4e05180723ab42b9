"""Check 2: every session ends with exactly one `done` or `error`, whatever its length, pace, frames and connections."""

import asyncio
import itertools
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from websockets.exceptions import ConnectionClosed

from benchmarks.network.client import Heard, ReliableClient
from benchmarks.network.proxy import Cut, Line, Tamper, laid
from benchmarks.network.talks import SAMPLE_BYTES, Talk
from tests.acceptance.sessions import fault
from tests.acceptance.tampering import EndsTwice, NeverEnds
from tests.inference.worker import say
from tests.stack import Stack
from tests.stream_client import TERMINAL, Message, StreamClient, assert_accounted, assert_well_formed, open_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

LENGTHS_S = (0, 1 / 16_000, 0.02, 0.2, 0.5, 1, 2, 5, 15, 29.9, 30.1, 60, 600)
ODD_BYTES = 1_001
FRAME_BYTES = (320, 3_200, 32_000, ODD_BYTES)
LONGEST_IN_SMALL_FRAMES_S = 60
LONGEST_PACED_S = {1: 1, 4: 5}
AT_ONCE = 16
PATIENCE_S = 30.0
CUT_S = 0.1
IN_THE_MIDDLE = Cut(CUT_S, at_s=0.5)
WITH_THE_END = (Cut(CUT_S, on="end"), Cut(CUT_S, on="done"))
IN_SPEECH = (
    (IN_THE_MIDDLE,),
    (replace(IN_THE_MIDDLE, is_half_open=True),),
    (IN_THE_MIDDLE, Cut(CUT_S, on="resumed")),
    (Cut(CUT_S, on="final"),),
)
LENGTHS_OF_SPEECH_S = (2, 5, 30.1)
WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliett"
SPEECH = say(" ".join([WORDS] * 3), 1.5)


@dataclass(frozen=True)
class Run:
    """One session. `pace`: how many times as fast as it was spoken; 0: as fast as it goes. `cuts`: of its connection."""

    seconds: float
    frame_bytes: int
    pace: int = 0
    cuts: tuple[Cut, ...] = ()

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
    pcm = run.pcm
    for start in range(0, len(pcm), run.frame_bytes):
        await client.socket.send(pcm[start : start + run.frame_bytes])
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


# Reliable sessions


def reliable_runs() -> list[Run]:
    """As above, and every length with a cut when its end is said and when that is answered, and some with cuts before."""
    whole = [run for run in runs() if run.pace or run.frame_bytes != 3_200]
    at_the_end = [Run(seconds, 3_200, cuts=(cut,)) for seconds in LENGTHS_S for cut in WITH_THE_END]
    sizes = itertools.cycle(FRAME_BYTES)
    return [*whole, *at_the_end] + [Run(seconds, next(sizes), cuts=cuts) for cuts in IN_SPEECH for seconds in LENGTHS_OF_SPEECH_S]


async def heard_reliably(
    stack: Stack, run: Run, pcm: bytes, tamper: Tamper | None = None, patience_s: float = PATIENCE_S
) -> Heard:
    """What a client of reliable mode was told over all its connections, until the session was over or its patience was."""
    line = Line([stack.ws_url], cuts=run.cuts, tamper=tamper or Tamper())
    async with laid(line):
        url = line.url if run.cuts or tamper else stack.ws_url
        frame_samples = run.frame_bytes // SAMPLE_BYTES
        client = ReliableClient([url], Talk("", pcm), run.pace, patience_s=patience_s, frame_samples=frame_samples)
        with suppress(TimeoutError):  # what came until then is judged
            await client.run()
        assert line.count().num_cut == len(run.cuts), run
    return client.heard


async def all_heard_reliably(stack: Stack, wanted: list[Run]) -> list[Heard]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(run: Run) -> Heard:
        async with room:
            return await heard_reliably(stack, run, run.pcm)

    return await asyncio.gather(*(one(run) for run in wanted))


def assert_one_end(heard: Heard, kind: str = "done") -> None:
    """One terminal message, nothing after it, in one session."""
    assert [message["type"] for message in heard.terminals] == [kind]
    assert heard.complaints == []
    assert len(set(heard.sessions)) == 1


async def test_each_of_87_reliable_sessions_gets_exactly_one_done_and_its_account(scripted_stack: Stack) -> None:
    wanted = reliable_runs()
    assert len(wanted) == 87

    everything = await all_heard_reliably(scripted_stack, wanted)

    for run, heard in zip(wanted, everything, strict=True):
        assert_one_end(heard)
        assert_accounted(heard.terminals[0])
        done = heard.terminals[0]
        assert (done["complete"], done["received_ms"]) == (True, len(run.pcm) // 32), run
        assert bool(heard.num_resumed) == bool(run.cuts), run


@pytest.mark.parametrize("tamper", [EndsTwice, NeverEnds])
async def test_a_reliable_session_with_no_or_two_ends_would_be_noticed(scripted_stack: Stack, tamper: type[Tamper]) -> None:
    run = Run(1, 3_200, cuts=(IN_THE_MIDDLE,))
    heard = await heard_reliably(scripted_stack, run, run.pcm, tamper())

    with pytest.raises(AssertionError):
        assert_one_end(heard)


# Recognition that fails


async def test_a_session_that_recognition_fails_on_gets_exactly_one_error_and_others_their_done(
    scripted_stack: Stack,
) -> None:
    texts = ["alpha bravo zulu", "charlie delta echo"] * 8
    whole, cut = Run(0, 3_200), Run(0, 3_200, cuts=(Cut(CUT_S, on="error"),))
    with fault(scripted_stack, "raises-on-zulu"):
        answers = await asyncio.gather(*(spoken(scripted_stack, text) for text in texts))
        failed, failed_and_cut, sound = await asyncio.gather(
            heard_reliably(scripted_stack, whole, say(texts[0], 1.0)),
            heard_reliably(scripted_stack, cut, say(texts[0], 1.0)),
            heard_reliably(scripted_stack, whole, say(texts[1], 1.0)),
        )

    for heard in (failed, failed_and_cut):
        assert_one_end(heard, "error")
        assert heard.terminals[0]["code"] == "recognition_failed"
    assert_one_end(sound)
    for text, messages in zip(texts, answers, strict=True):
        assert_one_terminal_event(messages)
        assert messages[-1]["type"] == ("error" if "zulu" in text else "done")


async def spoken(stack: Stack, text: str) -> list[Message]:
    async with open_stream(stack.ws_url) as client:
        await client.send(say(text, 1.0))
        return await client.finish()


async def test_a_session_that_hears_nothing_more_would_be_noticed(scripted_stack: Stack) -> None:
    run = Run(2, 3_200)
    with fault(scripted_stack, "hangs"):
        messages, heard = await asyncio.gather(
            answer_to(scripted_stack, run, patience_s=3.0), heard_reliably(scripted_stack, run, run.pcm, patience_s=3.0)
        )

    with pytest.raises(AssertionError):
        assert_one_terminal_event(messages)
    with pytest.raises(AssertionError):
        assert_one_end(heard)


async def test_a_second_terminal_event_would_be_noticed(scripted_stack: Stack) -> None:
    messages = await answer_to(scripted_stack, Run(1, 3_200))
    assert_one_terminal_event(messages)

    with pytest.raises(AssertionError):
        assert_one_terminal_event([*messages, messages[-1]])
