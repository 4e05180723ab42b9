"""RNNoise in a stream: what comes out is as long as what went in, in time with it, and less noisy."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import denoise
from inference.audio import SAMPLE_RATE_HZ
from inference.denoise import DELAY_SAMPLES, Decimator, Denoiser, Interpolator
from tests.speech import clips

CHAIN_LAG = DELAY_SAMPLES - denoise.RNNOISE_DELAY_SAMPLES


def noise(num_samples: int, level: float = 0.03) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(num_samples, dtype=np.float32) * np.float32(level)


def cleaned(audio: np.ndarray, cuts: list[int] | None = None) -> np.ndarray:
    denoiser = Denoiser()
    pieces = [denoiser.push(piece) for piece in np.split(audio, cuts or [])]
    return np.concatenate([*pieces, denoiser.catch_up()])


def rms_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-12))


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    denoise.native.cache_clear()
    yield
    denoise.native.cache_clear()


def test_up_and_down_again_is_the_same_audio_later() -> None:
    times = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    audio = np.sin(2 * np.pi * np.outer([100, 1_000, 7_000], times)).sum(axis=0).astype(np.float32) / 4

    back = Decimator().push(Interpolator().push(audio))

    np.testing.assert_allclose(back[500:], audio[500 - CHAIN_LAG : -CHAIN_LAG], atol=1e-4)


def test_interpolation_adds_no_image_above_eight_kilohertz() -> None:
    tone = np.sin(2 * np.pi * 3_000 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ).astype(np.float32)

    spectrum = np.abs(np.fft.rfft(Interpolator().push(tone)[1_000:-1_000] * np.hanning(46_000)))

    peak = int(np.argmax(spectrum))
    assert peak == round(3_000 * 46_000 / 48_000)
    assert spectrum[round(8_700 * 46_000 / 48_000) :].max() < 1e-3 * spectrum[peak]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 2_000), st.booleans()), max_size=8))
def test_as_many_samples_come_out_as_went_in_whenever_it_catches_up(steps: list[tuple[int, bool]]) -> None:
    denoiser = Denoiser()
    num_in = num_out = 0
    for num_samples, catches_up in steps:
        num_out += len(denoiser.push(noise(num_samples)))
        num_in += num_samples
        assert num_out <= num_in
        if catches_up:
            num_out += len(denoiser.catch_up())
            assert num_out == num_in

    assert num_out + len(denoiser.catch_up()) == num_in


def lag_of(audio: np.ndarray, later: np.ndarray) -> int:
    """By how many samples `later` comes after `audio`: where they agree best."""
    size = 1 << 18
    match = np.fft.irfft(np.fft.rfft(later, size) * np.conj(np.fft.rfft(audio, size)))
    best = int(match.argmax())
    return best if best < size // 2 else best - size


def test_speech_comes_out_when_it_went_in() -> None:
    audio = clips()[1].audio

    assert lag_of(audio, cleaned(audio)) == 0


def test_the_check_of_time_would_show_a_forgotten_delay() -> None:
    """The check above can fail: here what the chain delays is not taken back."""
    audio = clips()[1].audio

    assert lag_of(audio, Denoiser(_num_ahead=0).push(audio)) == DELAY_SAMPLES


def test_how_the_audio_is_cut_changes_nothing() -> None:
    audio = clips()[0].audio

    np.testing.assert_allclose(cleaned(audio, [1, 2, 500, 777, 9_000, 9_001]), cleaned(audio), atol=1e-6)


def test_what_follows_a_catch_up_is_as_if_there_had_been_none() -> None:
    audio = clips()[0].audio
    denoiser = Denoiser()

    first = np.concatenate([denoiser.push(audio[:10_000]), denoiser.catch_up()])
    rest = np.concatenate([denoiser.push(audio[10_000:]), denoiser.catch_up()])

    assert len(first) == 10_000
    np.testing.assert_array_equal(rest, cleaned(audio)[10_000:])


def test_the_tail_of_a_catch_up_is_the_speech_and_not_silence() -> None:
    audio = clips()[1].audio
    loud = int(np.argmax(np.convolve(np.square(audio), np.ones(400), "valid"))) + 400
    denoiser = Denoiser()

    denoiser.push(audio[:loud])
    tail = denoiser.catch_up()

    assert len(tail) >= DELAY_SAMPLES
    np.testing.assert_allclose(tail[:-200], cleaned(audio)[loud - len(tail) : loud - 200], atol=0.02)


def test_two_streams_never_hear_each_other() -> None:
    first, second = clips()[0].audio, clips()[1].audio
    one, other = Denoiser(), Denoiser()
    woven = []
    for start in range(0, len(first), 1_600):
        woven.append(one.push(first[start : start + 1_600]))
        other.push(second[start : start + 1_600])

    np.testing.assert_allclose(np.concatenate([*woven, one.catch_up()]), cleaned(first), atol=1e-6)


def test_steady_noise_gets_much_quieter_and_speech_does_not() -> None:
    speech, hiss = clips()[1].audio, noise(SAMPLE_RATE_HZ * 4)

    assert rms_db(cleaned(hiss)[SAMPLE_RATE_HZ:]) < rms_db(hiss) - 15
    assert rms_db(cleaned(speech)) > rms_db(speech) - 3


def test_no_python_of_the_package_is_imported() -> None:
    """It would drag in plotting and media libraries."""
    script = (
        "import sys; from inference.denoise import Denoiser, np; Denoiser().push(np.zeros(480, np.float32));"
        "print(sorted({'pyrnnoise', 'matplotlib', 'av'} & set(sys.modules)))"
    )

    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "[]"


@pytest.mark.usefixtures("without_package")
def test_a_machine_without_the_library_says_so() -> None:
    assert not denoise.is_available()


def test_this_machine_has_the_library() -> None:
    assert denoise.is_available()
