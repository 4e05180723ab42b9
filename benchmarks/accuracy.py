"""Word error rate of live streaming against the same weights decoding each recording whole.

Streaming: the recognition loop with voice activity, endpointing, partials and finals, fed 100 ms at a time as if spoken
(without waiting). Offline: the whole clip in one window padded to 30 s, as Whisper was trained. Both are scored with
case, punctuation and spacing normalised; languages written without spaces, digits and spelling by character.

With --noise each clip is heard again with recorded noise behind it, and with --denoise each of these once more with RNNoise:
streaming as the option `denoise` of a stream, offline on the whole clip.
"""

import argparse
import json
import platform
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.noise import noises, with_noise
from benchmarks.scoring import ErrorRate, units
from benchmarks.speech import Clip, clips, speech_folder
from inference.audio import SAMPLE_RATE_HZ
from inference.denoise import Denoiser
from inference.engines import registry
from inference.engines.base import Engine, Window, recognise
from inference.loop import RecognitionLoop
from inference.messages import (
    AnyStreamEvent,
    AudioChunk,
    EndStream,
    OpenStream,
    StreamDone,
    StreamOptions,
    TranscriptFinal,
    TranscriptUpdated,
)
from inference.silero import SileroVad

FRAME_SAMPLES: Final = SAMPLE_RATE_HZ // 10
WHOLE_WINDOW_SAMPLES: Final = 30 * SAMPLE_RATE_HZ


@dataclass(slots=True)
class Streamed:
    """What came out of one stream."""

    finals: list[TranscriptFinal] = field(default_factory=list)
    partials: list[TranscriptUpdated] = field(default_factory=list)
    num_samples: int = 0

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals)

    @property
    def num_broken_promises(self) -> int:
        """Partials that do not begin with what an earlier partial of the segment called stable."""
        broken = 0
        stable: dict[int, str] = {}
        for partial in self.partials:
            broken += not partial.text.startswith(stable.get(partial.segment, ""))
            stable[partial.segment] = partial.stable
        return broken


class Streamer:
    """A recognition loop that is stepped by hand, so that streaming takes no longer than it must."""

    def __init__(self, engine: Engine[Any]) -> None:
        self.events: list[AnyStreamEvent] = []
        self.loop = RecognitionLoop(
            {engine.info.name: engine}, SileroVad(), lambda _link, events: self.events.extend(events), max_streams=1, max_batch=1
        )

    def stream(self, audio: np.ndarray, languages: tuple[str, ...], *, interim: bool, denoise: bool = False) -> Streamed:
        """Speak `audio`, float32 (num_samples,) at 16 kHz, into a stream of its own."""
        self.events.clear()
        options = StreamOptions(encoding="pcm_f32le", languages=languages, interim=interim, denoise=denoise)
        self.loop.submit(0, [OpenStream(stream=0, options=options)])
        for start in range(0, len(audio), FRAME_SAMPLES):
            self.loop.submit(0, [AudioChunk(stream=0, payload=audio[start : start + FRAME_SAMPLES].tobytes())])
            self._turn()
        self.loop.submit(0, [EndStream(stream=0)])
        while not any(isinstance(event, StreamDone) for event in self.events):
            self._turn()
        return self._sorted()

    def _turn(self) -> None:
        self.loop.take(wait=False)
        self.loop.judge()
        self.loop.step()
        self.loop.send()

    def _sorted(self) -> Streamed:
        result = Streamed()
        for event in self.events:
            if isinstance(event, TranscriptFinal):
                result.finals.append(event)
            elif isinstance(event, TranscriptUpdated):
                result.partials.append(event)
            elif isinstance(event, StreamDone):
                result.num_samples = event.checkpoint.settled_samples
        return result


def offline(engine: Engine[Any], audio: np.ndarray, language: str) -> str:
    """The whole clip at once, padded to 30 s."""
    whole = np.zeros(WHOLE_WINDOW_SAMPLES, dtype=np.float32)
    whole[: len(audio)] = audio[:WHOLE_WINDOW_SAMPLES]
    return recognise(engine, [Window(engine.open_stream(), whole, (language,), is_final=True)])[0].text


def denoised(audio: np.ndarray) -> np.ndarray:
    """All of `audio` through RNNoise."""
    denoiser = Denoiser()
    return np.concatenate([denoiser.push(audio), denoiser.catch_up()])


@dataclass(frozen=True, slots=True)
class Condition:
    """noise: a name, or "all": clips take turns with all there are; None: clean."""

    noise: str | None = None
    snr_db: float = 10.0
    denoise: bool = False

    @property
    def name(self) -> str:
        heard = "clean" if self.noise is None else f"{self.noise} {self.snr_db:g} dB"
        return f"{heard} + RNNoise" if self.denoise else heard

    def audio(self, clip: Clip, number: int) -> np.ndarray:
        """`clip` as it is heard; `number` counts clips."""
        if self.noise is None:
            return clip.audio()
        recorded = noises()
        name = list(recorded)[number % len(recorded)] if self.noise == "all" else self.noise
        return with_noise(clip.audio(), recorded[name], self.snr_db, clip.name)


