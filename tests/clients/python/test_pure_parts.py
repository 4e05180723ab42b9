"""The client's parts that know no socket: buffer, waits, addresses, WAV files, captions."""

import io
import random
import struct
import sys
from array import array

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from hark import backoff, captions
from hark.addresses import rest_url, stream_url
from hark.backoff import Backoff
from hark.events import Final, ModelChanged, Word
from hark.options import AudioFormat
from hark.recordings import container_of, load
from hark.replay import ReplayBuffer
from hark.timeline import Timeline
from hark.wav import UnusableFileError, read_wav
from tests.transcription.caption_parser import parse_srt, parse_vtt


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 200)), max_size=40))
def test_a_buffer_gives_back_what_went_in_for_as_long_as_it_may(steps: list[tuple[int, int]]) -> None:
    buffer, everything = ReplayBuffer(frame_bytes=2, max_frames=50), b""
    for num_frames, release in steps:
        audio = random.Random(len(everything)).randbytes(2 * num_frames)
        everything += audio
        buffer.push(audio)
        buffer.release(release)
        assert buffer.end == len(everything) // 2
        assert buffer.num_frames <= 50
        assert buffer.read(0, buffer.end) == everything[2 * buffer.start :]
        assert buffer.read(buffer.start + 1, buffer.start + 3) == everything[2 * buffer.start + 2 : 2 * buffer.start + 6]


def test_a_full_buffer_says_how_much_it_dropped() -> None:
    buffer = ReplayBuffer(frame_bytes=2, max_frames=10)

    assert [buffer.push(bytes(12)), buffer.push(bytes(12))] == [0, 2]
    assert (buffer.start, buffer.end) == (2, 12)
    assert not buffer.has_room(1)


@pytest.fixture
def _long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.25)
    monkeypatch.setattr(backoff, "LONGEST_S", 5.0)


@pytest.mark.usefixtures("_long_waits")
def test_waits_double_up_to_five_seconds_and_are_spread_by_chance() -> None:
    shortest, longest = Backoff(lambda: 0.0), Backoff(lambda: 1.0)

    assert [shortest.next_s() for _ in range(7)] == [0.125, 0.25, 0.5, 1.0, 2.0, 2.5, 2.5]
    assert [longest.next_s() for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    longest.reset()
    assert longest.next_s(at_least_s=3) == 3.25


@pytest.mark.parametrize(
    ("written", "socket", "rest"),
    [
        ("ws://host:8000/stream", "ws://host:8000/stream", "http://host:8000/api/v1/"),
        ("https://host", "wss://host/stream", "https://host/api/v1/"),
        ("host:8000", "ws://host:8000/stream", "http://host:8000/api/v1/"),
        ("https://host/speech/", "wss://host/speech/stream", "https://host/speech/api/v1/"),
        ("wss://host/speech/stream", "wss://host/speech/stream", "https://host/speech/api/v1/"),
    ],
)
def test_an_address_may_be_written_as_people_do(written: str, socket: str, rest: str) -> None:
    assert (stream_url(written), rest_url(written)) == (socket, rest)


@pytest.mark.parametrize("written", ["", "ftp://host", "/stream"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected something like"):
        stream_url(written)


def wav(tag: int, num_bits: int, samples: bytes, *, channels: int = 1, rate_hz: int = 8_000, extra: bytes = b"") -> bytes:
    frame_bytes = num_bits // 8 * channels
    header = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, num_bits) + extra
    chunks = (
        b"LIST\x03\x00\x00\x00abc\x00fmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(samples))
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + len(samples) + 4) + b"WAVE" + chunks + samples


WAVE = np.array([0.0, 0.5, -0.5, 0.25, -1.0])
INTEGERS = (WAVE * 32_767).astype("<i2")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (wav(1, 16, INTEGERS.tobytes()), "pcm_s16le"),
        (wav(1, 8, (WAVE * 127 + 128).astype("u1").tobytes()), "pcm_s16le"),
        (wav(1, 24, (WAVE * 8_388_607).astype("<i4").view("u1").reshape(-1, 4)[:, :3].tobytes()), "pcm_s16le"),
        (wav(1, 32, (WAVE * 2_147_483_647).astype("<i4").tobytes()), "pcm_s16le"),
        (wav(3, 32, WAVE.astype("<f4").tobytes()), "pcm_f32le"),
        (wav(3, 64, WAVE.astype("<f8").tobytes()), "pcm_f32le"),
        (wav(0xFFFE, 16, INTEGERS.tobytes(), extra=struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)), "pcm_s16le"),
    ],
)
def test_samples_of_a_wav_file_keep_their_values(content: bytes, encoding: str) -> None:
    samples = read_wav(content)
    heard = np.frombuffer(samples.audio, "<i2") / 32_767 if encoding == "pcm_s16le" else np.frombuffer(samples.audio, "<f4")

    assert samples.format == AudioFormat(encoding=encoding, sample_rate_hz=8_000)  # type: ignore[arg-type]  # of a table
    assert np.abs(heard - WAVE).max() < 0.01


