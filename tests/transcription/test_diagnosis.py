"""What a diagnosis says of the first seconds of audio in a wrong format, and that it says nothing of audio in a right one."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from inference.audio import SAMPLE_BYTES
from inference.engines.fake import VOCABULARY
from inference.messages import Encoding
from tests.encoded import by_sndfile, telephone, webm_opus
from tests.inference.worker import say, to_pcm
from tests.speech import clips
from transcription.diagnosis import FINDING_CODES, Diagnosis, Finding, findings
from transcription.diagnosis.cadence import Cadence

WITHIN_S = 3.0


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True)
class Told:
    finding: Finding
    at_s: float


def told(
    payload: bytes,
    bytes_a_second: int,
    encoding: Encoding = "pcm_s16le",
    sample_rate_hz: int = 16_000,
    num_channels: int = 1,
    *,
    frame_s: float = 0.1,
    pace: float = 1.0,
    within_s: float = WITHIN_S,
) -> list[Told]:
    """What is said of `payload`, which really holds `bytes_a_second`, when it comes at `pace` (0: all at once)."""
    clock = Clock()
    rng = np.random.default_rng(len(payload))
    diagnosis = Diagnosis(encoding, sample_rate_hz, num_channels, clock)
    frame_bytes = round(bytes_a_second * frame_s / 16) * 16
    said = []
    for start in range(0, min(len(payload), round(within_s * bytes_a_second)), frame_bytes):
        clock.now_s += frame_s / pace * (1 + 0.05 * float(rng.standard_normal())) if pace else 0.0
        finding = diagnosis.look(payload[start : start + frame_bytes])
        if finding is not None:
            said.append(Told(finding, (start + frame_bytes) / bytes_a_second))
    return said


def codes(said: list[Told]) -> list[str]:
    return [each.finding.code for each in said]


@cache
def talk() -> np.ndarray:
    """float32 (num_samples,): four seconds at 16 kHz, some of them speech from the start."""
    longest = clips("en")[-1].audio
    return np.asarray(longest[: 4 * 16_000])


def at(rate_hz: int) -> np.ndarray:
    return np.asarray(np.clip(soxr.resample(talk(), 16_000, rate_hz), -1, 1))


def s16(audio: np.ndarray, numpy_type: str = "<i2") -> bytes:
    return np.asarray(np.rint(audio * 32767)).astype(numpy_type).tobytes()


def interleaved(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1).reshape(-1)


def s32() -> bytes:
    """With sound in all of its 32 bits, as converters give."""
    noise = np.random.default_rng(5).standard_normal(len(talk())) * 1e-5
    return np.rint((talk() + noise).clip(-1, 1) * (2.0**31 - 1)).astype("<i4").tobytes()


WRONG_ENCODINGS: dict[str, tuple[bytes, int, Encoding, int, str]] = {
    "floats as integers": (talk().astype("<f4").tobytes(), 64_000, "pcm_s16le", 16_000, "looks_like_f32"),
    "floats at 48 kHz as integers": (at(48_000).astype("<f4").tobytes(), 192_000, "pcm_s16le", 16_000, "looks_like_f32"),
    "doubles as integers": (talk().astype("<f8").tobytes(), 128_000, "pcm_s16le", 16_000, "looks_like_f64"),
    "doubles as floats": (talk().astype("<f8").tobytes(), 128_000, "pcm_f32le", 16_000, "looks_like_f64"),
    "big-endian floats as integers": (talk().astype(">f4").tobytes(), 64_000, "pcm_s16le", 16_000, "looks_like_f32be"),
    "big-endian floats as floats": (talk().astype(">f4").tobytes(), 64_000, "pcm_f32le", 16_000, "looks_like_f32be"),
    "integers as floats": (s16(talk()), 32_000, "pcm_f32le", 16_000, "looks_like_s16"),
    "integers as mu-law": (s16(at(8_000)), 16_000, "mulaw", 8_000, "looks_like_s16"),
    "integers as A-law": (s16(at(8_000)), 16_000, "alaw", 8_000, "looks_like_s16"),
    "big-endian integers as integers": (s16(talk(), ">i2"), 32_000, "pcm_s16le", 16_000, "looks_like_s16be"),
    "big-endian integers as floats": (s16(talk(), ">i2"), 32_000, "pcm_f32le", 16_000, "looks_like_s16be"),
    "long integers as integers": (s32(), 64_000, "pcm_s16le", 16_000, "looks_like_s32"),
    "mu-law as integers": (telephone(talk(), "mulaw"), 8_000, "pcm_s16le", 16_000, "looks_like_mulaw"),
    "mu-law as floats": (telephone(talk(), "mulaw"), 8_000, "pcm_f32le", 16_000, "looks_like_mulaw"),
    "A-law as integers": (telephone(talk(), "alaw"), 8_000, "pcm_s16le", 16_000, "looks_like_alaw"),
    "bytes as integers": ((np.rint(at(8_000) * 127) + 128).astype("u1").tobytes(), 8_000, "pcm_s16le", 16_000, "looks_like_u8"),
    "floats as mu-law": (talk().astype("<f4").tobytes(), 64_000, "mulaw", 8_000, "looks_like_f32"),
    "integers made floats": ((talk() * 32767).astype("<f4").tobytes(), 64_000, "pcm_f32le", 16_000, "float_out_of_range"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_ENCODINGS)
def test_a_wrong_encoding_ends_the_session_within_three_seconds(what: str) -> None:
    payload, bytes_a_second, encoding, rate_hz, code = WRONG_ENCODINGS[what]

    said = told(payload, bytes_a_second, encoding, rate_hz)

    assert codes(said) == [code]
    assert said[0].finding.is_fatal
    assert said[0].at_s <= WITHIN_S


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_a_wrong_rate_is_told_when_audio_comes_at_the_pace_of_speech(rate_hz: int) -> None:
    said = told(s16(at(rate_hz)), 2 * rate_hz)

    assert codes(said) == ["looks_like_other_rate"]
    assert f"as {rate_hz} Hz would" in said[0].finding.message
    assert not said[0].finding.is_fatal


def test_16_khz_taken_for_48_is_told() -> None:
    assert codes(told(s16(talk()), 32_000, sample_rate_hz=48_000)) == ["looks_like_other_rate"]


@pytest.mark.parametrize("frame_s", [0.02, 0.064, 0.25])
def test_a_wrong_rate_is_told_whatever_the_frames(frame_s: float) -> None:
    assert codes(told(s16(at(48_000)), 96_000, frame_s=frame_s)) == ["looks_like_other_rate"]


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_two_channels_taken_for_one_are_told(rate_hz: int) -> None:
    same = s16(interleaved(at(rate_hz), at(rate_hz)))
    one_silent = s16(interleaved(at(rate_hz), np.zeros_like(at(rate_hz))))

    for payload in (same, one_silent):
        said = told(payload, 4 * rate_hz)
        assert codes(said)[0] == "looks_like_stereo"
        assert "looks_like_other_rate" not in codes(said)


def test_one_channel_taken_for_two_is_told_and_for_no_other_rate() -> None:
    assert codes(told(s16(talk()), 32_000, num_channels=2)) == ["looks_like_mono"]


def test_two_channels_that_are_two_are_all_right() -> None:
    rng = np.random.default_rng(6)
    other_voice = np.roll(talk(), 16_000) * 0.5
    far = talk() * 0.3 + rng.standard_normal(len(talk())).astype(np.float32) * 0.003
    for right in (talk(), np.zeros_like(talk()), far, other_voice):
        assert told(s16(interleaved(talk(), right)), 64_000, num_channels=2) == []


def test_digital_silence_is_told_of_once_within_three_seconds() -> None:
    silences: list[tuple[Encoding, int, bytes]] = [
        ("pcm_s16le", 16_000, b"\0"),
        ("mulaw", 8_000, b"\xff"),
        ("alaw", 8_000, b"\xd5"),
    ]
    for encoding, rate_hz, zero in silences:
        said = told(zero * 200_000, rate_hz * SAMPLE_BYTES[encoding], encoding, rate_hz)
        assert codes(said) == ["silent_audio"]
        assert said[0].at_s <= WITHIN_S


def test_silence_that_comes_at_once_is_no_muted_microphone() -> None:
    assert told(bytes(320_000), 32_000, pace=0, within_s=10) == []


def test_silence_before_speech_in_one_message_is_all_right() -> None:
    payload = bytes(16_000) + s16(talk())

    assert told(payload, 32_000, frame_s=10, within_s=100) == []


def test_a_quiet_room_is_no_silence() -> None:
    noise = np.random.default_rng(7).standard_normal(5 * 16_000).astype(np.float32) * 0.0005

    assert told(s16(noise), 32_000, within_s=5) == []


def test_heavy_clipping_is_told() -> None:
    said = told(s16((talk() * (12 / np.abs(talk()).max())).clip(-1, 1)), 32_000)

    assert codes(said) == ["clipped_audio"]


def wav(audio: np.ndarray, codec: str, rate_hz: int) -> bytes:
    return by_sndfile(audio, "WAV", codec, rate_hz)


def test_a_wav_header_that_agrees_is_passed_over_with_a_warning() -> None:
    said = told(wav(talk(), "PCM_16", 16_000), 32_000)

    assert codes(said) == ["wav_header"]
    assert (said[0].finding.skip_bytes, said[0].finding.is_fatal) == (44, False)


def test_speech_behind_a_wav_header_is_looked_at_too() -> None:
    header = wav(talk(), "PCM_16", 16_000)[:44]

    assert codes(told(header + talk().astype("<f4").tobytes(), 64_000)) == ["wav_header", "looks_like_f32"]


@pytest.mark.parametrize(("codec", "rate_hz", "part"), [
    ("PCM_16", 44_100, "pcm_s16le at 44100 Hz"),
    ("FLOAT", 16_000, "pcm_f32le at 16000 Hz"),
    ("ULAW", 16_000, "mulaw at 16000 Hz"),
    ("PCM_24", 16_000, "<i3 at 16000 Hz"),
])  # fmt: skip
def test_a_wav_header_that_says_something_else_is_an_error_that_names_both(codec: str, rate_hz: int, part: str) -> None:
    (only,) = told(wav(talk(), codec, rate_hz), 32_000)

    assert (only.finding.code, only.finding.is_fatal) == ("wav_header_differs", True)
    assert part in only.finding.message
    assert "pcm_s16le at 16000 Hz" in only.finding.message


def test_a_wav_header_that_cannot_be_read_is_an_error() -> None:
    assert codes(told(wav(talk(), "PCM_16", 16_000)[:30], 32_000)) == ["wav_header_differs"]
    assert codes(told(b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0ab" + bytes(100), 32_000)) == ["wav_header_differs"]


def test_another_container_among_bare_samples_is_an_error() -> None:
    (only,) = told(webm_opus(talk()), 16_000)

    assert (only.finding.code, only.finding.is_fatal) == ("unsupported_encoding", True)
    assert "a WebM file" in only.finding.message


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le", "mulaw", "alaw"])
def test_text_in_binary_messages_is_an_error(encoding: Encoding) -> None:
    command = json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA"}).encode()
    for payload, frame_s in ((base64.b64encode(s16(talk())), 0.1), (s16(talk()).hex().encode(), 0.1), (command, 2)):
        (only,) = told(payload, len(payload), encoding, frame_s=frame_s)
        assert (only.finding.code, only.finding.is_fatal) == ("looks_like_text", True)


def test_a_command_in_a_binary_message_is_an_error_although_it_is_short() -> None:
    assert codes(told(b'{"type": "end"}', 1_600)) == ["looks_like_text"]


def test_nothing_is_looked_at_after_five_seconds() -> None:
    diagnosis = Diagnosis("pcm_s16le", 16_000, 1, clock := Clock())
    speech = s16(np.tile(talk(), 3))
    for start in range(0, 192_000, 6_400):
        clock.now_s += 0.2
        assert diagnosis.look(speech[start : start + 6_400]) is None

    assert diagnosis.look(talk().astype("<f4").tobytes()) is None
    assert diagnosis.look(b'{"type": "end"}') is None
    before = time.thread_time()
    for _ in range(10_000):
        diagnosis.look(b"")
    assert time.thread_time() - before < 0.05 * 5  # 5 µs a frame, with room


def test_a_file_that_comes_at_once_is_looked_at_and_not_for_ever() -> None:
    diagnosis = Diagnosis("pcm_s16le", 16_000, 1, Clock())
    hours = np.tile(talk(), 200)

    before = time.thread_time()
    assert diagnosis.look(s16(hours)) is None
    assert time.thread_time() - before < 1.0
    assert codes(told(talk().astype("<f4").tobytes() * 5, 64_000, frame_s=15, within_s=100, pace=0)) == ["looks_like_f32"]


@pytest.mark.parametrize("pace", [0, 0.3, 1.0, 2.0, 3.0, 4.0, 10.0])
def test_a_right_format_is_all_right_at_any_pace(pace: float) -> None:
    assert told(s16(talk()), 32_000, pace=pace, within_s=4) == []


def test_a_pace_that_comes_and_goes_says_nothing() -> None:
    cadence = Cadence()
    for number in range(200):
        cadence.add(number * 0.05 + (3.0 if number > 100 else 0.0), 0.1)

    assert cadence.speed is None


def test_a_steady_pace_is_measured() -> None:
    cadence = Cadence()
    for number in range(40):
        cadence.add(number * 0.1, 0.15)

    assert cadence.speed == pytest.approx(1.5)


@pytest.mark.parametrize("what", WRONG_ENCODINGS)
def test_a_finding_names_what_was_said_and_ends_with_what_to_do(what: str) -> None:
    payload, bytes_a_second, encoding, rate_hz, _ = WRONG_ENCODINGS[what]
    (only,) = told(payload, bytes_a_second, encoding, rate_hz)

    assert only.finding.code in FINDING_CODES
    assert only.finding.message.endswith(".")
    assert "Floats" in only.finding.message or f"{encoding} at {rate_hz} Hz" in only.finding.message


def recordings(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every clip of speech and every noise of the larger set, six seconds of each."""
    for path in [*sorted(folder.glob("*.flac")), *sorted((folder / "noise").glob("*.flac"))]:
        if not path.name.startswith("rir-"):
            audio, rate_hz = soundfile.read(path, dtype="float32")
            assert rate_hz == 16_000
            yield path.name, np.asarray(audio if audio.ndim == 1 else audio.mean(axis=1))[: 6 * 16_000]


