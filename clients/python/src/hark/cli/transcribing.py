"""`hark transcribe`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from hark.cli.sources import Source, open_source
from hark.cli.status import StatusLine, described
from hark.cli.writing import Writer, writer_for
from hark.errors import HarkError
from hark.events import Done, Event, Final, Gap, Partial, Reconnecting, Restarted, Warning
from hark.stream import Stream
from hark.transcription import open_for

LOOK_EVERY_S = 0.2
COMPLETE, INCOMPLETE = 0, 3


async def transcribe(chosen: argparse.Namespace) -> int:
    """Returns the exit code. Raises HarkError, and what `open_source` raises."""
    source = open_source(chosen)
    status = StatusLine(sys.stderr)
    writer = writer_for(chosen.format, sys.stdout, interim=chosen.interim)
    status.show(f"Connecting to {chosen.url[0]} …")
    try:
        async with _open(chosen, source) as stream:
            return await Transcribing(source, stream, writer, status, wants_partials=chosen.interim).run()
    finally:
        status.clear()


def _open(chosen: argparse.Namespace, source: Source) -> Stream:
    tags = [tag.strip() for tag in chosen.language.split(",") if tag.strip()] if chosen.language else []
    return open_for(
        source.format,
        chosen.url,
        key=chosen.key,
        language=(tags[0] if len(tags) == 1 else tags) or None,
        model=chosen.model,
        scenario=chosen.scenario,
        language_model=chosen.language_model,
        hotwords=chosen.hotword,
        denoise=chosen.denoise,
        interim=chosen.interim or sys.stderr.isatty(),
        when_full=source.when_full,
        on_lost_session=chosen.lost_session,
        wait_s=chosen.wait,
    )


@dataclass(slots=True)
class Transcribing:
    """Sends, reads and shows at the same time. The first interrupt ends the audio, the second the program."""

    source: Source
    stream: Stream
    writer: Writer
    status: StatusLine
    wants_partials: bool
    _partial: str = ""
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> int:
        """Until the session is over; returns the exit code."""
        main_task = asyncio.current_task()
        assert main_task is not None
        with interrupts(self._stop, main_task):
            side_tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._show_progress())]
            try:
                return await self._read()
            finally:
                for task in side_tasks:
                    task.cancel()
                results = await asyncio.gather(*side_tasks, return_exceptions=True)
                for error in results:
                    if isinstance(error, Exception) and not isinstance(error, HarkError):
                        raise error  # the source failed; the stream's own failures are told by the reader

    async def _read(self) -> int:
        exit_code = COMPLETE
        async for event in self.stream:
            self.status.clear()
            self.writer.write(event)
            self._tell(event)
            if isinstance(event, Done) and not event.complete:
                self.status.say(f"incomplete: {event.gap_ms / 1000:.1f} s of audio are missing")
                exit_code = INCOMPLETE
            self._show()
        return exit_code

    async def _send(self) -> None:
        """All pieces, or until the first interrupt; what was sent is then still transcribed."""
        sending = asyncio.create_task(self._send_pieces())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await self.stream.end()
        if not sending.cancelled():
            sending.result()

    async def _send_pieces(self) -> None:
        async for piece in self.source.pieces:
            await self.stream.send(piece)

    async def _show_progress(self) -> None:
        while self.status.is_visible:
            self._show()
            await asyncio.sleep(LOOK_EVERY_S)

    def _show(self) -> None:
        ending = "Ending; Ctrl-C again stops at once. " if self._stop.is_set() else ""
        self.status.show(ending + described(self.stream.progress, self._partial if self.wants_partials else ""))

    def _tell(self, event: Event) -> None:
        """What a person should know; reconnects are progress and only shown on a terminal."""
        match event:
            case Partial():
                self._partial = event.text
            case Final():
                self._partial = ""
            case Warning():
                self.status.say(f"warning: {event.message}")
            case Gap():
                self.status.say(f"audio from {event.from_ms / 1000:.1f} s to {event.to_ms / 1000:.1f} s is missing")
            case Restarted():
                self.status.say(
                    f"the server lost session {event.old_session}; going on in {event.session} from {event.at_ms / 1000:.1f} s, "
                    f"{event.lost_ms / 1000:.1f} s are lost"
                )
            case Reconnecting() if self.status.is_visible:
                self.status.say(f"connection lost ({event.reason}); trying again in {event.delay_s:.1f} s")


@contextmanager
def interrupts(stop: asyncio.Event, task: "asyncio.Task[object]") -> Iterator[None]:
    """While it lasts the first Ctrl-C sets `stop` and the second cancels `task`."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    def handle(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(interrupted)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
