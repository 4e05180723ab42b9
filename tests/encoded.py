"""Speech as files and as bytes of many formats, written by FFmpeg and libsndfile: nothing here shares code with our readers."""

import io
from fractions import Fraction

import av
import numpy as np
import soundfile

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "250000"}
AS_RECORDED = {"live": "1", "cluster_time_limit": "250"}


def by_ffmpeg(
    audio: np.ndarray, container: str, codec: str, rate_hz: int, options: dict[str, str] | None = None, *, num_channels: int = 1
) -> bytes:
    """A file of `audio`, float32 (num_samples,) at 16 kHz."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo"}[num_channels]
    with av.open(file, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate_hz)
        whole = av.AudioFrame.from_ndarray(audio[None], format="flt", layout="mono")
        whole.sample_rate, whole.pts, whole.time_base = 16_000, 0, Fraction(1, 16_000)
        for frame in [*resampler.resample(whole), *resampler.resample(None)]:
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def by_sndfile(audio: np.ndarray, container: str, codec: str, rate_hz: int = 16_000) -> bytes:
    """A file of `audio`, float32 (num_samples,) or (num_samples, num_channels)."""
    file = io.BytesIO()
    soundfile.write(file, audio, rate_hz, format=container, subtype=codec)
    return file.getvalue()


def webm_opus(audio: np.ndarray) -> bytes:
    return by_ffmpeg(audio, "webm", "libopus", 48_000, AS_RECORDED)


def mp4_aac(audio: np.ndarray) -> bytes:
    return by_ffmpeg(audio, "mp4", "aac", 48_000, FRAGMENTS)


def telephone(audio: np.ndarray, law: str) -> bytes:
    """`audio` at 8 kHz as mu-law or A-law (`law`: mulaw or alaw), by FFmpeg's encoder."""
    return by_ffmpeg(audio, law, f"pcm_{law}", 8_000)
