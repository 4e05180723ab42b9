"""Tables of stored transcripts and the queries that read them. Writing is in `transcription.services`."""

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models
from django.utils.translation import gettext_lazy as _

from transcription.access import Listener

if TYPE_CHECKING:
    from django.db.models.manager import RelatedManager

SEARCH_CONFIG = "simple"


class SessionQuerySet(models.QuerySet["Session"]):
    def visible_to(self, listener: Listener) -> "SessionQuerySet":
        """Sessions that `listener` may read: their own; ownerless ones for a trusted anonymous listener on loopback."""
        if listener.user_id is not None:
            return self.filter(owner_id=listener.user_id)
        return self.filter(owner__isnull=True) if listener.is_trusted_anonymous else self.none()

    def containing(self, words: str) -> "SessionQuerySet":
        """Sessions with a segment that holds all of `words` (full-text, no stemming)."""
        hits = Segment.objects.annotate(document=SearchVector("text", config=SEARCH_CONFIG)).filter(
            document=SearchQuery(words, config=SEARCH_CONFIG)
        )
        return self.filter(pk__in=hits.values("session"))


class Session(models.Model):
    """The stored record of one stream."""

    class Status(models.TextChoices):
        LIVE = "live", _("live")
        COMPLETE = "complete", _("complete")
        INCOMPLETE = "incomplete", _("incomplete")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("owner"))
    client = models.CharField(_("client"), max_length=200, blank=True)
    model = models.CharField(_("model"), max_length=100, blank=True)
    language = models.CharField(_("language"), max_length=100, blank=True)
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.LIVE)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    started_at = models.DateTimeField(_("started at"), db_index=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    received_ms = models.PositiveBigIntegerField(_("received (ms)"), default=0)
    transcribed_ms = models.PositiveBigIntegerField(_("transcribed (ms)"), default=0)
    silence_ms = models.PositiveBigIntegerField(_("silence (ms)"), default=0)
    gap_ms = models.PositiveBigIntegerField(_("gap (ms)"), default=0)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    latency = models.JSONField(_("latency"), default=dict, blank=True)

    objects = SessionQuerySet.as_manager()

    if TYPE_CHECKING:
        segments: RelatedManager["Segment"]

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["-started_at", "-id"]
        indexes = [models.Index(fields=["owner", "-started_at"], name="session_owner_started")]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_complete(self) -> bool:
        return self.status == self.Status.COMPLETE


class Segment(models.Model):
    """One utterance: its final text. Written once, never changed."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="segments", verbose_name=_("session"))
    number = models.PositiveIntegerField(_("number"))
    text = models.TextField(_("text"), blank=True)
    words = models.JSONField(_("words"), default=list, blank=True)
    start_ms = models.PositiveBigIntegerField(_("start (ms)"))
    end_ms = models.PositiveBigIntegerField(_("end (ms)"))
    confidence = models.FloatField(_("confidence"))
    language = models.CharField(_("language"), max_length=16)
    model = models.CharField(_("model"), max_length=100)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["session", "number"]
        constraints = [
            models.UniqueConstraint(fields=["session", "number"], name="one_segment_per_number"),
            models.CheckConstraint(condition=models.Q(end_ms__gte=models.F("start_ms")), name="segment_ends_after_start"),
        ]
        indexes = [GinIndex(SearchVector("text", config=SEARCH_CONFIG), name="segment_text_search")]

    def __str__(self) -> str:
        return f"{self.session_id}#{self.number}"