@pytest.mark.speech
def test_speech_and_noise_in_right_formats_raise_no_alarm(speech_dir: Path) -> None:
    num_clips = 0
    for number, (name, audio) in enumerate(recordings(speech_dir)):
        num_clips += 1
        assert told(to_pcm(audio), 32_000, within_s=6) == [], name
        if number % 3 == 0:
            assert told(audio.astype("<f4").tobytes(), 64_000, "pcm_f32le", within_s=6) == [], name
            assert told(to_pcm(audio), 32_000, within_s=6, pace=3.0) == [], name
            assert told(to_pcm(audio), 32_000, within_s=6, pace=0) == [], name
            for rate_hz in (8_000, 48_000):
                resampled = np.clip(soxr.resample(audio, 16_000, rate_hz), -1, 1)
                assert told(s16(resampled), 2 * rate_hz, sample_rate_hz=rate_hz, within_s=6) == [], (name, rate_hz)
            assert told(s16(interleaved(audio, audio * 0.5)), 64_000, num_channels=2, within_s=6) == [], name
        if number % 9 == 0:
            assert told(telephone(audio, "mulaw"), 8_000, "mulaw", 8_000, within_s=6) == [], name
            assert told(telephone(audio, "alaw"), 8_000, "alaw", 8_000, within_s=6) == [], name
    assert num_clips > 400


