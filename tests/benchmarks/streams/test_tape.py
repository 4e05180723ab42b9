"""What is said is known to the sample: where clips lie, where their speech begins and ends."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.speech import Clip
from benchmarks.streams.tape import PAUSE_MS, Part, Tape, bounds, deal, frames, listen
from tests.benchmarks.streams.recordings import sound, two_clips


def pcm_of(_clip: Clip) -> bytes:
    """2 s of samples that are all 1."""
    return np.ones(32_000, dtype="<i2").tobytes()


def test_the_truth_lies_where_the_samples_lie() -> None:
    tape = two_clips()

    samples = np.frombuffer(b"".join(tape.pieces(pcm_of)), dtype="<i2")

    assert len(samples) == tape.num_samples
    assert [(said.onset_ms, said.end_ms) for said in tape.spoken()] == [(700, 2300), (3400, 5000)]
    for said in tape.spoken():
        clip_start = int(said.onset_ms - 200) * 16
        assert samples[clip_start : clip_start + 32_000].all()
        assert not samples[clip_start - 1]
        assert not samples[clip_start + 32_000]


def test_a_tape_that_finalizes_breaks_off_where_finalize_is_sent() -> None:
    tape = Tape((Part(sound("one"), kept_samples=1900 * 16, pause_samples=700 * 16),), finalizes=True)

    assert tape.finalize_after_ms() == [500 + 1900]
    assert len(b"".join(tape.pieces(pcm_of))) == 2 * tape.num_samples


@pytest.mark.parametrize("pieces", [[b"abcdef", b"gh"], [b"a", b"b", b"cdefgh"], [b"abcdefgh"]])
def test_frames_have_one_length_whatever_the_pieces(pieces: list[bytes]) -> None:
    assert list(frames(iter(pieces), 3)) == [b"abc", b"def", b"gh"]


def test_energy_finds_speech_between_quiet_and_passes_over_a_click(tmp_path: Path) -> None:
    audio = np.random.default_rng(1).standard_normal(48_000) * 0.001
    audio[16_000:32_000] += 0.3 * np.sin(np.arange(16_000) * 0.3)
    audio[4_000:4_160] += 0.5
    soundfile.write(tmp_path / "clip.wav", audio, 16_000)

    found = listen(Clip("clip", tmp_path / "clip.wav", "", "en", "read", 3.0))

    assert (found.onset_samples, found.end_samples) == (16_000, 32_000)
    assert found.quiet_rms == pytest.approx(0.001, rel=0.2)


def test_a_clip_without_any_steady_sound_counts_as_speech_from_end_to_end() -> None:
    assert bounds(np.zeros(20, dtype=bool)) == (0, 20)


def test_clients_say_different_things_and_use_all_clips_before_one_comes_again() -> None:
    sounds = [sound(str(number)) for number in range(12)]

    tapes = deal(sounds, num_clients=4, seconds=10, seed=5)

    names = [part.sound.clip.name for tape in tapes for part in tape.parts]
    assert len(set(names[:12])) == 12
    assert all(tape.seconds >= 10 for tape in tapes)
    assert all(PAUSE_MS[0] <= part.pause_samples / 16 <= PAUSE_MS[1] for tape in tapes for part in tape.parts)


def test_the_first_clients_say_the_same_however_many_follow() -> None:
    sounds = [sound(str(number)) for number in range(12)]

    assert deal(sounds, 2, 10, seed=5) == deal(sounds, 4, 10, seed=5)[:2]


def test_dealing_for_finalize_cuts_clips_shortly_after_their_speech() -> None:
    tape = deal([sound("one")], 1, 4, seed=0, finalizes=True)[0]

    assert {part.kept_samples for part in tape.parts} == {1900 * 16}
