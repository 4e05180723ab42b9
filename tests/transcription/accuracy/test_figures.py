"""How many words are wrong, summed up by model and language."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client import generate_latest
from pytest_django import Settings

from tests.factories import make_segment, make_session
from transcription.accuracy.corrections import correct
from transcription.accuracy.figures import ErrorRate, canary_rates, correction_rates, publish
from transcription.metrics import meters
from transcription.metrics.meters import TOLD_FOR_S, Told
from transcription.models import CanaryRun, Correction

pytestmark = pytest.mark.django_db


def run(model: str = "tiny", language: str = "en", ago_s: float = 0, **fields: object) -> None:
    run = CanaryRun.objects.create(model=model, language=language, **{"num_words": 10, "num_errors": 1} | fields)
    CanaryRun.objects.filter(pk=run.pk).update(at=timezone.now() - timedelta(seconds=ago_s))


def test_corrections_of_a_model_and_language_are_summed_word_by_word() -> None:
    session = make_session(model="tiny", language="en")
    for number, (heard, said) in enumerate([("a b c d", "a b c d"), ("a b", "a x"), ("a a a", "")]):
        correct(make_segment(session, number, heard), said)
    correct(make_segment(session, 3, "怎么这样", language="zh"), "怎么会这样")
    correct(make_segment(session, 4, "a", model="base"), "a")

    assert list(correction_rates()) == [
        ErrorRate("base", "en", 0.0),
        ErrorRate("tiny", "en", 4 / 6),
        ErrorRate("tiny", "zh", 1 / 5),
    ]


def test_the_figures_are_metrics_of_the_worker_until_nobody_says_them_again() -> None:
    correct(make_session("a b", model="tiny").segments.get(), "a c")
    run(num_errors=2)
    publish()
    exported = generate_latest(meters.worker.registry).decode()

    assert 'hark_correction_wer_ratio{language="en",model="tiny"} 0.5' in exported
    assert 'hark_canary_wer_ratio{language="en",model="tiny"} 0.2' in exported


def test_what_was_told_long_ago_is_missing_rather_than_wrong() -> None:
    now_s = 0.0
    told = Told(lambda: now_s)
    told.tell({("tiny", "en"): 0.5})
    before = told.read()
    now_s = TOLD_FOR_S

    assert (before, told.read()) == ({("tiny", "en"): 0.5}, {})


def test_corrections_of_a_week_ago_do_not_count() -> None:
    correct(make_session("a").segments.get(), "b")
    Correction.objects.update(corrected_at=timezone.now() - timedelta(days=7.1))

    assert list(correction_rates()) == []


def test_the_last_run_of_each_model_and_language_counts(settings: Settings) -> None:
    settings.HARK_CANARY_EVERY_S = 100
    run(ago_s=90, num_errors=9)
    run(ago_s=10)
    run(language="zh", num_errors=2)
    run(model="base", ago_s=301)

    assert list(canary_rates()) == [ErrorRate("tiny", "en", 0.1), ErrorRate("tiny", "zh", 0.2)]


def test_a_run_that_could_not_be_played_takes_the_figure_away() -> None:
    run(ago_s=10)
    run(error="The server does not answer.")

    assert list(canary_rates()) == []
