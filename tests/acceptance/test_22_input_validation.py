"""Check 22 (what comes in): malformed input is answered with a code and never with garbage, every message fits the schema, and
the same speech gives the same text in every format."""

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from jsonschema import ValidationError

from benchmarks.scoring import ErrorRate, units
from benchmarks.speech import Clip
from inference import audio as audio_module
from inference.audio import SAMPLE_BYTES
from inference.messages import Encoding, StreamOptions
from tests.acceptance.recordings import Ears, read_clips
from tests.acceptance.rig import Rig, Transcript
from tests.encoded import by_sndfile, telephone, webm_opus
from tests.inference.worker import say, to_pcm
from tests.speech import clips
from tests.stack import Stack
from tests.stream_client import StreamClient, open_stream, validator
from transcription.diagnosis import Diagnosis

pytestmark = pytest.mark.timeout(300)

WITHIN_S = 3.0
FRAME_S = 0.1
MAX_DIFFERENCE_PERCENT = 0.5
NUM_CLIPS = 12


def talk() -> np.ndarray:
    """float32 (num_samples,): recorded speech, which the scripted engine takes for words as well."""
    return np.asarray(clips("en")[-1].audio[: 4 * 16_000])


def at(rate_hz: int) -> np.ndarray:
    return np.asarray(np.clip(soxr.resample(talk(), 16_000, rate_hz), -1, 1))


def f32(audio: np.ndarray) -> bytes:
    return audio.astype("<f4").tobytes()


def stereo(audio: np.ndarray) -> np.ndarray:
    return np.repeat(audio, 2)


@dataclass(frozen=True)
class Case:
    """What a client says and sends. code: what it must be told. is_fatal: whether the session ends with that.

    bytes_a_second: what the audio really holds, where its pace matters; three seconds of it are sent at the pace of speech.
    """

    code: str
    audio: Callable[[], bytes] = bytes
    start: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    is_fatal: bool = True
    bytes_a_second: int = 0


RAW = {"encoding": "pcm_s16le"}
CASES: dict[str, Case] = {
    "text that is no JSON": Case("invalid_json", text="hello"),
    "JSON that is no object": Case("invalid_message", text="[1, 2]"),
    "a message without a type": Case("invalid_message", text='{"sample_rate": 8000}'),
    "a message that nobody knows": Case("unknown_message", text='{"type": "begin"}'),
    "JSON nested without end": Case("invalid_json", text='{"type": ' + "[" * 500 + "]" * 500 + "}"),
    "an encoding that nobody knows": Case("unsupported_encoding", start={"encoding": "g729"}),
    "a sample rate of 4 kHz": Case("unsupported_sample_rate", start={"sample_rate": 4_000}),
    "a sample rate in words": Case("unsupported_sample_rate", start={"sample_rate": "16k"}),
    "six channels": Case("unsupported_channels", start={"channels": 6}),
    "hotwords that are no list": Case("invalid_option", start={"hotwords": "Hark"}),
    "a hotword that is no text": Case("invalid_option", start={"hotwords": [5]}),
    "an option that nobody knows": Case("unknown_option", start={"endpoint": 300}, is_fatal=False),
    "a scenario that is not offered": Case("unsupported_option", start={"scenario": "surgery"}),
    "a model that is not there": Case("unknown_model", start={"model": "no-such-model"}),
    "a container in reliable mode": Case("unsupported_option", start={"encoding": "webm", "reliable": True}),
    "a frame without its offset": Case("invalid_frame", lambda: b"abc", start={"reliable": True}),
    "an odd number of bytes": Case("odd_byte_count", lambda: bytes(3_201), is_fatal=False),
    "floats as integers": Case("looks_like_f32", lambda: f32(talk()), start=RAW, bytes_a_second=64_000),
    "integers as floats": Case("looks_like_s16", lambda: to_pcm(talk()), start={"encoding": "pcm_f32le"}, bytes_a_second=32_000),
    "big-endian integers": Case(
        "looks_like_s16be", lambda: np.frombuffer(to_pcm(talk()), "<i2").astype(">i2").tobytes(), bytes_a_second=32_000
    ),
    "mu-law as integers": Case("looks_like_mulaw", lambda: telephone(talk(), "mulaw"), bytes_a_second=8_000),
    "integers as A-law": Case(
        "looks_like_s16", lambda: to_pcm(at(8_000)), start={"encoding": "alaw", "sample_rate": 8_000}, bytes_a_second=16_000
    ),
    "integers that were made floats": Case(
        "float_out_of_range", lambda: f32(talk() * 32_767), start={"encoding": "pcm_f32le"}, bytes_a_second=64_000
    ),
    "24 kHz as 16": Case("looks_like_other_rate", lambda: to_pcm(at(24_000)), is_fatal=False, bytes_a_second=48_000),
    "48 kHz as 16": Case("looks_like_other_rate", lambda: to_pcm(at(48_000)), is_fatal=False, bytes_a_second=96_000),
    "8 kHz as 16": Case("looks_like_other_rate", lambda: to_pcm(at(8_000)), is_fatal=False, bytes_a_second=16_000),
    "two channels as one": Case("looks_like_stereo", lambda: to_pcm(stereo(talk())), is_fatal=False, bytes_a_second=64_000),
    "base64": Case("looks_like_text", lambda: base64.b64encode(to_pcm(talk()))),
    "a WAV header that says something else": Case(
        "wav_header_differs", lambda: by_sndfile(at(44_100), "WAV", "PCM_16", 44_100), start=RAW
    ),
    "a WAV header that agrees": Case("wav_header", lambda: by_sndfile(talk(), "WAV", "PCM_16"), start=RAW, is_fatal=False),
    "WebM as integers": Case("unsupported_encoding", lambda: webm_opus(talk()), start=RAW),
    "noise as WebM": Case("undecodable_audio", lambda: to_pcm(talk() * 3), start={"encoding": "webm"}),
    "a damaged Ogg file": Case("undecodable_audio", lambda: b"OggS" + bytes(4_000), start={"encoding": "ogg"}),
    "digital silence": Case("silent_audio", lambda: bytes(128_000), is_fatal=False, bytes_a_second=32_000),
}  # fmt: skip


