"""Audio as clients send it: cut anywhere, or numbered and lost, doubled and mixed up on the way."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcription.parsing import ProtocolError
from transcription.session.intake import (
    LOSS_PATIENCE_S,
    MAX_GAP_S,
    MAX_HELD_BYTES,
    MAX_HELD_PIECES,
    NACK_AFTER_S,
    NACK_EVERY_S,
    OFFSET,
    SILENT_PATIENCE_S,
    AudioFormat,
    Missing,
    Piece,
    PlainIntake,
    ReliableIntake,
)

MONO = AudioFormat()
STEREO = AudioFormat(num_channels=2)
RECORDING = bytes(number % 251 for number in range(4_000))


def frame(offset: int, num_frames: int, audio_format: AudioFormat = MONO) -> bytes:
    """The frames [offset, offset + num_frames) of RECORDING, numbered."""
    width = audio_format.frame_bytes
    return OFFSET.pack(offset) + RECORDING[offset * width : (offset + num_frames) * width]


def joined(pieces: list[Piece]) -> bytes:
    assert all(isinstance(piece, bytes) for piece in pieces)
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


@given(st.lists(st.integers(1, 4_000), max_size=30), st.sampled_from([MONO, STEREO]))
def test_a_plain_stream_may_be_cut_anywhere(cuts: list[int], audio_format: AudioFormat) -> None:
    intake = PlainIntake(audio_format)
    edges = [0, *sorted(cuts), len(RECORDING)]

    pieces = [intake.push(RECORDING[start:end]) for start, end in zip(edges, edges[1:], strict=False)]

    assert all(len(piece) % audio_format.frame_bytes == 0 for piece in pieces)
    assert b"".join(pieces) == RECORDING
    assert intake.num_frames == len(RECORDING) // audio_format.frame_bytes


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.floats(0, 0.5), st.booleans())
def test_whatever_the_network_does_every_sample_is_handed_on_once_and_in_order(
    seed: int, num_frames: int, share_lost: float, is_doubled: bool
) -> None:
    """Frames are lost, doubled and mixed up; what is asked for is sent again, and may be lost again."""
    chance = random.Random(seed)
    intake = ReliableIntake(STEREO)
    starts = range(0, len(RECORDING) // STEREO.frame_bytes, num_frames)
    under_way = [frame(start, num_frames, STEREO) for start in starts] * (2 if is_doubled else 1)
    chance.shuffle(under_way)
    total, now_s, pieces = len(RECORDING) // STEREO.frame_bytes, 0.0, list[Piece]()
    intake.expect(total, now_s)
    for message in under_way:
        if chance.random() >= share_lost:
            pieces += intake.push(message, now_s)
    while not intake.is_whole:
        now_s += NACK_EVERY_S
        intake.begin_again(now_s - NACK_EVERY_S)  # nothing is given up here: that is another test
        for start, end in intake.nacks(now_s):
            if chance.random() >= share_lost:
                pieces += intake.push(frame(start, end - start, STEREO), now_s)

    assert joined(pieces) == RECORDING
    assert intake.num_frames == total


def test_frames_that_only_changed_places_are_not_asked_for() -> None:
    intake = ReliableIntake(MONO)

    assert intake.push(frame(10, 10), 0.0) == []
    assert intake.nacks(NACK_AFTER_S / 2) == []
    assert joined(intake.push(frame(0, 10), NACK_AFTER_S / 2)) == RECORDING[:40]
    assert intake.is_whole
    assert intake.next_due_s is None


def test_what_is_missing_is_asked_for_again_and_again_and_then_given_up() -> None:
    intake = ReliableIntake(MONO)
    intake.push(frame(0, 10), 0.0)
    intake.push(frame(20, 10), 0.0)
    intake.push(frame(40, 10), 0.0)

    assert intake.nacks(NACK_AFTER_S) == [(10, 20), (30, 40)]
    assert intake.nacks(NACK_AFTER_S) == []
    assert intake.nacks(NACK_AFTER_S + NACK_EVERY_S) == [(10, 20), (30, 40)]
    intake.push(frame(0, 10), LOSS_PATIENCE_S - 0.5)
    assert intake.give_up_lost(LOSS_PATIENCE_S - 0.1) == []
    assert intake.give_up_lost(LOSS_PATIENCE_S) == [Missing(10), RECORDING[40:60]]
    assert intake.give_up_lost(LOSS_PATIENCE_S) == []  # the second hole has a patience of its own
    intake.push(frame(0, 10), 2 * LOSS_PATIENCE_S - 0.5)
    assert intake.give_up_lost(2 * LOSS_PATIENCE_S) == [Missing(10), RECORDING[80:100]]
    assert intake.is_whole


def test_what_comes_after_it_was_given_up_changes_nothing() -> None:
    intake = ReliableIntake(MONO)
    intake.push(frame(10, 10), 0.0)
    intake.give_up_lost(SILENT_PATIENCE_S)

    assert intake.push(frame(0, 10), SILENT_PATIENCE_S) == []
    assert intake.num_frames == 20


def test_a_client_that_falls_silent_is_given_time_to_come_back_before_anything_is_given_up() -> None:
    """Its connection may be cut without our knowing; what was asked for then was asked of nobody."""
    intake = ReliableIntake(MONO)
    intake.push(frame(10, 10), 0.0)

    assert intake.give_up_lost(SILENT_PATIENCE_S - 0.1) == []
    assert intake.give_up_lost(SILENT_PATIENCE_S) == [Missing(10), RECORDING[20:40]]


@pytest.mark.parametrize("num_frames", [0, 1])
def test_thousands_of_the_smallest_pieces_behind_a_hole_are_not_all_kept(num_frames: int) -> None:
    intake = ReliableIntake(MONO)

    for number in range(2 * MAX_HELD_PIECES):
        intake.push(OFFSET.pack(2 + 2 * number) + bytes(2 * num_frames), 0.0)

    assert len(intake._held) <= MAX_HELD_PIECES * num_frames


def test_a_frame_that_is_partly_known_brings_the_rest() -> None:
    intake = ReliableIntake(MONO)
    intake.push(frame(0, 15), 0.0)

    assert intake.push(frame(5, 20), 0.0) == [RECORDING[30:50]]


def test_a_lost_tail_is_noticed_when_the_client_says_how_much_it_sent() -> None:
    intake = ReliableIntake(MONO)
    intake.push(frame(0, 10), 0.0)
    intake.expect(25, 0.0)

    assert not intake.is_whole
    assert intake.nacks(1.0) == [(10, 25)]
    assert joined(intake.push(frame(10, 15), 1.0)) == RECORDING[20:50]
    assert intake.is_whole


def test_what_waits_behind_a_hole_is_bounded_and_asked_for_later() -> None:
    intake = ReliableIntake(MONO)
    half = bytes(MAX_HELD_BYTES // 2)
    offsets = [100 + number * len(half) // 2 for number in range(4)]
    for offset in offsets:
        intake.push(OFFSET.pack(offset) + half, 0.0)
    intake.expect(offsets[-1] + len(half) // 2, 0.0)

    assert intake.nacks(1.0) == [(0, 100), (offsets[2], offsets[-1] + len(half) // 2)]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"1234567", "invalid_frame"),
        (OFFSET.pack(0) + b"123", "odd_byte_count"),
        (OFFSET.pack(MAX_GAP_S * 16_000 + 1) + b"12", "offset_out_of_range"),
        (OFFSET.pack(2**64 - 1) + b"12", "offset_out_of_range"),
    ],
)
def test_a_message_that_is_no_numbered_frame_is_refused(message: bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        ReliableIntake(MONO).push(message, 0.0)

    assert caught.value.code == code


def test_a_client_that_comes_back_without_its_oldest_audio_leaves_a_gap() -> None:
    intake = ReliableIntake(MONO)
    intake.push(frame(0, 10), 0.0)

    assert intake.give_up_before(30, 50.0) == [Missing(20)]
    assert intake.give_up_before(5, 50.0) == []
    assert intake.num_frames == 30


def test_positions_are_converted_without_losing_a_frame() -> None:
    telephone = AudioFormat("mulaw", 8_000, 1)
    studio = AudioFormat("pcm_f32le", 44_100, 2)

    assert (telephone.frame_bytes, studio.frame_bytes) == (1, 8)
    assert telephone.frames_at(16_001) == 8_001
    for sample in range(0, 50_000, 777):
        assert studio.samples_at(studio.frames_at(sample)) >= sample


def test_the_short_way_takes_only_what_needs_no_care() -> None:
    plain, numbered = PlainIntake(STEREO), ReliableIntake(STEREO)

    assert plain.pass_on(RECORDING[:8]) == RECORDING[:8]
    assert plain.pass_on(RECORDING[:7]) is None
    assert numbered.pass_on(frame(0, 3, STEREO)) == RECORDING[:12]
    assert numbered.pass_on(frame(0, 3, STEREO)) is None  # came before
    assert numbered.pass_on(frame(9, 3, STEREO)) is None  # too early
    assert numbered.pass_on(frame(3, 3, STEREO)[:-1]) is None
    assert numbered.pass_on(b"123") is None
    numbered.push(frame(9, 3, STEREO), 0.0)
    assert numbered.pass_on(frame(3, 3, STEREO)) is None  # something waits behind it
    assert (plain.num_frames, numbered.num_frames) == (2, 3)
