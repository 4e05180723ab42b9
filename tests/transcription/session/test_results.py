"""What a session says of partial and final texts: above all, when a final takes back what was told as stable."""

import pytest

from inference import messages as link
from transcription.protocol import FinalResult, PartialResult
from transcription.session.actions import Action, RecordFinal, Send
from transcription.session.results import Results

TIMINGS = link.Timings(queue_ms=0, infer_ms=0)


def results() -> Results:
    return Results(lambda: 0.0)


def partial(stable: str, segment: int = 0) -> link.TranscriptUpdated:
    return link.TranscriptUpdated(
        stream=0, segment=segment, text=f"{stable} and", stable=stable, start_ms=0, end_ms=500, timings=TIMINGS, model="fast"
    )


def final(text: str, segment: int = 0) -> link.TranscriptFinal:
    return link.TranscriptFinal(
        stream=0,
        segment=segment,
        text=text,
        start_ms=0,
        end_ms=900,
        language="en",
        confidence=0.9,
        model="accurate",
        words=(),
        from_finalize=False,
        timings=TIMINGS,
        checkpoint=link.Checkpoint(),
    )


def finals(actions: list[Action]) -> list[FinalResult]:
    """As stored, and as sent."""
    stored = [action.final for action in actions if isinstance(action, RecordFinal)]
    sent = [action.message for action in actions if isinstance(action, Send) and isinstance(action.message, FinalResult)]
    return [*stored, *sent]


TOLD = [  # what was stable in the partials of the segment, the final, whether it revises
    ([], "hello world", False),
    ([""], "hello world", False),
    (["hello"], "hello world", False),
    (["hello", "hello world"], "hello world", False),
    (["hello"], "Hello, world.", True),  # to the letter: who shows stable text as settled must know
    (["hello wor"], "hello", True),
    (["hello"], "", True),
    (["hello", "", "hello"], "hello world", False),  # another process began anew and came to the same
    (["hello", "yellow", "yellow w"], "yellow wood", True),  # and this one did not
    (["hello", "yell"], "hello world", True),
]


@pytest.mark.parametrize(("stable", "text", "is_revised"), TOLD)
def test_a_final_that_does_not_begin_with_what_was_stable_says_so(stable: list[str], text: str, *, is_revised: bool) -> None:
    told = results()
    for each in stable:
        told.updated(partial(each))

    assert [message.revised for message in finals(told.final(final(text)))] == [is_revised, is_revised]


def test_what_was_stable_in_another_segment_does_not_count() -> None:
    told = results()
    told.updated(partial("hello"))
    told.final(final("hello"))

    assert [message.revised for message in finals(told.final(final("so long", segment=1)))] == [False, False]
    told.updated(partial("so", segment=2))
    assert [message.revised for message in finals(told.final(final("so it is", segment=2)))] == [False, False]


def test_a_partial_says_which_model_wrote_it() -> None:
    [sent] = [action.message for action in results().updated(partial("hello")) if isinstance(action, Send)]

    assert isinstance(sent, PartialResult)
    assert sent.model == "fast"


def test_a_client_that_comes_back_is_told_that_a_final_revises() -> None:
    told = results()
    told.keeps = True
    told.updated(partial("hello"))
    told.final(final("yellow"))

    [missed] = told.missed_since(0)
    assert isinstance(missed, FinalResult)
    assert missed.revised
