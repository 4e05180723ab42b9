"""A whole recording in one call."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from hark.addresses import DEFAULT_URL
from hark.connecting import connect
from hark.errors import HarkError
from hark.events import Event
from hark.options import AudioFormat
from hark.recordings import Decode, load
from hark.stream import Stream
from hark.transcript import Transcript, TranscriptBuilder
from hark.wav import Samples

PIECE_MS = 200


async def transcribe_async(
    recording: str | Path | bytes,
    url: str | list[str] = DEFAULT_URL,
    *,
    decode: Decode = "auto",
    raw: AudioFormat | None = None,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Transcript:
    """Send a recording as fast as the server takes it, and gather what was said.

    Args:
        recording: path or content of a WAV file, of any other audio file, or of bare samples if `raw` says what they are.
        decode: see `hark.recordings.load`. on_event: is shown every event as it comes.
        options: the other arguments of `hark.connect`: key, language, model, …

    Raises:
        HarkError: as in `hark.connect`. OSError, hark.UnusableFileError: the recording cannot be read.
    """
    samples = await asyncio.to_thread(load, recording, decode=decode, raw=raw)
    async with open_for(samples.format, url, **options) as stream:
        sending = asyncio.create_task(_send_all(stream, samples))
        try:
            return await gather(stream, on_event)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)  # what ended the stream is told by the reader


def transcribe(
    recording: str | Path | bytes,
    url: str | list[str] = DEFAULT_URL,
    *,
    decode: Decode = "auto",
    raw: AudioFormat | None = None,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Transcript:
    """`transcribe_async` for programs without an event loop."""
    return asyncio.run(transcribe_async(recording, url, decode=decode, raw=raw, on_event=on_event, **options))


def open_for(audio: AudioFormat, url: str | list[str], **options: Any) -> Stream:
    """A stream for audio of that format; a file that is sent as it is cannot be reliable."""
    return connect(
        url,
        encoding=audio.encoding,
        sample_rate=audio.sample_rate_hz,
        channels=audio.num_channels,
        **{"reliable": audio.is_raw, **options},
    )


async def gather(stream: AsyncIterator[Event], on_event: Callable[[Event], None] | None = None) -> Transcript:
    """Read a stream to its end."""
    builder = TranscriptBuilder()
    async for event in stream:
        builder.add(event)
        if on_event is not None:
            on_event(event)
    return builder.transcript()


async def _send_all(stream: Stream, samples: Samples) -> None:
    piece_bytes = samples.format.frames_in(PIECE_MS / 1000) * samples.format.frame_bytes
    try:
        for start in range(0, len(samples.audio), piece_bytes):
            await stream.send(samples.audio[start : start + piece_bytes])
        await stream.end()
    except HarkError:
        return  # the reader meets the same
