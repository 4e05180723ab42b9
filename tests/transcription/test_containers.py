"""Containers as streams: what comes out is what went in, soon, and damage is an error with a sentence."""

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.encoded import AS_RECORDED, FRAGMENTS, by_ffmpeg, by_sndfile, mp4_aac, telephone, webm_opus
from tests.inference.worker import to_pcm
from tests.speech import clips
from transcription.containers import ContainerDecoder, ContainerKind, UndecodableAudioError, read_wav_header, sniff
from transcription.containers import decoder as decoding
from transcription.containers.source import MAX_ELEMENT_BYTES

Writer = Callable[[np.ndarray], bytes]
LOSSLESS = 0.9999
FILES: dict[str, tuple[ContainerKind, Writer, float]] = {
    "webm-opus": ("webm", webm_opus, 0.99),
    "webm-opus-stereo": ("webm", lambda audio: by_ffmpeg(audio, "webm", "libopus", 48_000, AS_RECORDED, num_channels=2), 0.99),
    "matroska-flac": ("webm", lambda audio: by_ffmpeg(audio, "matroska", "flac", 48_000), 0.999),
    "matroska-float": ("webm", lambda audio: by_ffmpeg(audio, "matroska", "pcm_f32le", 48_000), 0.999),
    "matroska-mp3": ("webm", lambda audio: by_ffmpeg(audio, "matroska", "libmp3lame", 44_100), 0.99),
    "ogg-opus": ("ogg", lambda audio: by_ffmpeg(audio, "ogg", "libopus", 48_000, {"page_duration": "200000"}), 0.99),
    "ogg-opus-sndfile": ("ogg", lambda audio: by_sndfile(audio, "OGG", "OPUS"), 0.98),
    "ogg-vorbis": ("ogg", lambda audio: by_sndfile(audio, "OGG", "VORBIS"), 0.98),
    "ogg-flac": ("ogg", lambda audio: by_ffmpeg(audio, "ogg", "flac", 16_000), LOSSLESS),
    "flac": ("flac", lambda audio: by_sndfile(audio, "FLAC", "PCM_16"), LOSSLESS),
    "flac-24": ("flac", lambda audio: by_sndfile(audio, "FLAC", "PCM_24"), LOSSLESS),
    "flac-stereo": ("flac", lambda audio: by_sndfile(np.stack([audio, audio], axis=1), "FLAC", "PCM_16"), LOSSLESS),
    "mp3": ("mp3", lambda audio: by_ffmpeg(audio, "mp3", "libmp3lame", 44_100), 0.99),
    "mp3-16k": ("mp3", lambda audio: by_sndfile(audio, "MP3", "MPEG_LAYER_III"), 0.99),
    "mp4-aac": ("mp4", mp4_aac, 0.9),
    "mp4-opus": ("mp4", lambda audio: by_ffmpeg(audio, "mp4", "libopus", 48_000, FRAGMENTS), 0.99),
    "wav-piped": ("wav", lambda audio: by_ffmpeg(audio, "wav", "pcm_s16le", 48_000), 0.999),
} | {
    f"{container.lower()}-{codec.lower()}": (
        "wav",
        lambda audio, container=container, codec=codec: by_sndfile(audio, container, codec),  # type: ignore[misc]
        0.99 if codec == "PCM_U8" else 0.999,
    )
    for container in ("WAV", "WAVEX")
    for codec in ("PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "ALAW")
}


@cache
def speech() -> np.ndarray:
    """float32 (num_samples,): some seconds of a clip at 16 kHz."""
    return clips("en")[0].audio[: 3 * 16_000]


@cache
def file_of(name: str) -> bytes:
    return FILES[name][1](speech())


def decoded(kind: ContainerKind, payload: bytes, piece_bytes: int = 1_000) -> np.ndarray:
    """float32 (num_samples,): what comes out when `payload` is pushed in pieces."""
    decoder = ContainerDecoder(kind)
    pieces = [decoder.push(payload[start : start + piece_bytes]) for start in range(0, len(payload), piece_bytes)]
    return np.frombuffer(b"".join([*pieces, decoder.finish()]), "<i2").astype(np.float32) / 32767


def likeness(heard: np.ndarray, spoken: np.ndarray, max_shift: int = 600) -> float:
    """The best correlation of both within `max_shift` samples."""
    length = min(len(heard), len(spoken)) - max_shift
    return float(max(np.corrcoef(heard[shift : shift + length], spoken[:length])[0, 1] for shift in range(max_shift)))


@pytest.mark.parametrize("name", FILES)
def test_what_was_encoded_comes_out_at_16_khz(name: str) -> None:
    kind, _, wanted = FILES[name]

    heard = decoded(kind, file_of(name))

    assert abs(len(heard) - len(speech())) < 1_200
    assert likeness(heard, speech()) > wanted


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("piece_bytes", [1, 97, 1_000_000])
def test_how_a_file_is_cut_into_messages_does_not_matter(name: str, piece_bytes: int) -> None:
    kind, payload = FILES[name][0], file_of(name)[:20_000]

    np.testing.assert_allclose(decoded(kind, payload, piece_bytes), decoded(kind, payload), atol=2 / 32767)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_beginning(name: str) -> None:
    kind = FILES[name][0]

    assert sniff(file_of(name)[:4_000]) == kind


@pytest.mark.parametrize("name", ["webm-opus", "mp4-aac", "wav-pcm_16", "mp3", "ogg-opus"])
def test_the_first_samples_come_out_long_before_the_file_ends(name: str) -> None:
    kind, payload = FILES[name][0], file_of(name)
    decoder = ContainerDecoder(kind)

    early = sum(len(decoder.push(payload[start : start + 500])) for start in range(0, len(payload) // 2, 500))

    assert early > len(speech()) * 2 * 0.3


def test_what_is_said_in_a_recorder_s_message_is_out_with_the_next_one() -> None:
    """Messages of 250 ms: each cluster of the file is one, as MediaRecorder sends them."""
    payload = file_of("webm-opus")
    cluster = b"\x1f\x43\xb6\x75"
    starts = [place for place in range(len(payload)) if payload.startswith(cluster, place)]
    decoder = ContainerDecoder("webm")
    decoder.push(payload[: starts[0]])

    num_samples = 0
    for number, (start, end) in enumerate(zip(starts, starts[1:], strict=False), 1):
        num_samples += len(decoder.push(payload[start:end])) // 2
        assert num_samples >= (number - 1) * 4_000

    assert number >= 5


def test_a_flac_frame_comes_out_when_the_next_one_begins() -> None:
    decoder = ContainerDecoder("flac")
    payload = file_of("flac")
    held_back, num_samples = [], 0

    for start in range(0, len(payload), 400):
        num_samples += len(decoder.push(payload[start : start + 400])) // 2
        held_back.append(len(speech()) * min(1.0, (start + 400) / len(payload)) - num_samples)

    assert max(held_back) < 3 * 4_096


def test_a_wav_whose_length_nobody_knew_is_heard_to_its_end() -> None:
    for length in (0, 0xFFFFFFFF, 0x7FFFFFFF):
        payload = file_of("wav-pcm_16")
        header, samples = payload[:40], payload[44:]

        assert len(decoded("wav", header + struct.pack("<I", length) + samples)) == len(speech())


def test_what_follows_the_samples_of_a_wav_is_not_heard() -> None:
    payload = file_of("wav-pcm_16") + b"LIST" + struct.pack("<I", 400) + bytes(range(200)) * 2

    assert len(decoded("wav", payload)) == len(speech())


def test_a_wav_header_says_how_long_it_is_and_what_follows() -> None:
    header = read_wav_header(file_of("wav-pcm_16"))

    assert header is not None
    assert (header.num_bytes, header.data_bytes) == (44, 2 * len(speech()))
    assert (header.track.sample_rate_hz, header.track.num_channels, header.track.sample_type) == (16_000, 1, "<i2")
    assert read_wav_header(file_of("wav-pcm_16")[:43]) is None


def test_pictures_and_names_in_front_of_an_mp3_are_passed_over() -> None:
    picture = bytes([0xFF, 0xFB, 0x90, 0x64]) * 100_000  # looks like frames
    size = len(picture)
    tag = b"ID3\x03\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + picture

    np.testing.assert_array_equal(decoded("mp3", tag + file_of("mp3")), decoded("mp3", file_of("mp3")))


def test_an_mp3_that_begins_within_a_frame_is_heard_from_the_next_one_on() -> None:
    heard = decoded("mp3", file_of("mp3")[1_000:])

    assert 0.8 * len(speech()) < len(heard) < len(speech())


def test_files_one_after_the_other_are_heard_one_after_the_other() -> None:
    """Chained Ogg, and a recorder that was stopped and started again."""
    once = len(decoded("ogg", file_of("ogg-opus")))

    assert abs(len(decoded("ogg", file_of("ogg-opus") + file_of("ogg-vorbis"))) - once - len(speech())) < 1_200


@pytest.mark.parametrize("name", ["webm-opus", "ogg-opus", "flac", "mp3", "mp4-aac", "wav-pcm_16"])
def test_a_stream_that_stops_in_the_middle_gives_what_was_there(name: str) -> None:
    kind, payload = FILES[name][0], file_of(name)

    heard = decoded(kind, payload[: len(payload) // 2 + 7])

    assert 0.2 * len(speech()) < len(heard) < 0.8 * len(speech())


@pytest.mark.parametrize("kind", decoding.READERS)
def test_a_stream_without_a_byte_is_no_error_and_one_that_ends_in_its_header_is(kind: ContainerKind) -> None:
    assert ContainerDecoder(kind).finish() == b""

    cut = ContainerDecoder(kind)
    name = next(name for name, (other, _, _) in FILES.items() if other == kind)
    cut.push(file_of(name)[:9])
    with pytest.raises(UndecodableAudioError, match="ends after 9 bytes"):
        cut.finish()


@pytest.mark.parametrize("kind", decoding.READERS)
def test_bare_samples_are_an_error_that_says_what_to_do(kind: ContainerKind) -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(-20_000, 20_000, 200_000).astype("<i2").tobytes()

    with pytest.raises(UndecodableAudioError) as caught:
        decoded(kind, noise, 3_200)

    assert caught.value.code == "undecodable_audio"
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("name", ["webm-opus", "ogg-opus", "flac", "mp3", "mp4-aac", "ogg-vorbis"])
def test_a_stream_whose_second_half_is_noise_is_an_error(name: str) -> None:
    kind, payload = FILES[name][0], file_of(name)

    with pytest.raises(UndecodableAudioError):
        decoded(kind, payload[: len(payload) // 2] + np.random.default_rng(2).bytes(200_000))


def test_a_wrong_checksum_in_ogg_is_noticed() -> None:
    payload = bytearray(file_of("ogg-opus"))
    payload[len(payload) // 2] ^= 1

    with pytest.raises(UndecodableAudioError, match="checksum"):
        decoded("ogg", bytes(payload))


def test_an_mp4_with_one_index_for_all_is_refused_with_advice() -> None:
    with pytest.raises(UndecodableAudioError, match="not in fragments"):
        decoded("mp4", by_ffmpeg(speech(), "mp4", "aac", 48_000))


def test_a_video_without_sound_is_refused() -> None:
    entry = b"\xae" + bytes([0x80 | 6]) + b"\xd7\x81\x01" + b"\x83\x81\x01"
    tracks = b"\x16\x54\xae\x6b" + bytes([0x80 | len(entry)]) + entry

    with pytest.raises(UndecodableAudioError, match="no audio track"):
        ContainerDecoder("webm").push(b"\x1a\x45\xdf\xa3\x80" + tracks)


@pytest.mark.parametrize(("kind", "payload"), [
    ("webm", b"\x1a\x45\xdf\xa3\x80" + b"\xec\x80" * 100_000),
    ("mp4", struct.pack(">I4s", 8, b"free") * 20_000),
])  # fmt: skip
def test_elements_without_end_and_without_audio_are_an_error(kind: ContainerKind, payload: bytes) -> None:
    with pytest.raises(UndecodableAudioError):
        ContainerDecoder(kind).push(payload)


@pytest.mark.parametrize(("kind", "start"), [
    ("webm", b"\x1a\x45\xdf\xa3\x80\x16\x54\xae\x6b\x08\x7f\xff\xff\xff\xff"),
    ("flac", b"fLaC\x00\xff\xff\xff"),
    ("mp4", struct.pack(">I4s", 0x7FFFFFFF, b"moov")),
    ("wav", b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\x7f"),
])  # fmt: skip
def test_an_element_that_says_it_is_huge_is_not_waited_for(kind: ContainerKind, start: bytes) -> None:
    assert MAX_ELEMENT_BYTES < 2**24

    with pytest.raises(UndecodableAudioError):
        ContainerDecoder(kind).push(start + bytes(64))


def test_no_bytes_are_kept_of_what_is_passed_over() -> None:
    decoder = ContainerDecoder("wav")
    decoder.push(b"RIFF\0\0\0\0WAVELIST" + struct.pack("<I", 12_000_000))

    for _ in range(11):
        decoder.push(bytes(1_000_000))

    assert len(decoder._source) == 0


def opus_bomb(num_packets: int) -> bytes:
    """A WebM of packets of one byte, each 60 ms of silence."""
    head = file_of("webm-opus")
    start = head.index(b"\x1f\x43\xb6\x75")
    silent = b"\xa3\x85\x81\0\0\x80" + bytes([0b0001_1000])  # SILK, 60 ms, one frame without content
    return head[:start] + b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff" + silent * num_packets


def test_few_bytes_do_not_become_hours_of_audio() -> None:
    assert len(ContainerDecoder("webm").push(opus_bomb(100))) > 2 * 16_000 * 5

    with pytest.raises(UndecodableAudioError, match="very few bytes"):
        ContainerDecoder("webm").push(opus_bomb(60_000))


def test_without_the_limit_they_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_S_AT_ONCE", 10**9)
    monkeypatch.setattr(decoding, "MAX_SAMPLES_PER_BYTE", 10**9)

    assert len(ContainerDecoder("webm").push(opus_bomb(12_000))) > 2 * 16_000 * 700


def test_silence_in_flac_is_no_bomb() -> None:
    silence = np.zeros(16_000 * 590, dtype=np.float32)

    assert len(decoded("flac", by_sndfile(silence, "FLAC", "PCM_16"), 500)) == len(silence)


def bare_samples() -> dict[str, bytes]:
    """Nothing of this is a container."""
    rng = np.random.default_rng(3)
    found = {
        "zeros": bytes(8_000),
        "minus-one": b"\xff" * 8_000,
        "loudest": np.full(4_000, 32_767, "<i2").tobytes(),
        "quietest": np.full(4_000, -32_768, "<i2").tobytes(),
        "ramp": np.arange(-4_000, 4_000).astype("<i2").tobytes(),
        "mulaw-silence": b"\xff\x7f" * 4_000,
        "alaw-silence": b"\xd5\x55" * 4_000,
    }
    for clip in clips("en"):
        found[f"{clip.name}-s16"] = to_pcm(clip.audio)
        found[f"{clip.name}-f32"] = clip.audio.astype("<f4").tobytes()
        found[f"{clip.name}-mulaw"] = telephone(clip.audio, "mulaw")
    return found | {f"noise-{number}": rng.bytes(4_000) for number in range(2_000)}


def test_bare_samples_are_never_taken_for_a_container() -> None:
    """At every place where a stream might begin."""
    for name, samples in bare_samples().items():
        step = 2 if len(samples) < 10_000 else 64
        for start in range(0, min(len(samples), 400_000), step if not name.startswith("noise") else 1_000):
            assert sniff(samples[start : start + 3_200]) is None, (name, start)


def test_noise_that_begins_like_frames_of_mp3_is_not_one() -> None:
    rng = np.random.default_rng(4)

    assert all(sniff(bytes([0xFF, 0xFB, 0x90, 0x64]) + rng.bytes(3_196)) is None for _ in range(2_000))


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(["webm-opus", "ogg-opus", "ogg-vorbis", "ogg-flac", "flac", "mp3", "mp4-aac", "wavex-pcm_24"]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    cut=st.floats(0.01, 1),
    piece_bytes=st.integers(50, 5_000),
)
def test_damage_anywhere_gives_audio_or_the_one_error_and_never_too_much(
    name: str, changes: list[tuple[float, int]], cut: float, piece_bytes: int
) -> None:
    kind, payload = FILES[name][0], bytearray(file_of(name)[:20_000])
    for place, value in changes:
        payload[int(place**3 * len(payload))] = value  # most of them in the headers

    with suppress(UndecodableAudioError):  # and no other error
        heard = decoded(kind, bytes(payload[: int(cut * len(payload))]), piece_bytes)
        assert len(heard) < (decoding.FREE_S + decoding.MAX_S_AT_ONCE) * 16_000
