"""Recorded speech through the real server in containers and from telephones: the text is that of the bare samples."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from benchmarks.scoring import ErrorRate
from tests.encoded import by_ffmpeg, by_sndfile, mp4_aac, telephone, webm_opus
from tests.inference.worker import to_pcm
from tests.speech import clips, spoken_words
from tests.stack import Stack
from tests.stream_client import assert_well_formed, open_stream

pytestmark = pytest.mark.integration

NUM_PIECES_A_SECOND = 4
MAX_DIFFERENCE_PERCENT = 15
"""Of some twenty words: three."""
Writer = Callable[[np.ndarray], bytes]
FORMATS: dict[str, tuple[Writer, dict[str, Any]]] = {
    "webm-opus, unannounced": (webm_opus, {}),
    "webm-opus": (webm_opus, {"encoding": "webm"}),
    "mp4-aac": (mp4_aac, {"encoding": "mp4"}),
    "ogg-opus": (lambda audio: by_ffmpeg(audio, "ogg", "libopus", 48_000), {"encoding": "ogg"}),
    "ogg-vorbis": (lambda audio: by_sndfile(audio, "OGG", "VORBIS"), {"encoding": "ogg"}),
    "flac": (lambda audio: by_sndfile(audio, "FLAC", "PCM_16"), {"encoding": "flac"}),
    "mp3, unannounced": (lambda audio: by_ffmpeg(audio, "mp3", "libmp3lame", 44_100), {}),
    "wav, 24 bit": (lambda audio: by_sndfile(audio, "WAVEX", "PCM_24"), {"encoding": "wav"}),
    "mulaw": (lambda audio: telephone(audio, "mulaw"), {"encoding": "mulaw", "sample_rate": 8_000}),
    "alaw": (lambda audio: telephone(audio, "alaw"), {"encoding": "alaw", "sample_rate": 8_000}),
}


@cache
def spoken() -> np.ndarray:
    """float32 (num_samples,) at 16 kHz: the longest English clip of the project."""
    return clips("en")[-1].audio


async def words_of(stack: Stack, payload: bytes, start: dict[str, Any]) -> list[str]:
    """What the server makes of `payload`, sent in pieces of about 250 ms."""
    piece_bytes = round(len(payload) / (len(spoken()) / 16_000) / NUM_PIECES_A_SECOND)
    async with open_stream(stack.ws_url) as client:
        await client.tell("start", language="en", **start)
        await client.send(payload, piece_bytes)
        messages = await client.finish()
        assert_well_formed(messages)
        assert client.of("done")[0]["received_ms"] == pytest.approx(len(spoken()) / 16, abs=100)
        return spoken_words(" ".join(client.words))


@pytest.mark.parametrize("name", FORMATS)
async def test_speech_in_this_format_gives_the_words_of_the_bare_samples(hark_server: Stack, name: str) -> None:
    write, start = FORMATS[name]
    bare, heard = ErrorRate(), ErrorRate()
    truth = clips("en")[-1].words

    bare.add(truth, await words_of(hark_server, to_pcm(spoken()), {}))
    heard.add(truth, await words_of(hark_server, write(spoken()), start))

    assert bare.percent < 30
    assert heard.percent <= bare.percent + MAX_DIFFERENCE_PERCENT


async def test_a_container_that_is_damaged_ends_with_an_error(hark_server: Stack) -> None:
    payload = bytearray(FORMATS["ogg-opus"][0](spoken()))
    payload[len(payload) // 2] ^= 1
    async with open_stream(hark_server.ws_url) as client:
        await client.tell("start", encoding="ogg")
        await client.send(bytes(payload))
        assert (await client.expect("error"))["code"] == "undecodable_audio"
