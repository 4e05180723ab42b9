"""Tables of stored transcripts and the queries that read them. Writing is in `transcription.services`."""

import re
import uuid
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from transcription.exports import Transcript, TranscriptSegment, TranscriptWord
from transcription.listeners import Listener, Scope
from transcription.models.serving import MODEL_NAME

if TYPE_CHECKING:
    from django_stubs_ext.db.models.manager import RelatedManager

SEARCH_CONFIG = "simple"
MAX_RETENTION_DAYS = 36_500
# Kana and Han characters: text without spaces, so that each character becomes a search word of its own. The class is part
# of the index; a change needs a migration.
UNSPACED = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"


def search_document() -> SearchVector:
    """What the full-text index holds and `SessionQuerySet.containing` asks; the two must be the same SQL expression."""
    spaced = models.Func(
        models.F("text"),
        models.Value(f"({UNSPACED})"),
        models.Value(r" \1 "),
        models.Value("g"),
        function="REGEXP_REPLACE",
        output_field=models.TextField(),
    )
    return SearchVector(spaced, config=SEARCH_CONFIG)


def search_query(words: str) -> SearchQuery | Any:
    """All of `words`; a run of kana or Han characters is a phrase of its characters."""
    runs = re.findall(f"{UNSPACED}+", words)
    phrases = [SearchQuery(" ".join(run), config=SEARCH_CONFIG, search_type="phrase") for run in runs]
    return reduce(and_, phrases, SearchQuery(re.sub(UNSPACED, " ", words), config=SEARCH_CONFIG))


class SessionQuerySet(models.QuerySet["Session"]):
    def visible_to(self, listener: Listener) -> "SessionQuerySet":
        """Sessions that `listener` may read: their own; ownerless ones for a trusted anonymous listener on loopback."""
        if listener.user_id is not None:
            return self.filter(owner_id=listener.user_id)
        return self.filter(owner__isnull=True) if listener.is_trusted_anonymous else self.none()

    def containing(self, words: str) -> "SessionQuerySet":
        """Sessions with a segment that holds all of `words` (full-text, no stemming)."""
        hits = Segment.objects.annotate(document=search_document()).filter(document=search_query(words))
        return self.filter(pk__in=hits.values("session"))

    def in_language(self, tag: str) -> "SessionQuerySet":
        """Sessions that were started in the language `tag`, or in which it was heard."""
        heard = Segment.objects.filter(session=models.OuterRef("pk"), language__iexact=tag)
        return self.filter(models.Q(language__iexact=tag) | models.Exists(heard))

    def with_num_segments(self) -> "SessionQuerySet":
        """Adds `num_segments`, counted for the rows that are fetched and no others."""
        own = Segment.objects.filter(session=models.OuterRef("pk")).order_by()
        counted = own.values("session").annotate(num=models.Count("pk")).values("num")
        return self.annotate(num_segments=Coalesce(models.Subquery(counted), 0))


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def living(self) -> "ApiKeyQuerySet":
        """Keys that open something: not revoked, not expired, of an active user."""
        in_time = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return self.filter(in_time, revoked_at=None, owner__is_active=True)


