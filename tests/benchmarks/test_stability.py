"""How much of what was shown changed again, counted on texts made up for it."""

from benchmarks.stability import Steadiness, num_lost
from inference.messages import Checkpoint, TimedWord, Timings, TranscriptFinal, TranscriptUpdated

TIMINGS = Timings(queue_ms=0, infer_ms=0)


def partial(text: str, stable: str = "", end_ms: int = 1_000) -> TranscriptUpdated:
    return TranscriptUpdated(stream=0, segment=0, text=text, stable=stable, start_ms=0, end_ms=end_ms, timings=TIMINGS)


def final(text: str) -> TranscriptFinal:
    words = tuple(
        TimedWord(text=word, start_ms=200 * place, end_ms=200 * (place + 1), confidence=1.0)
        for place, word in enumerate(text.split())
    )
    return TranscriptFinal(
        stream=0, segment=0, text=text, start_ms=0, end_ms=2_000, language="en", confidence=1.0, model="fake", words=words,
        from_finalize=False, timings=TIMINGS, checkpoint=Checkpoint(),
    )  # fmt: skip


def measured(*partials: TranscriptUpdated, text: str) -> Steadiness:
    steadiness = Steadiness()
    steadiness.add_segment(list(partials), final(text), by_character=False)
    return steadiness


def test_words_that_stay_are_shown_once_and_not_revised() -> None:
    counted = measured(partial("It was"), partial("It was the best"), text="It was the best of times.")

    assert (counted.num_shown, counted.num_revised, counted.num_interims) == (4, 0, 2)


def test_a_word_that_changes_is_revised_by_a_partial_or_by_the_final() -> None:
    counted = measured(partial("It was a"), partial("It was the beast"), text="It was the best")

    assert (counted.num_shown, counted.num_revised) == (5, 2)


def test_a_word_that_is_put_in_revises_nothing_behind_it() -> None:
    assert num_lost(["to", "be"], ["not", "to", "be"]) == 0
    assert num_lost(["not", "to", "be"], ["to", "be"]) == 1


def test_case_and_punctuation_alone_are_counted_apart() -> None:
    counted = measured(partial("it was"), partial("It was,"), partial("It was,"), text="It was.")

    assert (counted.num_cosmetic, counted.num_revised) == (1, 0)


def test_stable_words_that_the_final_does_not_keep_are_broken_promises() -> None:
    counted = measured(partial("It was a", stable="It was a"), text="It was the best")

    assert (counted.num_stable, counted.num_contradicted) == (3, 1)


def test_a_word_is_as_old_as_the_audio_behind_it_when_it_becomes_stable() -> None:
    counted = measured(partial("It", "It", end_ms=900), partial("It was", "It was", end_ms=1_100), text="It was")

    assert counted.ages_ms == [700, 700]
