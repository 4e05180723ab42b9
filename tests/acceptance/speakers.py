"""Speakers in mid-sentence: the final of one sentence is read, and another sentence is not finished.

`python -m tests.acceptance.speakers URL COUNT [reliable]` is as many of them in a process of their own, which a test can stop
as a shut lid stops a laptop. It prints their `ready` messages in one line and reads on for ever.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from asr_project.serve.config import PROJECT_DIR
from tests.inference.worker import say
from tests.stream_client import Message, StreamClient, open_stream

WHOLE = "alpha bravo charlie"
UNFINISHED = "delta echo"
OFFSET_BYTES = 8


async def begin(client: StreamClient, *, reliable: bool) -> None:
    """One sentence whose final has been read, and another in its middle."""
    await client.tell("start", reliable=reliable)
    await client.expect("ready")
    first, second = say(WHOLE, 1.0), say(UNFINISHED)
    await client.socket.send(numbered(first, 0) if reliable else first)
    await client.expect("final")
    await client.socket.send(numbered(second, len(first)) if reliable else second)
    await client.until(lambda message: message["type"] == "partial" and message["segment"] == 1)


def numbered(pcm: bytes, after_bytes: int) -> bytes:
    """A frame of reliable mode: which sample it begins with, then the audio."""
    return (after_bytes // 2).to_bytes(OFFSET_BYTES, "little") + pcm


@contextmanager
def stopped_speakers(url: str, count: int, *, reliable: bool) -> Iterator[list[Message]]:
    """Their `ready` messages; their process does nothing from here on, not even close its sockets."""
    command = [sys.executable, "-m", "tests.acceptance.speakers", url, str(count), *(["reliable"] if reliable else [])]
    with subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            readies: list[Message] = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGSTOP)
            yield readies
        finally:
            process.kill()


async def speak(url: str, count: int, *, reliable: bool) -> None:
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(open_stream(url)) for _ in range(count)]
        await asyncio.gather(*(begin(client, reliable=reliable) for client in clients))
        sys.stdout.write(json.dumps([client.of("ready")[0] for client in clients]) + "\n")
        sys.stdout.flush()
        await asyncio.gather(*(client.read_all() for client in clients))


if __name__ == "__main__":
    asyncio.run(speak(sys.argv[1], int(sys.argv[2]), reliable="reliable" in sys.argv[3:]))
