"""What a client says, and where in it speech begins and ends: clips joined by quiet. No sockets, no clocks here."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.speech import Clip

SAMPLE_RATE_HZ: Final = 16_000
SAMPLES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
BYTES_PER_SAMPLE: Final = 2

LEAD_MS: Final = 500
TAIL_MS: Final = 1500  # long enough for every endpoint, so that the last final of a session is like the others
PAUSE_MS: Final = (600, 900)

LOOK_MS: Final = 10
STEADY_LOOKS: Final = 5  # 50 ms: shorter bursts are clicks
BELOW_TOP_DB: Final = 30.0
ABOVE_FLOOR_DB: Final = 10.0
SURELY_BELOW_TOP_DB: Final = 10.0
SILENCE_DB: Final = -120.0
FINALIZE_AFTER_MS: Final = 100


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip and where its speech is, in samples. `quiet_rms`: level of its quietest tenth, full scale is 1."""

    clip: Clip
    num_samples: int
    onset_samples: int
    end_samples: int
    quiet_rms: float


@dataclass(frozen=True, slots=True)
class Part:
    """The first `kept_samples` of a sound, then `pause_samples` of quiet."""

    sound: Sound
    kept_samples: int
    pause_samples: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """A clip in a session: where its speech begins and ends, in ms since the session's first sample."""

    clip: Clip
    onset_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Tape:
    """All that one client says in one session. `finalizes`: `finalize` is sent where a part's kept samples end."""

    parts: tuple[Part, ...]
    finalizes: bool = False

    @property
    def num_samples(self) -> int:
        return (LEAD_MS + TAIL_MS) * SAMPLES_PER_MS + sum(part.kept_samples + part.pause_samples for part in self.parts)

    @property
    def seconds(self) -> float:
        return self.num_samples / SAMPLE_RATE_HZ

    @property
    def text(self) -> str:
        return " ".join(part.sound.clip.text for part in self.parts)

    def spoken(self) -> list[Spoken]:
        """The truth, in the order of the audio."""
        found = []
        for start, part in self._starts():
            onset, end = start + part.sound.onset_samples, start + part.sound.end_samples
            found.append(Spoken(part.sound.clip, onset / SAMPLES_PER_MS, end / SAMPLES_PER_MS))
        return found

    def finalize_after_ms(self) -> list[float]:
        """Where `finalize` is to be sent, in ms since the first sample."""
        return [(start + part.kept_samples) / SAMPLES_PER_MS for start, part in self._starts()] if self.finalizes else []

    def _starts(self) -> Iterator[tuple[int, Part]]:
        start = LEAD_MS * SAMPLES_PER_MS
        for part in self.parts:
            yield start, part
            start += part.kept_samples + part.pause_samples

    def pieces(self, pcm_of: Callable[[Clip], bytes]) -> Iterator[bytes]:
        """16-bit little-endian PCM of the session, in pieces of any length."""
        first, last = self.parts[0].sound, self.parts[-1].sound
        yield quiet(first.quiet_rms, LEAD_MS * SAMPLES_PER_MS)
        for part in self.parts:
            yield pcm_of(part.sound.clip)[: part.kept_samples * BYTES_PER_SAMPLE]
            yield quiet(part.sound.quiet_rms, part.pause_samples)
        yield quiet(last.quiet_rms, TAIL_MS * SAMPLES_PER_MS)


def frames(pieces: Iterator[bytes], frame_bytes: int) -> Iterator[bytes]:
    """The same bytes in frames of one length; the last one may be shorter."""
    held = b""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % frame_bytes
        yield from (held[start : start + frame_bytes] for start in range(0, whole, frame_bytes))
        held = held[whole:]
    if held:
        yield held


def quiet(rms: float, num_samples: int) -> bytes:
    """White noise of that level, the same at every call; nothing in a real room is all zeros for long."""
    noise = np.random.default_rng(0).standard_normal(num_samples) * rms
    return to_pcm(noise)


def to_pcm(audio: np.ndarray) -> bytes:
    """16-bit little-endian from floats (num_samples,) in [-1, 1]."""
    return bytes((np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes())


def listen(clip: Clip) -> Sound:
    """Find the speech in a clip by its energy.

    The threshold lies 30 dB under the loud parts, or 10 dB over the quiet ones where that is higher, but always 10 dB
    under the loud ones. Speech begins with the first 50 ms above it and ends with the last.
    """
    audio = clip.audio()
    looks = levels_db(audio)
    floor_db, top_db = np.percentile(looks, 10), np.percentile(looks, 95)
    threshold_db = min(max(top_db - BELOW_TOP_DB, floor_db + ABOVE_FLOOR_DB), top_db - SURELY_BELOW_TOP_DB)
    first, last = bounds(looks > threshold_db)
    look_samples = LOOK_MS * SAMPLES_PER_MS
    return Sound(clip, len(audio), first * look_samples, last * look_samples, float(10 ** (floor_db / 20)))


def levels_db(audio: np.ndarray) -> np.ndarray:
    """Level of every whole 10 ms of audio, float32 (num_samples,), in dB under full scale; -120 at the least."""
    look_samples = LOOK_MS * SAMPLES_PER_MS
    whole = audio[: len(audio) // look_samples * look_samples].reshape(-1, look_samples).astype(np.float64)
    return np.asarray(np.maximum(10 * np.log10((whole**2).mean(axis=1) + 1e-30), SILENCE_DB))


def bounds(is_loud: np.ndarray) -> tuple[int, int]:
    """First and one past the last of the looks in runs of at least 50 ms; everything where there is no such run."""
    runs = np.convolve(is_loud.astype(int), np.ones(STEADY_LOOKS, dtype=int), mode="valid") == STEADY_LOOKS
    places = np.flatnonzero(runs)
    if not len(places):
        return 0, len(is_loud)
    return int(places[0]), int(places[-1]) + STEADY_LOOKS


def deal(sounds: Sequence[Sound], num_clients: int, seconds: float, seed: int, *, finalizes: bool = False) -> list[Tape]:
    """A tape of at least `seconds` for each client, from one deck; fewer clients hear what the first of more would."""
    chance = random.Random(seed)
    deck = _shuffled_for_ever(sounds, chance)
    return [_tape(deck, seconds, chance, finalizes=finalizes) for _ in range(num_clients)]


def _shuffled_for_ever(sounds: Sequence[Sound], chance: random.Random) -> Iterator[Sound]:
    while True:
        yield from chance.sample(sounds, len(sounds))


def _tape(deck: Iterator[Sound], seconds: float, chance: random.Random, *, finalizes: bool) -> Tape:
    tape = Tape((), finalizes)
    while tape.seconds < seconds or not tape.parts:
        sound = next(deck)
        kept = min(sound.num_samples, sound.end_samples + FINALIZE_AFTER_MS * SAMPLES_PER_MS) if finalizes else sound.num_samples
        pause = chance.randint(*PAUSE_MS) * SAMPLES_PER_MS
        tape = Tape((*tape.parts, Part(sound, kept, pause)), finalizes)
    return tape
