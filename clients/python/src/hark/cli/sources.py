"""Where the audio comes from: a file, standard input or a microphone, piece by piece and at the wanted pace."""

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from hark.options import AudioFormat
from hark.recordings import load
from hark.wav import UnusableFileError

PIECE_MS = 100
MAX_WAITING_PIECES = 600
"""A minute of the microphone: more than that is never behind, for `send` does not wait for it."""


@dataclass(frozen=True, slots=True)
class Source:
    """`pieces` end with the audio. `when_full`: whether the source can be made to wait."""

    format: AudioFormat
    pieces: AsyncIterator[bytes]
    when_full: Literal["wait", "drop_oldest"] = "wait"


def open_source(chosen: argparse.Namespace) -> Source:
    """Raises ValueError, UnusableFileError or OSError: there is no audio to be had."""
    if chosen.source == "mic":
        return _microphone(AudioFormat(sample_rate_hz=chosen.rate))
    raw = AudioFormat(encoding=chosen.encoding, sample_rate_hz=chosen.rate, num_channels=chosen.channels)
    if chosen.source == "-":
        pieces = _from_thread(sys.stdin.fileno(), raw)
        return Source(raw, paced(pieces, raw) if chosen.realtime else pieces)
    samples = load(chosen.source, decode=chosen.decode, raw=raw if chosen.raw else None)
    if chosen.realtime and not samples.format.is_raw:
        raise UnusableFileError(
            "--realtime needs samples: pip install 'hark-client[files]', so that the file is decoded here, or convert it to WAV."
        )
    pieces = _cut(samples.audio, samples.format)
    return Source(samples.format, paced(pieces, samples.format) if chosen.realtime else pieces)


def piece_bytes(audio: AudioFormat) -> int:
    return max(audio.frames_in(PIECE_MS / 1000), 1) * audio.frame_bytes


async def _cut(audio: bytes, audio_format: AudioFormat) -> AsyncIterator[bytes]:
    size = piece_bytes(audio_format)
    for start in range(0, len(audio), size):
        yield audio[start : start + size]


async def paced(pieces: AsyncIterator[bytes], audio: AudioFormat) -> AsyncIterator[bytes]:
    """Each piece when it would have been spoken; the pace is that of the clock, so that it does not drift."""
    start_s, num_bytes = time.monotonic(), 0
    async for piece in pieces:
        num_bytes += len(piece)
        due_s = start_s + num_bytes / audio.frame_bytes / audio.sample_rate_hz
        await asyncio.sleep(max(due_s - time.monotonic(), 0))
        yield piece


async def _from_thread(file_number: int, audio: AudioFormat) -> AsyncIterator[bytes]:
    """What is read from the file as it comes.

    The thread may hang in a read when the program ends: it is a daemon, and reads without the locks of Python's file objects,
    which would make the interpreter abort.
    """
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue(maxsize=10)  # a second: who writes to us shall wait, not we hoard

    def read_all() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            while piece := os.read(file_number, piece_bytes(audio)):
                asyncio.run_coroutine_threadsafe(pieces.put(piece), loop).result()
            asyncio.run_coroutine_threadsafe(pieces.put(b""), loop).result()

    threading.Thread(target=read_all, name="hark-stdin", daemon=True).start()
    while piece := await pieces.get():
        yield piece


def _microphone(audio: AudioFormat) -> Source:
    try:
        import sounddevice
    except ImportError as err:
        raise UnusableFileError("The microphone needs sounddevice: pip install 'hark-client[mic]'.") from err
    except OSError as err:  # the wheel for Linux brings no PortAudio
        raise UnusableFileError(f"The microphone needs PortAudio (Debian, Ubuntu: apt install libportaudio2): {err}") from err
    return Source(audio, _recorded(sounddevice, audio), when_full="drop_oldest")


async def _recorded(sounddevice: Any, audio: AudioFormat) -> AsyncIterator[bytes]:
    """What the default microphone hears, until the caller stops listening."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue(maxsize=MAX_WAITING_PIECES)

    def heard(block: Any, _num_frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(pieces.put_nowait, bytes(block))  # PortAudio's thread

    try:
        recording = sounddevice.RawInputStream(
            samplerate=audio.sample_rate_hz, channels=1, dtype="int16", callback=heard,
            blocksize=audio.frames_in(PIECE_MS / 1000),
        )  # fmt: skip
    except sounddevice.PortAudioError as err:
        raise UnusableFileError(f"The microphone cannot be opened: {err}") from err
    with recording:
        while True:
            yield await pieces.get()
