"""The energy gate: which frames the voice activity network hears. Levels only, no audio."""

from itertools import pairwise
from math import inf, log10

import numpy as np
import pytest

from inference.endpointing import FRAME_MS, FRAME_SAMPLES
from inference.gate import FALL, FIRST_FRAMES, HOLD_FRAMES, LOOKBACK_FRAMES, RISE_DB, EnergyGate, frame_powers

SECOND = 1_000 // FRAME_MS
QUIET_DB, FAN_DB, SPEECH_DB = -70.0, -30.0, -20.0


def power(level_db: float) -> float:
    return float(10 ** (level_db / 10))


def frames(level_db: float, count: int) -> list[float]:
    return [power(level_db)] * count


def noisy(level_db: float, count: int, spread_db: float) -> list[float]:
    """Steady noise, whose level wavers from frame to frame."""
    levels = np.random.default_rng(7).normal(level_db, spread_db, count)
    return [power(level) for level in levels]


def heard(powers: list[float], gate: EnergyGate | None = None) -> list[int]:
    """The frames that the network hears when they come one by one and nothing is taken for speech."""
    gate = gate or EnergyGate()
    found, frame = [], 0
    for number, level in enumerate(powers, start=1):
        gate.measure([level])
        while frame < number:
            num_skipped = min(number - frame, gate.num_skippable(frame, is_last=number == len(powers)))
            if gate.is_open(frame):
                found.append(frame)
                num_skipped = 1
            if not num_skipped:
                break
            frame += num_skipped
    return found


def test_a_frame_has_the_power_of_its_samples() -> None:
    audio = np.concatenate([np.full(FRAME_SAMPLES, 0.5), np.zeros(FRAME_SAMPLES)]).astype(np.float32)

    assert frame_powers(audio) == [0.25, 0.0]


@pytest.mark.parametrize("loudest", [3, 300, 32_767])
def test_samples_of_16_bits_have_the_powers_that_they_have_as_floats(loudest: int) -> None:
    samples = np.random.default_rng(1).integers(-loudest - 1, loudest + 1, 31 * FRAME_SAMPLES, dtype=np.int16)

    assert frame_powers(samples) == frame_powers(samples.astype(np.float32) / 32_768)


class PlainGate:
    """What a gate has to find, one frame after the other. `openings`: the frames that are loud."""

    def __init__(self) -> None:
        self.powers: list[float] = []
        self.floor_db: float | None = None
        self.near: list[int] = []
        self.loud: list[int] = []

    def measure(self, power: float) -> None:
        self.powers.append(power)
        recent = self.powers[-3:]
        mean = sum(recent) / len(recent)
        level_db = 10 * log10(mean) if mean > 1e-12 else -120.0
        self.floor_db = max(-56.0, level_db if self.floor_db is None else self._moved(self.floor_db, level_db))
        if power >= 10 ** (-50 / 10):
            self.near.append(len(self.powers) - 1)
            if len(self.powers) <= FIRST_FRAMES or level_db >= self.floor_db + 6.0:
                self.loud.append(len(self.powers) - 1)

    def _moved(self, floor_db: float, level_db: float) -> float:
        if level_db < floor_db:
            return floor_db + FALL * (level_db - floor_db)
        return min(level_db, floor_db + RISE_DB)


@pytest.mark.parametrize("piece", [1, 2, 6, 31, 500])
def test_a_gate_finds_in_a_piece_what_it_would_find_frame_by_frame(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = np.random.default_rng(piece).normal(-54.0, 8.0, 2_000) + np.repeat([0.0, 30.0, 0.0, -80.0, 3.0], 400)
    powers = [power(level) for level in levels]
    plain, gate, near, loud = PlainGate(), EnergyGate(), [], []
    monkeypatch.setattr(EnergyGate, "_open", lambda _self, frame: loud.append(frame))

    for start in range(0, len(powers), piece):
        near += gate.measure(powers[start : start + piece])
        for level in powers[start : start + piece]:
            plain.measure(level)
        assert gate.floor_db == plain.floor_db

    assert near == plain.near
    assert loud == plain.loud
    assert 100 < len(loud) < len(near) < 1_500


def test_of_the_first_two_seconds_everything_is_heard_that_could_be_speech() -> None:
    assert heard(frames(FAN_DB, 10 * SECOND)) == list(range(FIRST_FRAMES + HOLD_FRAMES))


def test_a_voice_that_was_there_from_the_first_sample_is_heard() -> None:
    assert heard(frames(-48.0, 3) + frames(QUIET_DB, 10 * SECOND)) == list(range(3 + HOLD_FRAMES))


@pytest.mark.parametrize("level_db", [-120.0, QUIET_DB, -52.0])
def test_a_room_below_the_level_of_speech_is_not_heard_however_it_wavers(level_db: float) -> None:
    assert heard(noisy(level_db, 60 * SECOND, 0.5)) == []


def test_a_fan_is_heard_until_the_floor_has_risen_to_it() -> None:
    powers = frames(QUIET_DB, 5 * SECOND) + noisy(FAN_DB, 60 * SECOND, 1.5)

    found = [frame for frame in heard(powers) if frame >= FIRST_FRAMES]

    assert found[0] == 5 * SECOND - LOOKBACK_FRAMES
    assert found[-1] < (5 + 12) * SECOND


def test_the_quiet_before_something_loud_is_heard_too() -> None:
    powers = frames(QUIET_DB, 10 * SECOND) + frames(SPEECH_DB, 1) + frames(QUIET_DB, 10 * SECOND)

    found = [frame for frame in heard(powers) if frame >= FIRST_FRAMES]

    assert found == list(range(10 * SECOND - LOOKBACK_FRAMES, 10 * SECOND + 1 + HOLD_FRAMES))


def test_speech_above_a_fan_opens_the_gate() -> None:
    powers = noisy(FAN_DB, 30 * SECOND, 1.0) + noisy(FAN_DB + 10, SECOND, 1.0) + noisy(FAN_DB, 5 * SECOND, 1.0)

    found = [frame for frame in heard(powers) if frame >= 20 * SECOND]

    assert found[0] <= 30 * SECOND - LOOKBACK_FRAMES + 2
    assert all(after == before + 1 for before, after in pairwise(found))


def test_a_pause_between_words_brings_the_floor_down_again() -> None:
    gate = EnergyGate()
    gate.measure(frames(FAN_DB, 20 * SECOND))
    risen_db = gate.floor_db

    gate.measure(frames(QUIET_DB, SECOND // 2))

    assert risen_db == pytest.approx(FAN_DB)
    assert gate.floor_db is not None
    assert gate.floor_db < -50


def test_how_the_frames_come_changes_nothing() -> None:
    powers = noisy(FAN_DB, 20 * SECOND, 3.0) + frames(SPEECH_DB, SECOND) + frames(QUIET_DB, 5 * SECOND)
    whole, pieces = EnergyGate(), EnergyGate()

    whole.measure(powers)
    for start in range(0, len(powers), 7):
        pieces.measure(powers[start : start + 7])

    assert whole == pieces


def test_a_frame_waits_for_what_comes_after_it_unless_nothing_will() -> None:
    gate = EnergyGate()
    gate.measure(frames(QUIET_DB, FIRST_FRAMES + 10))

    assert gate.num_skippable(FIRST_FRAMES, is_last=False) == 0
    assert gate.num_skippable(FIRST_FRAMES, is_last=True) == 10


def test_a_gate_without_thresholds_stays_open() -> None:
    powers = frames(-120.0, 10 * SECOND)

    assert heard(powers, EnergyGate(near_db=-inf, margin_db=-inf)) == list(range(10 * SECOND))