OF_PACE = "looks_like_other_rate"
NUM_MORE_TRIES = 2
"""Audio that comes by fits and starts says nothing of its rate, on purpose: where other tests hold this one up it comes again."""


async def play(client: StreamClient, case: Case) -> None:
    """As a client would: what it says, then its audio, at the pace of speech where that matters."""
    if case.text:
        await client.socket.send(case.text)
        return
    if case.start:
        await client.socket.send(json.dumps({"type": "start"} | case.start))
    payload = case.audio()
    frame_bytes = round(case.bytes_a_second * FRAME_S) or 6_400
    for start in range(0, min(len(payload), round(case.bytes_a_second * WITHIN_S) or len(payload)), frame_bytes):
        await client.socket.send(payload[start : start + frame_bytes])
        await asyncio.sleep(FRAME_S if case.bytes_a_second else 0)


async def assert_answered(stack: Stack, case: Case) -> None:
    """With its code and a sentence before three seconds of audio were sent; where that is an error, nothing becomes text."""
    async with open_stream(stack.ws_url) as client:
        playing = asyncio.create_task(play(client, case))
        answer = await client.until(lambda message: message.get("code") == case.code)
        assert answer["type"] == ("error" if case.is_fatal else "warning"), answer
        assert len(answer["message"]) > 20
        playing.cancel()
        if case.is_fatal:
            await client.read_all()
            assert client.messages[-1] == answer
            assert client.code not in {None, 1000}
            assert client.of("final") == []


@pytest.mark.integration
@pytest.mark.parametrize("what", CASES)
async def test_malformed_input_is_answered_with_its_code_within_three_seconds(scripted_stack: Stack, what: str) -> None:
    case = CASES[what]
    for _ in range(NUM_MORE_TRIES if case.code == OF_PACE else 0):
        with suppress(TimeoutError):
            await assert_answered(scripted_stack, case)
            return
    await assert_answered(scripted_stack, case)


def test_there_are_at_least_thirty_malformed_cases() -> None:
    assert len(CASES) >= 30


