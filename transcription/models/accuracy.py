"""Tables of how right the text is: what people corrected, and what was heard of recordings whose words are known.

Filled and read by `transcription.accuracy`.
"""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from transcription.models.transcripts import Segment

CANARY_USER: Final = "hark-canary"
"""Whose the sessions are in which reference clips are played. They count for nobody's statistics and are soon deleted."""
MAX_CORRECTION_CHARS: Final = 2_000
"""A segment lasts half a minute at most; nobody says a quarter of that."""


class Correction(models.Model):
    """What was truly said in a segment, as its speaker says. The segment keeps its text: a final never changes.

    `num_words`: of the correction. `num_errors`: words of the segment that must be changed, added or taken away.
    """

    segment = models.OneToOneField(Segment, models.CASCADE, related_name="correction", verbose_name=_("segment"))
    text = models.TextField(_("text"), max_length=MAX_CORRECTION_CHARS)
    model = models.CharField(_("model"), max_length=100)
    language = models.CharField(_("language"), max_length=16)
    num_words = models.PositiveIntegerField(_("words"))
    num_errors = models.PositiveIntegerField(_("words wrong"))
    corrected_at = models.DateTimeField(_("corrected at"), auto_now=True, db_index=True)

    class Meta:
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        ordering = ["-corrected_at", "-id"]

    def __str__(self) -> str:
        return str(self.segment)


class CanaryRun(models.Model):
    """What one model heard of all reference clips in one language, played to the server as any client would.

    `final_ms`: the longest wait from the end of a clip to its last text; None where nothing was heard. `error`: why it could not
    be played; then the figures mean nothing.
    """

    at = models.DateTimeField(_("at"), auto_now_add=True, db_index=True)
    model = models.CharField(_("model"), max_length=100)
    language = models.CharField(_("language"), max_length=16)
    num_clips = models.PositiveIntegerField(_("clips"), default=0)
    num_words = models.PositiveIntegerField(_("words"), default=0)
    num_errors = models.PositiveIntegerField(_("words wrong"), default=0)
    final_ms = models.PositiveIntegerField(_("longest wait for text (ms)"), null=True, blank=True)
    heard = models.TextField(_("heard"), blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("canary run")
        verbose_name_plural = _("canary runs")
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.model} ({self.language})"

    @property
    def wer(self) -> float | None:
        """Share of words that were heard wrong; None: it could not be played."""
        return None if self.error or not self.num_words else self.num_errors / self.num_words
