"""The noise of quiet rooms, ready to be sent: frames of a WebSocket client, masked."""

import os
import struct
from typing import Final

import numpy as np
from websockets.speedups import apply_mask

from benchmarks.noise import noises
from benchmarks.streams.tape import to_pcm
from inference.audio import rms

FRAME_MS: Final = 200
FRAME_SAMPLES: Final = FRAME_MS * 16
ROOMS: Final = ("office-ambience", "air-conditioner", "city-ambience", "exercise-bike")
LEVEL_DB: Final = -58.0
"""dBFS. A room with a fan in it, through the microphone of a laptop whose gain is set for speech at -25 dBFS."""
BINARY: Final = 0x82
MASKED: Final = 0x80
LENGTH_16, LENGTH_64 = 126, 127
MAX_SHORT, MAX_16 = 125, 0xFFFF


def room_frames(level_db: float = LEVEL_DB) -> list[list[bytes]]:
    """For each room the frames of its whole recording, in order; none shorter than the others."""
    recorded = noises()
    return [_frames(recorded[name] * np.float32(10 ** (level_db / 20) / rms(recorded[name]))) for name in ROOMS]


def _frames(audio: np.ndarray) -> list[bytes]:
    """float32 (num_samples,)."""
    starts = range(0, len(audio) - FRAME_SAMPLES + 1, FRAME_SAMPLES)
    return [client_frame(BINARY, to_pcm(audio[start : start + FRAME_SAMPLES])) for start in starts]


def client_frame(first_byte: int, payload: bytes) -> bytes:
    """One frame as a client has to send it (RFC 6455, 5.2)."""
    mask = os.urandom(4)
    return bytes([first_byte]) + _length(len(payload)) + mask + apply_mask(payload, mask)


def _length(num_bytes: int) -> bytes:
    if num_bytes <= MAX_SHORT:
        return bytes([MASKED | num_bytes])
    if num_bytes <= MAX_16:
        return struct.pack("!BH", MASKED | LENGTH_16, num_bytes)
    return struct.pack("!BQ", MASKED | LENGTH_64, num_bytes)
