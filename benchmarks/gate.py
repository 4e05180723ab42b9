"""What the energy gate keeps from the voice activity network, and whether a beginning of speech is lost by it.

Every clip goes through voice activity twice, with the gate and with all frames heard: clean from its first sample, after
four seconds of a quiet room, and after four seconds of noise with that noise behind it. A begin of speech is the same when it
lies within one frame (32 ms). Then what a stream costs in which nobody speaks, in CPU time, with and without the gate.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.noise import noises, stretch, with_noise
from benchmarks.speech import Clip, clips, speech_folder
from inference.audio import SAMPLE_RATE_HZ, rms
from inference.endpointing import FRAME_MS
from inference.gate import EnergyGate
from inference.messages import SpeechStarted, StreamOptions
from inference.silero import SileroVad
from inference.stream import Stream

CHUNK_SAMPLES: Final = SAMPLE_RATE_HZ // 10
BEFORE_S: Final = 4.0
AFTER_S: Final = 1.0
ROOM_RMS: Final = 10 ** (-65 / 20)
FAR_MS: Final = 2_000
"""A begin that has none within two seconds in the other run is one that only one run found."""
BATCH: Final = 64
QUIET_S: Final = 60


class Listener:
    """Voice activity alone: streams that nobody recognises, `BATCH` at a time."""

    def __init__(self, *, gated: bool) -> None:
        self.gated = gated
        self.num_judged = 0
        self.num_frames = 0
        self._vad = SileroVad()

    def begins_ms(self, audios: Sequence[np.ndarray]) -> list[list[int]]:
        """When speech began in each of `audios`, float32 (num_samples,)."""
        order = sorted(range(len(audios)), key=lambda number: len(audios[number]))
        found: dict[int, list[int]] = {}
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            for number, stream in zip(numbers, self._hear([audios[number] for number in numbers]), strict=True):
                found[number] = [event.at_ms for event in stream.events if isinstance(event, SpeechStarted)]
        return [found[number] for number in range(len(audios))]

    def _hear(self, audios: Sequence[np.ndarray]) -> list[Stream]:
        streams = [self._stream() for _ in audios]
        for start in range(0, max(map(len, audios)) + CHUNK_SAMPLES, CHUNK_SAMPLES):
            for stream, audio in zip(streams, audios, strict=True):
                if start < len(audio):
                    stream.push(audio[start : start + CHUNK_SAMPLES].tobytes())
                elif not stream.is_ending:
                    stream.end()
            self._judge(streams)
        self.num_frames += sum(len(audio) * 1000 // SAMPLE_RATE_HZ // FRAME_MS for audio in audios)
        return streams

    def _stream(self) -> Stream:
        gate = EnergyGate() if self.gated else EnergyGate(near_db=-inf, margin_db=-inf)
        return Stream(0, "", StreamOptions(encoding="pcm_f32le", interim=False, max_segment_ms=29_000), gate=gate)

    def _judge(self, streams: Sequence[Stream]) -> None:
        while waiting := [stream for stream in streams if stream.has_frame()]:
            self.num_judged += len(waiting)
            found = self._vad.judge([stream.next_frames(1) for stream in waiting], [stream.vad for stream in waiting])
            for stream, judged in zip(waiting, found, strict=True):
                stream.judge(*judged.probs)
                judged.move(stream.vad, 1)


@dataclass(slots=True)
class Row:
    """Of one condition. Begins of the run without gate: found by the gated one too, or only in the noise before and after the
    clip, earlier, later, missing. skipped: share of frames that the network did not hear.
    """

    begins: int = 0
    same: int = 0
    noise: int = 0
    earlier: int = 0
    later: int = 0
    missing: int = 0
    skipped: float = 0.0

    def add(self, begin_ms: int, others_ms: Sequence[int], *, is_inside: bool) -> None:
        self.begins += 1
        shift_ms = min((other - begin_ms for other in others_ms), key=abs, default=10 * FAR_MS)
        if abs(shift_ms) <= FRAME_MS:
            self.same += 1
        elif not is_inside:
            self.noise += 1
        elif abs(shift_ms) > FAR_MS:
            self.missing += 1
        elif shift_ms < 0:
            self.earlier += 1
        else:
            self.later += 1


def in_a_room(audio: np.ndarray) -> np.ndarray:
    """After the quiet of a room, and with it."""
    room = np.random.default_rng(1).standard_normal(len(audio) + int((BEFORE_S + AFTER_S) * SAMPLE_RATE_HZ), dtype=np.float32)
    room *= np.float32(ROOM_RMS)
    start = int(BEFORE_S * SAMPLE_RATE_HZ)
    room[start : start + len(audio)] += audio
    return room


def conditions(chosen: Sequence[Clip]) -> Iterator[tuple[str, float, list[np.ndarray]]]:
    """Name, seconds before the clip, and the audio of each clip."""
    plain = [clip.audio() for clip in chosen]
    yield "from the first sample", 0.0, plain
    yield "after a quiet room", BEFORE_S, [in_a_room(audio) for audio in plain]
    after = np.zeros(int(AFTER_S * SAMPLE_RATE_HZ), dtype=np.float32)
    for name, noise in noises().items():
        for snr_db in (10, 20):
            audios = [
                with_noise(np.concatenate([audio, after]), noise, snr_db, clip.name + name, before_s=BEFORE_S)
                for clip, audio in zip(chosen, plain, strict=True)
            ]
            yield f"{name} {snr_db} dB", BEFORE_S, audios


def compare(chosen: Sequence[Clip]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name, before_s, audios in conditions(chosen):
        everything, gated = Listener(gated=False), Listener(gated=True)
        row = rows[name] = Row()
        for clip, all_ms, gated_ms in zip(chosen, everything.begins_ms(audios), gated.begins_ms(audios), strict=True):
            first_ms, last_ms = before_s * 1000 - 200, (before_s + clip.seconds) * 1000
            for begin_ms in all_ms:
                row.add(begin_ms, gated_ms, is_inside=first_ms <= begin_ms <= last_ms)
        row.skipped = 1 - gated.num_judged / max(1, everything.num_judged)
        sys.stdout.write(f"{name:<30}" + "".join(f"{value:>9}" for value in tuple(asdict(row).values())[:-1]))
        sys.stdout.write(f"{row.skipped:>9.1%}\n")
    return rows


def quiet_scenes() -> dict[str, np.ndarray]:
    """A minute each in which nobody speaks."""
    num_samples = QUIET_S * SAMPLE_RATE_HZ
    recorded = noises()
    hiss = np.random.default_rng(2).standard_normal(num_samples, dtype=np.float32)
    scenes = {
        "muted microphone": np.zeros(num_samples, dtype=np.float32),
        "quiet room, -65 dBFS": hiss * np.float32(ROOM_RMS),
        "hiss, -30 dBFS": hiss * np.float32(10 ** (-30 / 20)),
    }
    for name in ("office-ambience", "air-conditioner", "exercise-bike", "running-tap", "city-ambience", "keyboard-typing"):
        scenes[name] = stretch(recorded[name], num_samples, name)
    return scenes


def cost(audio: np.ndarray, *, gated: bool) -> tuple[float, float]:
    """Of `BATCH` such streams: share of frames that were skipped, and CPU ms for a second of one stream."""
    listener = Listener(gated=gated)
    listener.begins_ms([audio[: 5 * SAMPLE_RATE_HZ]] * BATCH)
    listener.num_judged = listener.num_frames = 0
    started_s = time.process_time()
    listener.begins_ms([audio] * BATCH)
    spent_s = time.process_time() - started_s
    return 1 - listener.num_judged / listener.num_frames, spent_s * 1000 / BATCH / QUIET_S


def quiet() -> dict[str, dict[str, float]]:
    rows = {}
    for name, audio in quiet_scenes().items():
        skipped, gated_ms = cost(audio, gated=True)
        _none, all_ms = cost(audio, gated=False)
        rows[name] = {
            "level_db": 20 * np.log10(max(rms(audio), 1e-6)),
            "skipped": skipped,
            "all_ms": all_ms,
            "gated_ms": gated_ms,
        }
        sys.stdout.write(f"{name:<30}{rows[name]['level_db']:>9.0f}{skipped:>9.1%}{all_ms:>9.2f}{gated_ms:>9.2f}\n")
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip only")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    chosen = [clip for clip in clips(speech_folder()) if clip.seconds < 29][:: options.every]
    sys.stdout.write(f"{'nobody speaks':<30}{'dBFS':>9}{'skipped':>9}{'all ms':>9}{'gate ms':>9}\n")
    scenes = quiet()
    header = ("begins", "same", "noise", "earlier", "later", "missing", "skipped")
    sys.stdout.write(f"\n{'speech':<30}" + "".join(f"{name:>9}" for name in header) + "\n")
    rows = compare(chosen)
    total: Counter[str] = Counter()
    for row in rows.values():
        total.update({name: value for name, value in asdict(row).items() if name != "skipped"})
    sys.stdout.write(f"{'all':<30}" + "".join(f"{total[name]:>9}" for name in header[:-1]) + "\n")
    if options.json:
        numbers = {"quiet": scenes, "speech": {name: asdict(row) for name, row in rows.items()}}
        options.json.write_text(json.dumps(numbers, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
