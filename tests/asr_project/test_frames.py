"""Cutting bytes into frames, held against frames that the websockets library makes."""

import os
import random

import pytest
from websockets.frames import Frame, Opcode

from asr_project.frames import FrameCutter, payload_start

MAX_BYTES = 70_000


def frame_of(payload: bytes, opcode: Opcode = Opcode.BINARY) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


@pytest.mark.parametrize("num_bytes", [0, 1, 125, 126, 6_400, 65_535, 65_536, MAX_BYTES])
def test_a_frame_that_comes_whole_is_handed_on_as_it_is(num_bytes: int) -> None:
    frame = frame_of(os.urandom(num_bytes))

    assert FrameCutter(MAX_BYTES).cut(frame) == [frame]
    assert len(frame) - payload_start(frame) == num_bytes


@pytest.mark.parametrize("seed", range(5))
def test_frames_are_the_same_wherever_the_network_cuts_them(seed: int) -> None:
    chance = random.Random(seed)
    lengths = [chance.choice([0, 5, 125, 126, 300, 6_400, 65_536]) for _ in range(20)]
    frames = [frame_of(chance.randbytes(length), chance.choice([Opcode.BINARY, Opcode.TEXT, Opcode.CONT])) for length in lengths]
    sent, cutter, found = b"".join(frames), FrameCutter(MAX_BYTES), []

    while sent:
        place = chance.choice([1, 2, 3, 7, 100, 1_448, 20_000])
        found += cutter.cut(sent[:place])
        sent = sent[place:]

    assert found == frames


def test_a_frame_that_is_too_large_is_given_up_before_it_has_come() -> None:
    cutter = FrameCutter(MAX_BYTES)

    begun = frame_of(bytes(MAX_BYTES + 1))[:20]

    assert cutter.cut(begun) == [begun]
    assert cutter.is_broken


def test_a_frame_without_a_mask_breaks_the_cutter_and_what_follows_is_left_as_it_comes() -> None:
    cutter, good = FrameCutter(MAX_BYTES), frame_of(b"good")
    bad = Frame(Opcode.BINARY, b"bad").serialize(mask=False)

    assert cutter.cut(good + bad + good) == [good, bad + good]
    assert cutter.is_broken
    assert cutter.cut(b"\x82") == [b"\x82"]


def test_no_more_than_a_frame_is_kept() -> None:
    cutter, frame = FrameCutter(MAX_BYTES), frame_of(bytes(1_000))

    assert cutter.cut(frame[:999]) == []
    assert cutter.cut(frame[999:] + frame) == [frame, frame]
    assert cutter.cut(b"") == []
