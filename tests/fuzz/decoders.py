"""Bytes from strangers: each target takes any bytes, and may refuse them in the one way that its caller expects.

`python -m tests.fuzz.decoders TARGET SECONDS` runs one with atheris, guided by coverage, where that is installed.
"""

import importlib
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final, get_args

import numpy as np

from inference.audio import SAMPLE_BYTES, decode_pcm
from inference.engines.fake import speak
from inference.messages import Encoding
from tests.encoded import by_sndfile, mp4_aac, webm_opus
from transcription.containers import ContainerDecoder, ContainerKind, UndecodableAudioError, sniff
from transcription.parsing import ProtocolError, parse
from transcription.session.intake import MAX_HELD_BYTES, AudioFormat, Missing, ReliableIntake

KINDS: Final[tuple[ContainerKind, ...]] = get_args(ContainerKind)
ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)
SNDFILE_KINDS: Final = (("OGG", "OPUS"), ("OGG", "VORBIS"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("WAV", "PCM_16"))
MAX_LEN: Final = 16_384


def parse_text(given: bytes) -> None:
    """A text message: a message, or a refusal with a code and a sentence."""
    try:
        parsed = parse(given.decode("utf-8", errors="replace"))
    except ProtocolError as err:
        refusal = err
    else:
        assert parsed.message is not None
        return
    assert refusal.code
    assert refusal.message


def take_frames(given: bytes) -> None:
    """Binary messages of reliable mode: as many as there are lengths in front of them."""
    intake = ReliableIntake(AudioFormat())
    num_frames, now_s, rest = 0, 0.0, given
    while len(rest) > 2:
        size, pause, rest = rest[0], rest[1], rest[2:]
        message, rest, now_s = rest[:size], rest[size:], now_s + pause / 100
        try:
            pieces = [*intake.push(message, now_s), *intake.give_up_lost(now_s)]
        except ProtocolError:
            return
        num_frames += sum(piece.num_frames if isinstance(piece, Missing) else len(piece) // 2 for piece in pieces)
        assert num_frames == intake.num_frames
        assert intake._num_held_bytes <= MAX_HELD_BYTES
        assert all(start < end for start, end in intake.nacks(now_s))


def decode_samples(given: bytes) -> None:
    """Raw audio of every kind: finite numbers of moderate size, one for each frame."""
    if len(given) < 2:
        return
    encoding, num_channels = ENCODINGS[given[0] % len(ENCODINGS)], 1 + given[1] % 2
    frame_bytes = SAMPLE_BYTES[encoding] * num_channels
    payload = given[2 : 2 + (len(given) - 2) // frame_bytes * frame_bytes]
    audio = decode_pcm(payload, encoding, num_channels)
    assert audio.shape == (len(payload) // frame_bytes,)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    assert not len(audio) or np.abs(audio).max() <= 1.0


def decode_container(given: bytes) -> None:
    """A file, cut at arbitrary places: whole samples, or the sentence that it is none."""
    if len(given) < 2:
        return
    kind, piece_bytes, content = sniff(given[2:]) or KINDS[given[0] % len(KINDS)], 1 + given[1] * 16, given[2:]
    decoder = ContainerDecoder(kind)
    try:
        for start in range(0, len(content), piece_bytes):
            assert not len(decoder.push(content[start : start + piece_bytes])) % 2
        assert not len(decoder.finish()) % 2
    except UndecodableAudioError as err:
        refusal = err
    else:
        return
    assert refusal.message


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "parse": parse_text,
    "frames": take_frames,
    "samples": decode_samples,
    "containers": decode_container,
}


def seeds(target: str) -> list[bytes]:
    """Where a search may begin: what is sound."""
    if target == "parse":
        start = b'{"type":"start","reliable":true,"sample_rate":16000,"language":["en"],"metadata":{"a":1},"encoding":"mulaw"}'
        return [start, b'{"type":"end","samples":1}', b'{"type":"resume","session":"s","token":"t","oldest":5}']
    if target == "frames":
        return [b"".join(bytes([12, 10]) + struct.pack("<Q", offset) + bytes(4) for offset in (0, 2, 6, 4, 0))]
    if target == "samples":
        return [bytes([number, number]) + bytes(range(64)) for number in range(len(ENCODINGS))]
    audio = speak("alpha")
    files = [webm_opus(audio), mp4_aac(audio), *(by_sndfile(audio, *kind) for kind in SNDFILE_KINDS)]
    return [bytes([0, 4]) + content[: MAX_LEN - 2] for content in files]


def mutated(random: Random, seed: bytes) -> bytes:
    """`seed` with a few bytes changed, cut out or doubled."""
    given = bytearray(seed)
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(given) + 1)
        match random.randrange(4):
            case 0:
                given[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                del given[at : at + random.randint(1, 32)]
            case 2:
                given[at:at] = given[at : at + random.randint(1, 32)]
            case _:
                given[at : at + 4] = random.choice([b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", random.randbytes(4)])
    return bytes(given)


def mutate(target: str, seconds: float, seed: int, most: int | None = None) -> int:
    """Try mutations of what is sound, without guidance; returns how many."""
    random, found = Random(seed), seeds(target)
    deadline_s = time.monotonic() + seconds
    num_tried = 0
    while (most is None or num_tried < most) and time.monotonic() < deadline_s:
        given = mutated(random, random.choice(found))
        try:
            TARGETS[target](given)
        except BaseException:
            sys.stderr.write(f"{target} broke on {given.hex()}\n")
            raise
        num_tried += 1
    return num_tried


def search(target: str, seconds: int, corpus: Path) -> None:
    """Let atheris look for bytes that break the target; ends the process, with a status that is not 0 when it found some."""
    atheris: Any = importlib.import_module("atheris")  # there is none for every platform, and nothing else needs it
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.instrument_func(TARGETS[target])
    flags = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_LEN}",
        "-rss_limit_mb=1500",
        "-verbosity=0",
        f"-artifact_prefix={corpus}/",
    ]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    search(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
