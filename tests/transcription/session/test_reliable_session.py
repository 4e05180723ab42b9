"""What a reliable session owes a client that sends fast, loses audio, comes back late, or lies about how much it sent."""

from typing import Any

import pytest

from inference import messages as link
from tests.transcription.session.test_stream_session import ENGLISH, SECOND, Talk, a_final, opened, settled
from transcription.protocol import Ack, Gap, Resume, Start
from transcription.session.actions import EndRecognition, OpenRecognition, RecordCheckpoint, RecordFinal, SendGap
from transcription.session.arrival import ACK_EVERY_S, WINDOW_MS
from transcription.session.intake import LOSS_PATIENCE_S, MAX_GAP_S, OFFSET
from transcription.session.stream_session import MAX_BAD_MESSAGES, Phase, Restored

RATE_HZ = 16_000


def reliable(**start: Any) -> Talk:
    talk = Talk()
    talk.session.resume_token, talk.session.resume_s = "secret", 120
    talk.tell("start", reliable=True, **start)
    talk.hear(opened())
    return talk


def send(talk: Talk, offset: int, payload: bytes = SECOND) -> None:
    talk.audio(OFFSET.pack(offset) + payload)


def send_seconds(talk: Talk, first_s: int, last_s: int) -> None:
    for second in range(first_s, last_s):
        send(talk, second * RATE_HZ)


def come_back(talk: Talk, **fields: Any) -> None:
    talk.note(talk.session.on_resume(Resume(session="s-1", token="secret", **fields)))


def progress(talk: Talk, samples: int) -> None:
    talk.hear(link.StreamProgress(stream=0, checkpoint=settled(silence=samples), behind_ms=0))


def test_a_client_that_has_used_its_credit_is_told_at_once_when_there_is_more() -> None:
    """It waits, so no audio of its own will bring the next receipt; and recognition has no more to say either."""
    talk = reliable()
    talk.now_s += ACK_EVERY_S
    send_seconds(talk, 0, 1)
    talk.now_s += ACK_EVERY_S / 2
    send_seconds(talk, 1, WINDOW_MS // 1000)

    progress(talk, WINDOW_MS // 1000 * RATE_HZ)

    last = talk.sent(Ack)[-1]
    assert last.received + last.credit_ms * RATE_HZ // 1000 > WINDOW_MS // 1000 * RATE_HZ


def test_a_client_that_sends_more_than_it_may_is_not_answered_for_every_frame() -> None:
    talk = reliable()

    send_seconds(talk, 0, 2 * WINDOW_MS // 1000)

    assert len(talk.sent(Ack)) <= 2


def test_a_client_that_comes_back_after_its_end_without_the_missing_tail_gets_its_end() -> None:
    talk = reliable()
    send_seconds(talk, 0, 1)
    talk.tell("end", samples=3 * RATE_HZ)

    come_back(talk, oldest=3 * RATE_HZ)

    assert talk.of(SendGap) == [SendGap(2 * RATE_HZ)]
    assert len(talk.of(EndRecognition)) == 1


def test_a_gap_is_stored_before_it_is_told_and_no_later_than_what_is_settled_behind_it() -> None:
    talk = reliable()
    send_seconds(talk, 0, 1)
    send(talk, 2 * RATE_HZ)
    talk.now_s += LOSS_PATIENCE_S
    send(talk, 3 * RATE_HZ)

    talk.note(talk.session.on_tick())
    talk.hear(a_final())

    stored = [action for action in talk.actions if isinstance(action, RecordCheckpoint | RecordFinal)]
    assert isinstance(stored[0], RecordCheckpoint)
    assert stored[0].gaps == (Gap(from_ms=1000, to_ms=2000, reason="lost"),) == tuple(talk.sent(Gap))
    assert isinstance(stored[-1], RecordFinal)


@pytest.mark.parametrize(("settled_s", "kept"), [(1, []), (2, [(1000, 2000)]), (3, [(1000, 3000)])])
def test_another_process_asks_again_for_what_was_not_settled_even_where_it_was_called_lost(
    settled_s: int, kept: list[tuple[int, int]]
) -> None:
    """Its gaps do not overlap: together they are what the account will say."""
    talk = Talk()
    talk.session.resume_s = 120
    gap = Gap(from_ms=1000, to_ms=3000, reason="lost")
    checkpoint = link.Checkpoint(silence_samples=RATE_HZ, gap_samples=(settled_s - 1) * RATE_HZ)

    talk.note(talk.session.restore(Restored(Start(reliable=True), ENGLISH.name, checkpoint, (), (gap,))))
    come_back(talk, oldest=0)

    assert [(each.from_ms, each.to_ms) for each in talk.session.results.gaps] == kept
    assert len(talk.of(OpenRecognition)) == 1


def test_thousands_of_changes_before_ready_are_not_all_kept() -> None:
    talk = Talk()
    talk.tell("start")

    for _ in range(1_000):
        talk.tell("configure", endpoint_ms=300)

    assert len(talk.session._held) <= MAX_BAD_MESSAGES
    assert talk.codes[-1] == "too_many_bad_messages"


def test_an_end_beyond_all_that_can_be_missing_is_refused() -> None:
    talk = reliable()

    talk.tell("end", samples=(MAX_GAP_S + 1) * RATE_HZ)

    assert talk.codes == ["offset_out_of_range"]
    assert talk.session.phase is Phase.OVER


def test_nothing_is_acknowledged_before_ready_even_where_the_end_came_before_it() -> None:
    talk = Talk()
    talk.tell("start", reliable=True)
    talk.tell("end", samples=2 * RATE_HZ)

    send_seconds(talk, 0, 2)
    early = talk.sent(Ack)
    talk.hear(opened())
    progress(talk, RATE_HZ)

    assert early == []
    assert len(talk.sent(Ack)) == 1