def test_telephone_recordings_stay_as_they_are() -> None:
    assert read_wav(wav(7, 8, b"\x01\x02")).format.encoding == "mulaw"
    assert read_wav(wav(6, 8, b"\x01\x02")).audio == b"\x01\x02"


def test_a_recording_that_was_cut_off_gives_what_is_there() -> None:
    assert read_wav(wav(1, 16, bytes(100), channels=2)[:-3]).audio == bytes(96)


@pytest.mark.parametrize(
    "content",
    [b"RIFF\x00\x00\x00\x00WAVE", wav(1, 12, b""), wav(2, 4, b""), wav(1, 16, b"", channels=6), wav(1, 16, b"", rate_hz=96_000)],
)
def test_a_wav_file_of_another_kind_is_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(UnusableFileError, match="WAV file"):
        read_wav(content)


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"OggS", "ogg"), (b"fLaC", "flac"), (b"\x1aE\xdf\xa3", "webm"), (b"ID3", "mp3"), (b"\0\0\0 ftypM4A", "mp4")],
)
def test_a_file_is_known_by_its_first_bytes(start: bytes, kind: str) -> None:
    samples = load(start + bytes(20), decode="server")

    assert (samples.format.encoding, samples.audio) == (kind, start + bytes(20))


def test_a_compressed_file_is_decoded_here_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = np.sin(np.arange(48_000) / 20)
    file = io.BytesIO()
    soundfile.write(file, wave, 48_000, format="FLAC")
    monkeypatch.setitem(sys.modules, "numpy", None)

    samples = load(file.getvalue(), decode="here")

    assert samples.format == AudioFormat()
    heard = array("h", samples.audio)
    assert abs(len(heard) - 16_000) < 16
    assert max(heard) > 30_000


def test_a_text_file_is_no_audio() -> None:
    with pytest.raises(UnusableFileError, match="--raw"):
        container_of(b"Dear Sir or Madam,")
    with pytest.raises(UnusableFileError, match="cannot be decoded"):
        load(b"Dear Sir or Madam,", decode="here")


def spoken(text: str, *, number: int = 0, start_ms: int = 0, word_ms: int = 400, has_words: bool = True) -> Final:
    tokens = text.split()
    spans = [(start_ms + word_ms * position, start_ms + word_ms * (position + 1)) for position in range(len(tokens))]
    words = tuple(Word(text=token, start_ms=a, end_ms=b, confidence=1.0) for token, (a, b) in zip(tokens, spans, strict=True))
    return Final(
        segment=number, text=text, start_ms=start_ms, end_ms=start_ms + word_ms * len(tokens), language="en", confidence=1.0,
        model="m", words=words if has_words else (),
    )  # fmt: skip


SENTENCE = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness."


CHINESE = "我们今天在这里讨论语音识别服务器的使用方法，以及它在日常工作中的应用。" * 3


@pytest.mark.parametrize("has_words", [True, False])
@pytest.mark.parametrize("text", [SENTENCE, CHINESE, "a < b & c --> d", "x" * 200])
def test_captions_hold_every_character_once_and_keep_their_limits(text: str, *, has_words: bool) -> None:
    finals = [spoken(text, has_words=has_words), spoken(text, number=1, start_ms=60_000, has_words=has_words)]
    wanted = "".join(text.split()) * 2

    for cues in (parse_vtt(captions.to_vtt(finals)).cues, parse_srt(captions.to_srt(finals))):
        shown = "".join("".join(line.split()) for cue in cues for line in cue.lines).replace("→", "-->")
        assert shown == wanted
        assert all(len(cue.lines) <= captions.MAX_LINES for cue in cues)
        assert all(captions.columns(line) <= captions.MAX_COLUMNS for cue in cues for line in cue.lines)
        assert all(before.end_ms <= after.start_ms for before, after in zip(cues, cues[1:], strict=False))


def test_a_caption_stands_while_its_words_are_spoken() -> None:
    first, *_rest = captions.captions_of(spoken(SENTENCE, start_ms=10_000))

    assert first.start_ms == 10_000
    assert first.end_ms - first.start_ms <= captions.MAX_CAPTION_MS
    assert " ".join(first.lines).startswith("It was the best of times,")


def test_a_change_of_model_is_told_in_the_callers_own_count_of_segments() -> None:
    timeline = Timeline(AudioFormat(), base_segment=3)

    assert timeline.of_model(ModelChanged(model="m", from_segment=2)) == ModelChanged(model="m", from_segment=5)
