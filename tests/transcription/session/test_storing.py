"""Whether audio is kept: what the client wishes, what it may have, and that it is told."""

from typing import Any

import pytest

from inference import messages as link
from tests.transcription.session.test_stream_session import SECOND, Talk, opened
from transcription.protocol import Ready, Start
from transcription.session.actions import DiscardAudio, OpenRecognition
from transcription.session.storing import Storing, is_stored
from transcription.session.stream_session import Restored


@pytest.mark.parametrize(
    ("storing", "wishes"),
    [
        (Storing.OFF, [False, False, False]),
        (Storing.FULL, [False, False, False]),
        (Storing.FORBIDDEN, [False, False, False]),
        (Storing.ON_REQUEST, [False, True, False]),
        (Storing.ALWAYS, [True, True, False]),
    ],
)
def test_audio_is_kept_where_it_may_be_and_is_wished_for(storing: Storing, wishes: list[bool]) -> None:
    assert [is_stored(Start(store_audio=wish), storing) for wish in (None, True, False)] == wishes


def talk_where(storing: Storing) -> Talk:
    talk = Talk()
    talk.session.terms.storing = lambda: storing
    return talk


def told(talk: Talk, **fields: Any) -> tuple[bool, bool]:
    """Whether recognition is asked to keep the audio, and what `ready` says."""
    talk.tell("start", **fields)
    talk.hear(opened())
    return talk.of(OpenRecognition)[-1].stores_audio, talk.sent(Ready)[-1].store_audio


def test_a_client_is_told_whether_its_audio_is_kept() -> None:
    assert told(talk_where(Storing.ON_REQUEST), store_audio=True) == (True, True)
    assert told(talk_where(Storing.ALWAYS)) == (True, True)
    assert told(talk_where(Storing.ALWAYS), store_audio=False) == (False, False)
    assert told(talk_where(Storing.ON_REQUEST)) == (False, False)


@pytest.mark.parametrize("storing", [Storing.OFF, Storing.FORBIDDEN])
def test_whoever_cannot_have_it_is_refused_before_a_word_is_heard(storing: Storing) -> None:
    talk = talk_where(storing)

    talk.tell("start", store_audio=True)

    assert (talk.codes, talk.of(OpenRecognition)) == (["store_audio_not_allowed"], [])


def test_where_there_is_no_room_the_session_goes_on_and_says_so() -> None:
    talk = talk_where(Storing.FULL)

    assert told(talk, store_audio=True) == (False, False)
    assert talk.codes == ["audio_not_stored"]


def test_a_late_no_is_heeded() -> None:
    talk = talk_where(Storing.ALWAYS)
    talk.audio(SECOND)
    talk.tell("start", store_audio=False)
    talk.tell("start", store_audio=False)

    assert len(talk.of(DiscardAudio)) == 1
    assert "start_after_audio" not in talk.codes


def test_a_late_yes_is_refused_for_what_came_before_it_is_not_there() -> None:
    talk = talk_where(Storing.ON_REQUEST)
    talk.audio(SECOND)

    talk.tell("start", store_audio=True)

    assert talk.codes == ["start_after_audio"]


def test_another_process_goes_on_keeping() -> None:
    first, second = talk_where(Storing.ON_REQUEST), talk_where(Storing.OFF)
    first.tell("start", store_audio=True, reliable=True)
    restored = Restored(first.session.start, "whisper-tiny.en", link.Checkpoint(silence_samples=16_000), (), ())

    def reopened(talk: Talk) -> bool:
        (action,) = talk.session.restore(restored)
        assert isinstance(action, OpenRecognition)
        return action.stores_audio

    assert reopened(talk_where(Storing.ON_REQUEST))
    assert not reopened(second)