def conditions(noise: str | None, snrs_db: list[float], *, denoise: bool) -> list[Condition]:
    """Clean, with noise at each level, and each of these once more with RNNoise."""
    heard = [Condition()] + ([Condition(noise, snr_db) for snr_db in snrs_db] if noise else [])
    return [version for one in heard for version in ([one, replace(one, denoise=True)] if denoise else [one])]


@dataclass(slots=True)
class Row:
    """Of one language and kind of speech."""

    offline: ErrorRate = field(default_factory=ErrorRate)
    streaming: ErrorRate = field(default_factory=ErrorRate)
    num_clips: int = 0
    audio_s: float = 0.0
    streaming_s: float = 0.0
    num_broken_promises: int = 0


def measure(
    engine: Engine[Any], chosen: list[Clip], *, interim: bool, verbose: bool, condition: Condition | None = None
) -> dict[str, Row]:
    condition = condition or Condition()
    rows: dict[str, Row] = defaultdict(Row)
    streamer = Streamer(engine)
    for number, clip in enumerate(chosen):
        audio = condition.audio(clip, number)
        row = rows[f"{clip.language} {clip.kind}"]
        reference = units(clip.text, by_character=clip.by_character)
        whole = offline(engine, denoised(audio) if condition.denoise else audio, clip.language)
        started_s = time.perf_counter()
        streamed = streamer.stream(audio, (clip.language,), interim=interim, denoise=condition.denoise)
        row.streaming_s += time.perf_counter() - started_s
        row.audio_s += clip.seconds
        row.num_clips += 1
        row.num_broken_promises += streamed.num_broken_promises
        assert streamed.num_samples == len(audio), "the account of samples does not add up"
        errors_offline = row.offline.add(reference, units(whole, by_character=clip.by_character))
        errors_streaming = row.streaming.add(reference, units(streamed.text, by_character=clip.by_character))
        if verbose and errors_streaming > errors_offline:
            sys.stdout.write(f"{clip.name} +{errors_streaming - errors_offline}\n  {clip.text}\n  {whole}\n  {streamed.text}\n")
    return rows


def table(rows: dict[str, Row]) -> str:
    lines = [f"{'speech':<22}{'clips':>6}{'offline %':>11}{'streaming %':>13}{'difference':>12}{'compute s per audio s':>23}"]
    for name, row in sorted(rows.items()):
        difference = row.streaming.percent - row.offline.percent
        speed = row.streaming_s / row.audio_s
        lines.append(
            f"{name:<22}{row.num_clips:>6}{row.offline.percent:>11.2f}{row.streaming.percent:>13.2f}{difference:>+12.2f}{speed:>23.2f}"
        )
    return "\n".join(lines)


def as_json(model: str, results: dict[str, dict[str, Row]]) -> str:
    """By condition, then by language and kind."""
    measured = {condition: {name: _numbers(row) for name, row in rows.items()} for condition, rows in results.items()}
    return json.dumps({"model": model, "machine": platform.processor() or platform.machine(), "conditions": measured}, indent=2)


def _numbers(row: Row) -> dict[str, float]:
    return {
        "clips": row.num_clips,
        "offline_percent": row.offline.percent,
        "streaming_percent": row.streaming.percent,
        "compute_s_per_audio_s": row.streaming_s / row.audio_s,
        "broken_promises": row.num_broken_promises,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--languages", default="en", help="tags with commas between, or all")
    parser.add_argument("--kinds", default="read", help="kinds of speech with commas between, or all")
    parser.add_argument("--limit", type=int, default=None, help="clips at most")
    parser.add_argument("--finals-only", action="store_true", help="no partials: faster, and the finals have no draft")
    parser.add_argument("--noise", help="a recording in the folder noise, or all: clips take turns with them")
    parser.add_argument("--snr-db", default="10", help="how much weaker than the clip, levels with commas between")
    parser.add_argument("--denoise", action="store_true", help="everything once more with RNNoise")
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip only")
    parser.add_argument("--verbose", action="store_true", help="show the clips where streaming is worse")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    languages = None if options.languages == "all" else set(options.languages.split(","))
    kinds = None if options.kinds == "all" else set(options.kinds.split(","))
    chosen = [clip for clip in clips(speech_folder(), languages, kinds) if clip.seconds < 30][:: options.every][: options.limit]
    snrs_db = [float(text) for text in options.snr_db.split(",")]
    engine = registry.create(options.model, options.precision)
    engine.load()
    results: dict[str, dict[str, Row]] = {}
    for condition in conditions(options.noise, snrs_db, denoise=options.denoise):
        rows = measure(engine, chosen, interim=not options.finals_only, verbose=options.verbose, condition=condition)
        results[condition.name] = rows
        sys.stdout.write(f"{options.model}, {options.precision}, {condition.name}\n{table(rows)}\n")
        sys.stdout.flush()
    if options.json:
        options.json.write_text(as_json(options.model, results), encoding="utf-8")


if __name__ == "__main__":
    main()
