"""Decoding and resampling: pure numpy."""

from typing import get_args

import av
import numpy as np
import pytest
import soxr

from inference.audio import SAMPLE_BYTES, Resampler, decode_pcm, to_ms, to_samples
from inference.messages import Encoding


def test_sixteen_bit_samples_become_floats() -> None:
    audio = decode_pcm(np.array([0, 16_384, -32_768], dtype="<i2").tobytes(), "pcm_s16le", 1)

    assert audio.tolist() == [0.0, 0.5, -1.0]
    assert audio.dtype == np.float32


def test_float_samples_stay_as_they_are() -> None:
    audio = decode_pcm(np.array([0.25, -0.5], dtype="<f4").tobytes(), "pcm_f32le", 1)

    assert audio.tolist() == [0.25, -0.5]


def test_broken_floats_become_silence_and_loud_ones_are_clipped() -> None:
    payload = np.array([np.nan, np.inf, -np.inf, 7.0, -7.0], dtype="<f4").tobytes()

    assert decode_pcm(payload, "pcm_f32le", 1).tolist() == [0.0, 0.0, 0.0, 1.0, -1.0]


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_every_code_of_the_telephone_is_what_ffmpeg_makes_of_it(law: Encoding) -> None:
    codes = bytes(range(256))
    reference = av.CodecContext.create(f"pcm_{law}", "r")
    assert isinstance(reference, av.AudioCodecContext)
    reference.sample_rate, reference.layout = 8_000, "mono"

    (frame,) = reference.decode(av.Packet(codes))

    np.testing.assert_array_equal(decode_pcm(codes, law, 1) * 32_768, frame.to_ndarray()[0])


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_two_telephone_channels_are_averaged(law: Encoding) -> None:
    left, right = decode_pcm(b"\x10", law, 1)[0], decode_pcm(b"\x99", law, 1)[0]

    assert decode_pcm(b"\x10\x99", law, 2).tolist() == [pytest.approx((left + right) / 2)]


def test_every_encoding_has_its_size_and_decodes() -> None:
    assert set(SAMPLE_BYTES) == set(get_args(Encoding))
    for encoding, num_bytes in SAMPLE_BYTES.items():
        assert len(decode_pcm(bytes(num_bytes * 6), encoding, 2)) == 3


def test_two_channels_are_averaged() -> None:
    payload = np.array([[0.5, -0.5], [1.0, 0.5]], dtype="<f4").tobytes()

    assert decode_pcm(payload, "pcm_f32le", 2).tolist() == [0.0, 0.75]


def test_an_empty_payload_is_no_audio() -> None:
    assert len(decode_pcm(b"", "pcm_s16le", 2)) == 0


@pytest.mark.parametrize("duration_ms", [0, 1, 15_000])
def test_milliseconds_and_samples_convert_both_ways(duration_ms: int) -> None:
    assert to_ms(to_samples(duration_ms)) == duration_ms


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampled_pieces_joined_are_the_whole_resampled(rate_hz: int) -> None:
    rng = np.random.default_rng(rate_hz)
    audio = rng.standard_normal(rate_hz, dtype=np.float32) * 0.1
    cuts = np.sort(rng.integers(0, len(audio), 30))
    resampler = Resampler(rate_hz)

    pieces = [resampler.push(piece) for piece in np.split(audio, cuts)]
    pieces.append(resampler.push(np.zeros(0, dtype=np.float32), is_last=True))

    joined = np.concatenate(pieces)
    assert abs(len(joined) - 16_000) <= 2
    np.testing.assert_allclose(joined, soxr.resample(audio, rate_hz, 16_000)[: len(joined)], atol=1e-4)


def test_our_own_rate_passes_unchanged() -> None:
    audio = np.linspace(-1, 1, 100, dtype=np.float32)

    assert Resampler(16_000).push(audio) is audio


def test_a_tone_keeps_its_pitch() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)

    spectrum = np.abs(np.fft.rfft(Resampler(48_000).push(tone, is_last=True), 16_000))

    assert int(spectrum.argmax()) == 440
