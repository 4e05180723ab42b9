"""Quiet audio is held back and forgotten early: it comes later, in fewer pieces, and nothing else changes."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from inference.audio import to_samples
from inference.client.hush import Hush
from inference.messages import (
    AudioChunk,
    Checkpoint,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    SpeechStarted,
    StreamDone,
    StreamOptions,
    StreamProgress,
    TranscriptFinal,
)
from tests.inference.test_replay import Wire
from tests.inference.worker import say

PIECE_BYTES = 6_400
QUIET = b"\x01\x00\xff\xff" * (PIECE_BYTES // 4)
LOUD = b"\x00\x20\x00\xe0" * (PIECE_BYTES // 4)
HUSH = 1e-5


def hushed(**options: object) -> Wire:
    """A stream of which the inference process has said that it is in the quiet. What it is told gathers in `outbox`."""
    wire = Wire()
    wire.handle.options = wire.handle._hush.options = StreamOptions(**options)  # type: ignore[arg-type]
    wire.handle.take([progress(HUSH)])
    wire.outbox.clear()
    return wire


def progress(hush_power: float, settled: int = 0, quiet: int = 0) -> StreamProgress:
    checkpoint = Checkpoint(silence_samples=settled)
    return StreamProgress(stream=0, checkpoint=checkpoint, behind_ms=0, hush_power=hush_power, quiet_samples=quiet)


def pieces(wire: Wire) -> list[bytes]:
    return [request.payload for request in wire.outbox if isinstance(request, AudioChunk)]


def test_five_quiet_pieces_travel_as_one() -> None:
    wire = hushed()

    for _ in range(4):
        wire.handle.send_audio(QUIET)
    assert pieces(wire) == []
    wire.handle.send_audio(QUIET)

    assert pieces(wire) == [5 * QUIET]


def test_a_louder_piece_goes_at_once_and_takes_along_what_was_held_back() -> None:
    wire = hushed()

    wire.handle.send_audio(QUIET)
    wire.handle.send_audio(LOUD)
    wire.handle.send_audio(QUIET)

    assert pieces(wire) == [QUIET, LOUD, QUIET], "after something loud nothing is held back until inference says so again"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(lambda handle: handle.finalize(), id="finalize"),
        pytest.param(lambda handle: handle.end(), id="end"),
        pytest.param(lambda handle: handle.send_gap(5), id="gap"),
        pytest.param(lambda handle: handle.configure(ConfigureStream(stream=0, endpoint_ms=300)), id="configure"),
        pytest.param(lambda handle: handle.take([SpeechStarted(stream=0, at_ms=0)]), id="speech"),
        pytest.param(lambda handle: handle.take([progress(0.0)]), id="no more hush"),
    ],
)
def test_nothing_overtakes_what_is_held_back(command: object) -> None:
    wire = hushed()
    wire.handle.send_audio(QUIET)

    command(wire.handle)  # type: ignore[operator]

    assert isinstance(wire.outbox[0], AudioChunk)
    assert wire.outbox[0].payload == QUIET


@pytest.mark.parametrize("options", [{"encoding": "pcm_f32le"}, {"num_channels": 2}, {"encoding": "mulaw"}])
def test_other_audio_than_16_bits_mono_is_never_held_back(options: dict[str, object]) -> None:
    wire = hushed(**options)

    wire.handle.send_audio(QUIET)

    assert pieces(wire) == [QUIET]


def test_a_long_piece_is_not_held_back() -> None:
    wire = hushed()

    wire.handle.send_audio(2 * QUIET)

    assert pieces(wire) == [2 * QUIET]


@pytest.mark.parametrize("level", [0.5, 0.9, 1.1, 4.0])
def test_what_is_near_the_level_that_inference_named_counts_as_loud(level: float) -> None:
    hush = Hush(StreamOptions(), power=HUSH)
    audio = np.full(3_200, 32_768 * np.sqrt(level * HUSH), dtype="<i2")

    assert not hush.is_quiet((audio + 1).tobytes())


def test_what_is_quiet_is_forgotten_before_it_is_settled_and_is_silence_for_a_fresh_process() -> None:
    wire = hushed()
    for _ in range(10):
        wire.handle.send_audio(QUIET)
    wire.handle.take([progress(HUSH, settled=to_samples(200), quiet=to_samples(1_000))])

    opened, *rest = wire.handle.replay()

    assert opened.checkpoint.silence_samples == to_samples(1_000)  # type: ignore[union-attr]  # OpenStream; whole pieces only
    assert [len(request.payload) for request in rest if isinstance(request, AudioChunk)] == [5 * PIECE_BYTES]


# Through the real loop

SCRIPT = [("", 6.0), ("alpha bravo charlie delta", 0.5), ("echo foxtrot golf", 5.0), ("hotel", 4.0), ("india juliett kilo", 0.0)]


def room(duration_s: float) -> bytes:
    noise = np.random.default_rng(1).standard_normal(round(16_000 * duration_s)) * 8  # -72 dBFS
    return noise.astype("<i2").tobytes()


def talk() -> Iterator[bytes]:
    audio = b"".join(say(text) + room(silence_s) for text, silence_s in SCRIPT)
    yield from (audio[start : start + PIECE_BYTES] for start in range(0, len(audio), PIECE_BYTES))


def heard(*, dies_after: int | None = None) -> tuple[Wire, list[int]]:
    """What becomes of the talk, and how long the pieces were that travelled. `dies_after`: so many pieces the process lives."""
    wire, lengths = Wire(), []
    for number, piece in enumerate(talk()):
        wire.handle.send_audio(piece)
        lengths += [len(payload) for payload in pieces(wire)]
        wire.turn()
        if number == dies_after:
            wire.die(in_mid_turn=False)
    wire.handle.end()
    for _ in range(50):
        wire.turn()
    return wire, lengths


def finals(wire: Wire) -> list[tuple[object, ...]]:
    found = [event for event in wire.events if isinstance(event, TranscriptFinal)]
    return [(final.segment, final.text, final.start_ms, final.end_ms, final.words) for final in found]


def test_held_back_or_not_the_finals_and_the_account_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    wire, lengths = heard()
    with monkeypatch.context() as patched:
        patched.setattr(Hush, "is_quiet", lambda _self, _payload: False)
        plain, plain_lengths = heard()

    assert max(lengths) == 5 * PIECE_BYTES, "nothing was held back, so this shows nothing"
    assert max(plain_lengths) == PIECE_BYTES
    assert len(finals(wire)) >= 3
    assert finals(wire) == finals(plain)
    assert isinstance(wire.events[-1], StreamDone)
    assert wire.events[-1].checkpoint == plain.events[-1].checkpoint  # type: ignore[union-attr]


@pytest.mark.parametrize("dies_after", [10, 15, 20, 25, 27, 35, 60, 75])
def test_no_word_and_no_sample_is_lost_when_the_process_dies_in_the_quiet_or_after_it(dies_after: int) -> None:
    num_samples = sum(map(len, talk())) // 2

    wire, _lengths = heard(dies_after=dies_after)

    spoken = " ".join(text for text, _silence_s in SCRIPT if text).split()
    assert " ".join(str(final[1]) for final in finals(wire)).split() == spoken
    done = wire.events[-1]
    assert isinstance(done, StreamDone)
    assert done.checkpoint.settled_samples == num_samples
    assert done.checkpoint.gap_samples == 0


def test_a_quiet_stream_keeps_little_more_than_a_second() -> None:
    wire = Wire()
    most = 0
    for start in range(0, 20 * PIECE_BYTES * 5, PIECE_BYTES):
        wire.handle.send_audio(room(20.0)[start : start + PIECE_BYTES])
        wire.turn()
        if start > 5 * PIECE_BYTES * 5:
            most = max(most, sum(sent.end_frame - sent.first_frame for sent in wire.handle._unsettled))

    assert 0 < most <= to_samples(2_000)


def test_requests_stay_in_order_whatever_is_held_back() -> None:
    wire = hushed()
    for piece in [QUIET, QUIET, LOUD, QUIET]:
        wire.handle.send_audio(piece)
        wire.handle.take([progress(HUSH)])
    wire.handle.finalize()
    wire.handle.send_audio(QUIET)
    wire.handle.end()

    kinds = [type(request) for request in wire.outbox]
    assert kinds == [AudioChunk, AudioChunk, AudioChunk, FinalizeStream, AudioChunk, EndStream]
    positions = [sent.first_frame for sent in wire.handle._unsettled]
    assert all(earlier <= later for earlier, later in pairwise(positions))
