"""Recorded speech played to a running server at the pace it was spoken: what a listener gets, and when.

Every clip is a session of its own over the real WebSocket. Reported: word error against the same weights decoding the
clip whole in this process, first and last words heard, sessions that ended in exactly one terminal message, and delays.
The server's address comes from --url; the clips from HARK_SPEECH_DIR.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from websockets.asyncio.client import connect

from benchmarks.accuracy import offline
from benchmarks.scoring import ErrorRate, units
from benchmarks.speech import Clip, clips, speech_folder
from inference.engines import registry
from inference.engines.base import Engine

FRAME_MS: Final = 100
FRAME_BYTES: Final = 2 * 16 * FRAME_MS
TERMINAL: Final = frozenset({"done", "error"})


@dataclass(slots=True)
class Session:
    """One clip as it was heard. Times are seconds since the first frame was sent."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    ended_s: float = 0.0

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def text(self) -> str:
        return " ".join(final["text"] for final in self.of("final"))

    @property
    def num_terminal(self) -> int:
        return sum(message["type"] in TERMINAL for message in self.messages)

    @property
    def is_accounted(self) -> bool:
        """Whether the account of the one `done` adds up and nothing is missing."""
        return all(
            done["received_ms"] == done["transcribed_ms"] + done["silence_ms"] + done["gap_ms"] and done["complete"]
            for done in self.of("done")
        )

    def delay_s(self, kind: str, since_s: float) -> float | None:
        """From `since_s` to the first message of that type after it."""
        for message, time_s in zip(self.messages, self.times_s, strict=True):
            if message["type"] == kind and time_s >= since_s:
                return time_s - since_s
        return None


async def play(url: str, audio: np.ndarray, start: dict[str, Any], pace: float = 1.0) -> Session:
    """Send `audio`, float32 (num_samples,) at 16 kHz, `pace` times as fast as it was spoken; 0: as fast as it goes."""
    session = Session()
    async with connect(url, max_size=None) as socket:
        started_s = time.monotonic()
        reader = asyncio.create_task(_read(socket, session, started_s))
        await socket.send(json.dumps({"type": "start"} | start))
        samples = (np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes()
        for number, place in enumerate(range(0, len(samples), FRAME_BYTES), start=1):
            if pace:
                await asyncio.sleep(max(0.0, started_s + number * FRAME_MS / 1000 / pace - time.monotonic()))
            await socket.send(samples[place : place + FRAME_BYTES])
        session.ended_s = time.monotonic() - started_s
        await socket.send(json.dumps({"type": "end"}))
        await reader
    return session


async def _read(socket: Any, session: Session, started_s: float) -> None:
    async for text in socket:
        session.times_s.append(time.monotonic() - started_s)
        session.messages.append(json.loads(text))


@dataclass(slots=True)
class Tally:
    """Sums over sessions. Word recalls are fractions of clips."""

    live: ErrorRate = field(default_factory=ErrorRate)
    offline: ErrorRate = field(default_factory=ErrorRate)
    num_sessions: int = 0
    num_accounted: int = 0
    num_one_terminal: int = 0
    first_words: list[tuple[bool, bool]] = field(default_factory=list)
    last_words: list[tuple[bool, bool]] = field(default_factory=list)
    end_to_done_s: list[float] = field(default_factory=list)
    first_text_s: list[float] = field(default_factory=list)

    def add(self, clip: Clip, session: Session, whole: str) -> None:
        reference = units(clip.text, by_character=clip.by_character)
        heard = units(session.text, by_character=clip.by_character)
        wanted = units(whole, by_character=clip.by_character)
        self.live.add(reference, heard)
        self.offline.add(reference, wanted)
        self.num_sessions += 1
        self.num_accounted += session.is_accounted
        self.num_one_terminal += session.num_terminal == 1
        self.first_words.append((reference[:1] == heard[:1], reference[:1] == wanted[:1]))
        self.last_words.append((reference[-1:] == heard[-1:], reference[-1:] == wanted[-1:]))
        self._add_delays(session)

    def _add_delays(self, session: Session) -> None:
        done_s = session.delay_s("done", session.ended_s)
        if done_s is not None:
            self.end_to_done_s.append(done_s)
        spoken = session.of("speech_started")
        if spoken:
            from_speech_s = session.delay_s("partial", spoken[0]["at_ms"] / 1000)
            if from_speech_s is not None:
                self.first_text_s.append(from_speech_s)

    def as_dict(self) -> dict[str, float]:
        return {
            "sessions": self.num_sessions,
            "accounted": self.num_accounted,
            "one_terminal": self.num_one_terminal,
            "live_percent": round(self.live.percent, 2),
            "offline_percent": round(self.offline.percent, 2),
            "first_words_live": _share(self.first_words, 0),
            "first_words_offline": _share(self.first_words, 1),
            "last_words_live": _share(self.last_words, 0),
            "last_words_offline": _share(self.last_words, 1),
            "speech_to_first_text_s_p50": _percentile(self.first_text_s, 50),
            "speech_to_first_text_s_p95": _percentile(self.first_text_s, 95),
            "end_to_done_s_p50": _percentile(self.end_to_done_s, 50),
            "end_to_done_s_p95": _percentile(self.end_to_done_s, 95),
        }


def _share(pairs: Sequence[tuple[bool, bool]], side: int) -> float:
    return round(statistics.fmean(pair[side] for pair in pairs), 4) if pairs else 0.0


def _percentile(values: Sequence[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 3) if values else 0.0


async def measure(url: str, chosen: Sequence[Clip], whole: Sequence[str], num_streams: int, pace: float) -> Tally:
    """Play all clips, `num_streams` at a time."""
    tally = Tally()
    turns = asyncio.Semaphore(num_streams)

    async def one(clip: Clip, text: str) -> None:
        async with turns:
            session = await play(url, clip.audio(), {"language": clip.language}, pace)
            tally.add(clip, session, text)

    await asyncio.gather(*(one(clip, text) for clip, text in zip(chosen, whole, strict=True)))
    return tally


def decode_whole(engine: Engine[Any], chosen: Sequence[Clip]) -> list[str]:
    engine.load()
    return [offline(engine, clip.audio(), clip.language) for clip in chosen]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--url", default="ws://127.0.0.1:8000/stream")
    parser.add_argument("--model", default="whisper-tiny.en", help="what the server uses for the language")
    parser.add_argument("--language", default="en")
    parser.add_argument("--kinds", default="read", help="kinds of speech with commas between, or all")
    parser.add_argument("--streams", type=int, default=1, help="sessions at the same time")
    parser.add_argument("--pace", type=float, default=1.0, help="1: as spoken; 0: as fast as it goes")
    parser.add_argument("--limit", type=int, default=None, help="clips at most")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    kinds = None if options.kinds == "all" else set(options.kinds.split(","))
    chosen = [clip for clip in clips(speech_folder(), {options.language}, kinds) if clip.seconds < 30][: options.limit]
    whole = decode_whole(registry.create(options.model, "auto"), chosen)
    numbers = asyncio.run(measure(options.url, chosen, whole, options.streams, options.pace)).as_dict()
    sys.stdout.write("".join(f"{name:<28}{value:>10}\n" for name, value in numbers.items()))
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
