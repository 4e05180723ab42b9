"""The option `denoise` over the real socket: a noisy clip is understood, and every sample is accounted for."""

import numpy as np

from benchmarks.live import play
from benchmarks.noise import with_noise
from benchmarks.scoring import ErrorRate, units
from tests.speech import Clip, clips
from tests.stack import Stack
from tests.stream_client import open_stream


def noisy(clip: Clip) -> np.ndarray:
    """With a hiss 15 dB below it, a second of it alone in front and half a second behind."""
    hiss = np.random.default_rng(11).standard_normal(16_000, dtype=np.float32)
    return with_noise(np.pad(clip.audio, (0, 8_000)), hiss, 15.0, clip.name, before_s=1.0)


async def test_a_denoised_stream_is_understood_and_accounted_for_to_the_sample(hark_server: Stack) -> None:
    clip = clips("en")[-1]
    audio = noisy(clip)

    session = await play(hark_server.ws_url, audio, {"language": "en", "denoise": True}, pace=0)

    errors = ErrorRate()
    errors.add(units(clip.text, by_character=False), units(session.text, by_character=False))
    assert errors.percent < 35
    assert session.of("warning") == []
    (done,) = session.of("done")
    assert done["received_ms"] == len(audio) // 16
    assert done["complete"]
    assert session.is_accounted


async def test_a_finalize_of_a_denoised_stream_covers_all_that_was_said(hark_server: Stack) -> None:
    audio = noisy(clips("en")[0])
    async with open_stream(hark_server.ws_url) as client:
        await client.tell("start", language="en", denoise=True, encoding="pcm_f32le")
        await client.send(audio.astype("<f4").tobytes())
        await client.tell("finalize")
        await client.until(lambda message: message["type"] == "final" and message["from_finalize"])
        await client.send(audio.astype("<f4").tobytes())
        messages = await client.finish()

    assert sum(final["from_finalize"] for final in client.of("final")) == 1
    assert messages[-1]["type"] == "done"
    assert messages[-1]["received_ms"] == 2 * len(audio) // 16
    assert messages[-1]["gap_ms"] == 0
    assert client.words