@pytest.mark.speech
def test_wrong_encodings_of_many_speakers_are_told_and_rates_of_most(speech_dir: Path) -> None:
    noises = {path.name for path in (speech_dir / "noise").glob("*")}
    chosen = [audio for name, audio in recordings(speech_dir) if len(audio) > 3.5 * 16_000 and name not in noises][::12]
    num_rates = 0
    for audio in chosen:
        assert codes(told(audio.astype("<f4").tobytes(), 64_000)) == ["looks_like_f32"]
        assert codes(told(s16(audio, ">i2"), 32_000)) == ["looks_like_s16be"]
        assert codes(told(telephone(audio, "mulaw"), 8_000)) in (["looks_like_mulaw"], ["looks_like_alaw"])
        assert codes(told(s16(audio), 32_000, "pcm_f32le")) == ["looks_like_s16"]
        for rate_hz in (8_000, 24_000, 48_000):
            resampled = np.clip(soxr.resample(audio, 16_000, rate_hz), -1, 1)
            num_rates += codes(told(s16(resampled), 2 * rate_hz)) == ["looks_like_other_rate"]
    assert num_rates > 0.8 * 3 * len(chosen)


def test_every_code_is_spoken_by_one_of_the_sentences() -> None:
    declared = findings.Declared("pcm_s16le", 16_000, 1)
    spoken = {findings.wrong_encoding(name, declared).code for name in findings.ENCODINGS}
    spoken |= {
        findings.clipped(5).code, findings.container("a WebM file", "webm").code, findings.no_floats().code,
        findings.mono(declared).code, findings.stereo(declared).code, findings.other_rate(8_000, declared, 0.5).code,
        findings.text().code, findings.silent(2.5).code, findings.wav_header(declared, 44).code,
        findings.wav_header_differs("", declared).code,
    }  # fmt: skip

    assert spoken == FINDING_CODES


@pytest.mark.parametrize("first", range(0, len(VOCABULARY), 4))
def test_the_tones_of_a_machine_are_let_through(first: int) -> None:
    """They have few values, repeat them exactly, and look like anything: as good as nothing can be told of them."""
    scripted = say(" ".join(VOCABULARY[first : first + 4]), 0.5)
    times_s = np.arange(4 * 16_000) / 16_000
    dialled = 0.4 * (np.sin(2 * np.pi * 697 * times_s) + np.sin(2 * np.pi * (1209 + first) * times_s))

    for payload in (scripted, scripted * 3, (dialled * 32_767).astype("<i2").tobytes()):
        diagnosis = Diagnosis("pcm_s16le", 16_000, 1, iter(np.arange(0.0, 1_000.0, 0.1)).__next__)
        found = [diagnosis.look(payload[start : start + 6_400]) for start in range(0, len(payload), 6_400)]
        assert not any(finding.is_fatal for finding in found if finding is not None)
