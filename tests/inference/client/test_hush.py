"""Quiet audio stays here while nothing is loud, and passes: it costs nobody anything, and nothing else changes."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from inference.audio import to_samples
from inference.client.handle import TELL_EVERY_S
from inference.client.hush import KEPT_MS, Hush
from inference.messages import (
    AudioChunk,
    Checkpoint,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    QuietPassed,
    SpeechStarted,
    StreamDone,
    StreamOptions,
    StreamProgress,
    TranscriptFinal,
)
from tests.inference.test_replay import Wire
from tests.inference.worker import say

PIECE_BYTES = 6_400
PIECE_FRAMES = PIECE_BYTES // 2
PIECES_KEPT = KEPT_MS // 200
PIECES_TOLD = TELL_EVERY_S * 5
QUIET = b"\x01\x00\xff\xff" * (PIECE_BYTES // 4)
LOUD = b"\x00\x20\x00\xe0" * (PIECE_BYTES // 4)
FLOOR_DB = -56.0
LONG_AGO = 999 * 512
"""The first two seconds of a stream are heard more closely."""


def hushed(**options: object) -> Wire:
    """A stream of which the inference process has said that it is in the quiet. What it is told gathers in `outbox`."""
    wire = Wire()
    wire.handle.options = wire.handle._hush.options = StreamOptions(**options)  # type: ignore[arg-type]
    wire.handle.take([progress(measured=LONG_AGO)])
    wire.outbox.clear()
    return wire


def progress(floor_db: float | None = FLOOR_DB, *, settled: int = 0, measured: int = 0, quiet: int = 0) -> StreamProgress:
    checkpoint = Checkpoint(silence_samples=settled)
    return StreamProgress(
        stream=0, checkpoint=checkpoint, behind_ms=0, floor_db=floor_db, measured_samples=measured, quiet_samples=quiet
    )


def pieces(wire: Wire) -> list[bytes]:
    return [request.payload for request in wire.outbox if isinstance(request, AudioChunk)]


def num_passed(wire: Wire) -> list[int]:
    return [request.num_frames for request in wire.outbox if isinstance(request, QuietPassed)]


def test_what_is_quiet_stays_here() -> None:
    wire = hushed()

    for _ in range(PIECES_KEPT):
        wire.handle.send_audio(QUIET)

    assert wire.outbox == []


def test_two_seconds_are_kept_and_the_rest_passes_as_silence() -> None:
    wire = hushed()
    wire.events.clear()

    for _ in range(PIECES_KEPT + 2 * PIECES_TOLD):
        wire.handle.send_audio(QUIET)

    assert num_passed(wire) == [PIECES_TOLD * PIECE_FRAMES] * 2
    assert pieces(wire) == []
    told = [event.checkpoint for event in wire.events if isinstance(event, StreamProgress)]
    assert told == [Checkpoint(silence_samples=times * PIECES_TOLD * PIECE_FRAMES) for times in (1, 2)]


def test_what_is_loud_goes_at_once_behind_the_two_seconds_before_it() -> None:
    wire = hushed()
    for _ in range(PIECES_KEPT + 3):
        wire.handle.send_audio(QUIET)

    wire.handle.send_audio(LOUD)
    wire.handle.send_audio(QUIET)

    assert [type(request) for request in wire.outbox] == [QuietPassed, AudioChunk, AudioChunk, AudioChunk]
    assert num_passed(wire) == [3 * PIECE_FRAMES]
    assert pieces(wire) == [PIECES_KEPT * QUIET, LOUD, QUIET], "after something loud all goes until inference says otherwise"


def test_what_is_loud_only_across_two_pieces_is_loud() -> None:
    """The last frame of the first piece is not whole; half of what makes it loud comes with the second."""
    half = (np.tile([1, -1], 50) * 331).astype("<i2").tobytes()
    silence = bytes(PIECE_BYTES - len(half))
    quiet, loud = hushed(), hushed()

    for piece in (silence + half, bytes(PIECE_BYTES)):
        quiet.handle.send_audio(piece)
    for piece in (silence + half, half + silence):
        loud.handle.send_audio(piece)

    assert (len(pieces(quiet)), len(pieces(loud))) == (0, 2)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(lambda handle: handle.finalize(), id="finalize"),
        pytest.param(lambda handle: handle.end(), id="end"),
        pytest.param(lambda handle: handle.send_gap(5), id="gap"),
        pytest.param(lambda handle: handle.configure(ConfigureStream(stream=0, endpoint_ms=300)), id="configure"),
        pytest.param(lambda handle: handle.take([SpeechStarted(stream=0, at_ms=0)]), id="speech"),
        pytest.param(lambda handle: handle.take([progress(None)]), id="no more hush"),
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


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_two_seconds_are_kept_at_any_rate(rate_hz: int) -> None:
    wire = hushed(sample_rate_hz=rate_hz)
    piece = bytes(2 * (rate_hz // 5))
    for _ in range(PIECES_KEPT + 2):
        wire.handle.send_audio(piece)
    wire.handle.finalize()

    assert num_passed(wire) == [2 * (rate_hz // 5)]
    assert pieces(wire) == [PIECES_KEPT * piece]
    assert wire.handle.checkpoint.silence_samples == to_samples(400)


@pytest.mark.parametrize(("unheard", "is_held"), [(QUIET, True), (LOUD, False)])
def test_what_is_under_way_to_the_inference_process_must_be_quiet_too(unheard: bytes, is_held: bool) -> None:
    wire = Wire()
    wire.handle.send_audio(QUIET)
    wire.handle.send_audio(unheard)
    wire.handle.take([progress(measured=to_samples(192))])
    wire.outbox.clear()

    wire.handle.send_audio(QUIET)

    assert pieces(wire) == ([] if is_held else [QUIET])


def test_nothing_is_held_back_before_a_finalize_is_answered_that_crossed_with_the_news_of_the_quiet() -> None:
    """Else its final would take back what has passed as silence meanwhile, which nobody has any more."""
    wire = Wire()
    for _ in range(4):
        wire.handle.send_audio(QUIET)
    wire.handle.finalize()
    wire.handle.take([progress(measured=4 * PIECE_FRAMES)])
    wire.outbox.clear()

    wire.handle.send_audio(QUIET)

    assert pieces(wire) == [QUIET]


def test_in_the_first_two_seconds_what_is_near_goes_at_once_however_loud_the_room_is() -> None:
    fan = (np.random.default_rng(3).standard_normal(PIECE_FRAMES) * 600).astype("<i2").tobytes()  # -35 dBFS
    early, late = Wire(), Wire()
    for wire, measured in ((early, 31 * 512), (late, LONG_AGO)):
        wire.handle.take([progress(-35.0, measured=measured)])
        wire.outbox.clear()
        wire.handle.send_audio(fan)

    assert (len(pieces(early)), len(pieces(late))) == (1, 0)


def test_the_floor_goes_on_here() -> None:
    """A fan is switched off: what it covered is loud now."""
    fan = (np.random.default_rng(3).standard_normal(PIECE_FRAMES) * 600).astype("<i2").tobytes()  # -35 dBFS
    voice = (np.random.default_rng(4).standard_normal(PIECE_FRAMES) * 400).astype("<i2").tobytes()  # -38 dBFS
    wire = Wire()
    wire.handle.take([progress(-35.0, measured=LONG_AGO)])
    wire.outbox.clear()

    for piece in [fan, voice, fan, *[QUIET] * 3]:
        wire.handle.send_audio(piece)
    assert pieces(wire) == []
    wire.handle.send_audio(voice)

    assert len(pieces(wire)) == 2


def test_news_from_before_the_quiet_that_passed_is_no_news() -> None:
    wire = hushed()
    for _ in range(PIECES_KEPT + PIECES_TOLD):
        wire.handle.send_audio(QUIET)
    wire.events.clear()

    wire.handle.take([progress(None, settled=100)])

    assert wire.events == []
    assert wire.handle.checkpoint.silence_samples == PIECES_TOLD * PIECE_FRAMES


def test_what_is_quiet_is_forgotten_before_it_is_settled_and_is_silence_for_a_fresh_process() -> None:
    wire = Wire()
    for _ in range(10):
        wire.handle.send_audio(QUIET)
    wire.handle.take([progress(settled=to_samples(200), measured=to_samples(1_984), quiet=to_samples(1_000))])

    opened, *rest = wire.handle.replay()

    assert opened.checkpoint.silence_samples == to_samples(1_200)  # type: ignore[union-attr]  # OpenStream
    assert [len(request.payload) for request in rest if isinstance(request, AudioChunk)] == [PIECE_BYTES] * 4


def test_a_fresh_process_gets_what_is_kept_and_begins_after_what_has_passed() -> None:
    wire = hushed()
    for _ in range(PIECES_KEPT + PIECES_TOLD + 3):
        wire.handle.send_audio(QUIET)

    opened, *rest = wire.handle.replay()

    assert opened.checkpoint.silence_samples == (PIECES_TOLD + 3) * PIECE_FRAMES  # type: ignore[union-attr]  # OpenStream
    assert rest == [AudioChunk(stream=0, payload=PIECES_KEPT * QUIET)]


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
        patched.setattr(Hush, "begin", lambda *_given: None)
        plain, plain_lengths = heard()

    assert max(lengths) == PIECES_KEPT * PIECE_BYTES, "nothing was held back, so this shows nothing"
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


def test_a_quiet_stream_keeps_little_more_than_two_seconds_in_both_places_together() -> None:
    wire = Wire()
    most = 0
    for start in range(0, 20 * PIECE_BYTES * 5, PIECE_BYTES):
        wire.handle.send_audio(room(20.0)[start : start + PIECE_BYTES])
        wire.turn()
        if start > 8 * PIECE_BYTES * 5:
            there = sum(client.stream.buffer.end - client.stream.buffer.first for client in wire.loop.clients.values())
            unsettled = sum(sent.end_frame - sent.first_frame for sent in wire.handle._unsettled)
            most = max(most, there + unsettled + wire.handle._hush.num_held)

    assert to_samples(KEPT_MS) <= most <= to_samples(KEPT_MS + 200)


def test_requests_stay_in_order_whatever_is_held_back() -> None:
    wire = hushed()
    for piece in [QUIET, QUIET, LOUD, QUIET]:
        wire.handle.send_audio(piece)
        wire.handle.take([progress(measured=wire.handle.num_frames // 512 * 512)])
    wire.handle.finalize()
    wire.handle.send_audio(QUIET)
    wire.handle.end()

    kinds = [type(request) for request in wire.outbox]
    assert kinds == [AudioChunk, AudioChunk, AudioChunk, FinalizeStream, AudioChunk, EndStream]
    positions = [sent.first_frame for sent in wire.handle._unsettled]
    assert all(earlier <= later for earlier, later in pairwise(positions))
