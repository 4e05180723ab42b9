"""How many words are wrong, by model and language: sums over what is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from transcription.metrics import meters
from transcription.models import CanaryRun, Correction

CORRECTIONS_COUNT_FOR: Final = timedelta(days=7)
RUNS_COUNT_FOR: Final = 3
"""A canary run says nothing about now once so many should have followed it."""


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """`ratio`: wrong words for each word that was said."""

    model: str
    language: str
    ratio: float


def publish() -> None:
    """Say the figures as metrics of this worker. Told every minute; what is not told again is forgotten."""
    for told, rates in ((meters.worker.correction_wer, correction_rates()), (meters.worker.canary_wer, canary_rates())):
        told.tell({(meters.worker.model(rate.model), meters.worker.language(rate.language)): rate.ratio for rate in rates})


def correction_rates() -> Iterator[ErrorRate]:
    """Of what was corrected in the last days. People correct what is wrong, so it is more than that of all text."""
    recent = Correction.objects.filter(corrected_at__gt=timezone.now() - CORRECTIONS_COUNT_FOR).order_by("model", "language")
    sums = recent.values_list("model", "language").annotate(num_words=Sum("num_words"), num_errors=Sum("num_errors"))
    for model, language, num_words, num_errors in sums:
        yield ErrorRate(model, language, num_errors / max(1, num_words))


def canary_rates() -> Iterator[ErrorRate]:
    """Of the last run of each model and language. One that could not be played, or is long ago, says nothing."""
    since = timezone.now() - timedelta(seconds=RUNS_COUNT_FOR * settings.HARK_CANARY_EVERY_S)
    newest = CanaryRun.objects.filter(at__gt=since).order_by("model", "language", "-at").distinct("model", "language")
    for run in newest:
        if run.wer is not None:
            yield ErrorRate(run.model, run.language, run.wer)