@pytest.mark.integration
async def test_a_case_that_is_not_answered_would_be_noticed(scripted_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound audio, which nothing is said of, in the place of a malformed case."""
    monkeypatch.setattr("tests.stream_client.PATIENCE_S", 4.0)

    with pytest.raises(TimeoutError):
        await assert_answered(scripted_stack, Case("looks_like_f32", lambda: say("alpha bravo"), is_fatal=True))


@pytest.mark.integration
async def test_a_message_that_does_not_fit_the_schema_would_be_noticed() -> None:
    """Every client of these tests checks each message, both ways."""
    validator("client").validate({"type": "start", "encoding": "mulaw"})
    for group, wrong in (("client", {"type": "start", "encoding": "mp2"}), ("server", {"type": "warning", "code": 5})):
        with pytest.raises(ValidationError):
            validator(group).validate(wrong)


# The same text in every format

FORMATS: dict[str, tuple[Encoding, int, int]] = {
    "pcm16-16k": ("pcm_s16le", 16_000, 1),
    "pcm16-24k": ("pcm_s16le", 24_000, 1),
    "pcm16-44k1": ("pcm_s16le", 44_100, 1),
    "pcm16-48k": ("pcm_s16le", 48_000, 1),
    "pcm16-48k-stereo": ("pcm_s16le", 48_000, 2),
    "f32-16k": ("pcm_f32le", 16_000, 1),
    "f32-48k": ("pcm_f32le", 48_000, 1),
    "mulaw-8k": ("mulaw", 8_000, 1),
    "alaw-8k": ("alaw", 8_000, 1),
}
TELEPHONE_PERCENT = 10.0
"""What half of the spectrum may cost at most: six words of sixty."""


def encoded(audio: np.ndarray, encoding: Encoding, rate_hz: int, num_channels: int) -> bytes:
    if encoding in {"mulaw", "alaw"}:
        return telephone(audio, encoding)
    resampled = audio if rate_hz == 16_000 else np.clip(soxr.resample(audio, 16_000, rate_hz), -1, 1)
    whole = np.repeat(resampled, num_channels)
    return f32(whole) if encoding == "pcm_f32le" else to_pcm(whole)


def hear(ears: Ears, payload: bytes, encoding: Encoding, rate_hz: int, num_channels: int) -> Transcript:
    rig = Rig(ears.engine)
    options = StreamOptions(
        encoding=encoding, sample_rate_hz=rate_hz, num_channels=num_channels, languages=("en",), interim=False
    )
    frame_bytes = rate_hz // 10 * SAMPLE_BYTES[encoding] * num_channels
    return rig.hear_bytes(payload, options, frame_bytes)


def error_percent(ears: Ears, chosen: list[Clip], form: tuple[Encoding, int, int]) -> float:
    rate = ErrorRate()
    for clip in chosen:
        heard = hear(ears, encoded(clip.audio(), *form), *form)
        rate.add(units(clip.text, by_character=False), heard.words)
    return rate.percent


def assert_formats_give_the_same_text(ears: Ears, chosen: list[Clip], names: list[str]) -> None:
    plain = error_percent(ears, chosen, FORMATS["pcm16-16k"])
    assert plain < 20
    for name in names:
        allowed = TELEPHONE_PERCENT if FORMATS[name][1] == 8_000 else MAX_DIFFERENCE_PERCENT
        assert error_percent(ears, chosen, FORMATS[name]) <= plain + allowed, name


@pytest.fixture(scope="module")
def chosen(speech_dir: Path) -> list[Clip]:
    return read_clips(speech_dir, NUM_CLIPS, longest_s=6.0)


@pytest.mark.speech
def test_the_same_speech_gives_the_same_text_in_nine_formats(ears: Ears, chosen: list[Clip]) -> None:
    assert_formats_give_the_same_text(ears, chosen, [name for name in FORMATS if name != "pcm16-16k"])


@pytest.mark.speech
def test_a_law_that_is_decoded_as_the_other_would_be_noticed(
    ears: Ears, chosen: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(audio_module._TELEPHONE_TABLES, "mulaw", audio_module._TELEPHONE_TABLES["mulaw"][::-1] * 0.5)

    with pytest.raises(AssertionError):
        assert_formats_give_the_same_text(ears, chosen[:4], ["mulaw-8k"])


@pytest.mark.speech
def test_a_wrong_claim_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a threshold within what speech shows, sound speech is called clipped."""
    diagnosis = Diagnosis("pcm_s16le", 16_000, 1, lambda: 0.0)
    assert diagnosis.look(to_pcm(talk())) is None

    monkeypatch.setattr("transcription.diagnosis.diagnosis.CLIPPED_LEVEL", 0.01)
    finding = Diagnosis("pcm_s16le", 16_000, 1, lambda: 0.0).look(to_pcm(talk()))
    assert finding is not None
    assert finding.code == "clipped_audio"