class ApiKey(models.Model):
    """A program's credential; its text is shown once and never stored. `prefix` is the public part that finds it."""

    SCOPES = (
        (Scope.STREAM.value, _("stream")),
        (Scope.CHOOSE_MODEL.value, _("choose the model")),
        (Scope.READ.value, _("read transcripts")),
        (Scope.DELETE.value, _("delete transcripts")),
        (Scope.CORRECT.value, _("correct transcripts")),
        (Scope.STORE_AUDIO.value, _("have audio stored")),
    )

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("owner"))
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=SCOPES), verbose_name=_("scopes"))
    max_streams = models.PositiveIntegerField(_("sockets at a time"), null=True, blank=True)
    max_audio_s_per_day = models.PositiveIntegerField(_("audio a day (s)"), null=True, blank=True)
    retention_days = models.PositiveIntegerField(
        _("keep sessions for (days)"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(MAX_RETENTION_DAYS)],
        help_text=_("Empty: as long as the server keeps any (HARK_RETENTION_DAYS). 0: for ever."),
    )
    stores_audio = models.BooleanField(
        _("store audio"), default=False, help_text=_("Keep the audio of its sessions for HARK_AUDIO_TTL_DAYS.")
    )
    language_model = models.CharField(
        _("language model"),
        max_length=64,
        blank=True,
        validators=[MODEL_NAME],
        help_text=_("For sessions that name none. Empty: that of the route."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    fresh_text: str = ""  # of a key that was made in this request, to be shown once; never stored

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.name} (hark_{self.prefix}_…)"

    @property
    def is_usable(self) -> bool:
        """Neither revoked nor expired. Its owner may still be disabled."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class StreamTicket(models.Model):
    """One handshake of a browser page, which cannot send headers. The row goes when the ticket is spent."""

    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    key = models.ForeignKey(ApiKey, models.CASCADE, null=True, related_name="+")
    session_key = models.CharField(max_length=40, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("stream ticket")
        verbose_name_plural = _("stream tickets")

    def __str__(self) -> str:
        return f"ticket until {self.expires_at:%H:%M:%S}"


class SocketLease(models.Model):
    """A socket that counts against limits, in whichever web process; renewed while it is open, and else soon forgotten."""

    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    key = models.ForeignKey(ApiKey, models.CASCADE, null=True, related_name="+")
    address = models.CharField(max_length=64, blank=True, db_index=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("socket lease")
        verbose_name_plural = _("socket leases")

    def __str__(self) -> str:
        return str(self.id)


class Session(models.Model):
    """The stored record of one stream."""

    class Status(models.TextChoices):
        LIVE = "live", _("live")
        COMPLETE = "complete", _("complete")
        INCOMPLETE = "incomplete", _("incomplete")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("owner")
    )
    key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("API key"))
    client = models.CharField(_("client"), max_length=200, blank=True)
    model = models.CharField(_("model"), max_length=100, blank=True)
    language = models.CharField(_("language"), max_length=100, blank=True)
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.LIVE)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    started_at = models.DateTimeField(_("started at"), db_index=True)
    last_seen_at = models.DateTimeField(_("last seen at"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    received_ms = models.PositiveBigIntegerField(_("received (ms)"), default=0)
    transcribed_ms = models.PositiveBigIntegerField(_("transcribed (ms)"), default=0)
    silence_ms = models.PositiveBigIntegerField(_("silence (ms)"), default=0)
    gap_ms = models.PositiveBigIntegerField(_("gap (ms)"), default=0)
    gaps = models.JSONField(_("gaps"), default=list, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    latency = models.JSONField(_("latency"), default=dict, blank=True)

    objects = SessionQuerySet.as_manager()

    if TYPE_CHECKING:
        segments: RelatedManager["Segment"]

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        permissions = [
            ("watch_live", "Can see the console: measurements and who speaks now"),
            ("end_live", "Can end live sessions"),
        ]
        ordering = ["-started_at", "-id"]
        indexes = [
            models.Index(fields=["owner", "-started_at"], name="session_owner_started"),
            models.Index(fields=["last_seen_at"], condition=models.Q(status="live"), name="session_live_last_seen"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_complete(self) -> bool:
        return self.status == self.Status.COMPLETE

    @property
    def duration_ms(self) -> int | None:
        """Wall-clock length; None while the session is live."""
        return None if self.ended_at is None else round((self.ended_at - self.started_at).total_seconds() * 1000)

    def transcript(self) -> Transcript:
        """Everything that the exports need: one query for the segments unless they were prefetched."""
        return Transcript(
            session_id=self.id,
            status=self.status,
            error_code=self.error_code,
            language=self.language,
            model=self.model,
            started_at=self.started_at,
            ended_at=self.ended_at,
            received_ms=self.received_ms,
            transcribed_ms=self.transcribed_ms,
            silence_ms=self.silence_ms,
            gap_ms=self.gap_ms,
            segments=tuple(segment.as_transcript() for segment in self.segments.all()),
        )


class ResumePoint(models.Model):
    """Where another web process may go on with a reliable session, and the right to.

    `epoch` counts the processes that had it. Whoever takes the session over raises it, and what the former one still writes
    is refused: two processes never write one session.
    """

    session = models.OneToOneField(
        Session, models.CASCADE, primary_key=True, related_name="resume_point", verbose_name=_("session")
    )
    token_hash = models.CharField(max_length=64)
    epoch = models.PositiveIntegerField(default=0)
    options = models.JSONField()
    transcribed_samples = models.PositiveBigIntegerField(default=0)
    silence_samples = models.PositiveBigIntegerField(default=0)
    gap_samples = models.PositiveBigIntegerField(default=0)
    next_segment = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        verbose_name = _("resume point")
        verbose_name_plural = _("resume points")

    def __str__(self) -> str:
        return f"{self.session_id}@{self.epoch}"


class Segment(models.Model):
    """One utterance: its final text. Written once, never changed. `revised`: it does not begin with what was stable before."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="segments", verbose_name=_("session"))
    number = models.PositiveIntegerField(_("number"))
    text = models.TextField(_("text"), blank=True)
    words = models.JSONField(_("words"), default=list, blank=True)
    start_ms = models.PositiveBigIntegerField(_("start (ms)"))
    end_ms = models.PositiveBigIntegerField(_("end (ms)"))
    confidence = models.FloatField(_("confidence"))
    language = models.CharField(_("language"), max_length=16)
    model = models.CharField(_("model"), max_length=100)
    revised = models.BooleanField(_("revised"), default=False, db_default=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["session_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["session", "number"], name="one_segment_per_number"),
            models.CheckConstraint(condition=models.Q(end_ms__gte=models.F("start_ms")), name="segment_ends_after_start"),
        ]
        indexes = [GinIndex(search_document(), name="segment_text_search")]

    def __str__(self) -> str:
        return f"{self.session_id}#{self.number}"

    def as_transcript(self) -> TranscriptSegment:
        return TranscriptSegment(
            number=self.number,
            text=self.text,
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            confidence=self.confidence,
            language=self.language,
            model=self.model,
            words=tuple(
                TranscriptWord(text=word["text"], start_ms=word["start_ms"], end_ms=word["end_ms"], confidence=word["confidence"])
                for word in self.words
            ),
        )
