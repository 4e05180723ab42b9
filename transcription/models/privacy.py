"""Tables of what is kept beside the text, and of wishes that all of it be forgotten. `transcription.privacy` carries them out."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from transcription.models.transcripts import Session


class StoredAudio(models.Model):
    """A stretch of a session's audio that is kept as a file, because its speaker asked for it or its key says so.

    `number`: the session's epoch, so that each web process that has had the session keeps its own stretch. Where the file lies
    follows from session and number (`transcription.privacy.files`).
    """

    session = models.ForeignKey(Session, models.CASCADE, related_name="audio", verbose_name=_("session"))
    number = models.PositiveIntegerField(_("number"), default=0)
    start_ms = models.PositiveBigIntegerField(_("start (ms)"), default=0)
    duration_ms = models.PositiveBigIntegerField(_("duration (ms)"))
    sample_rate_hz = models.PositiveIntegerField(_("sample rate (Hz)"))
    num_bytes = models.PositiveBigIntegerField(_("size (bytes)"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("stored audio")
        verbose_name_plural = _("stored audio")
        ordering = ["session_id", "number"]
        constraints = [models.UniqueConstraint(fields=["session", "number"], name="one_audio_per_number")]

    def __str__(self) -> str:
        return f"{self.session_id}/{self.number}"


class Erasure(models.Model):
    """A wish that everything be forgotten that `user` had said until `requested_at`; without a user: what belongs to nobody.

    The row stays as the record of it, and keeps what comes late from being stored.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    requested_at = models.DateTimeField(_("requested at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    num_sessions = models.PositiveIntegerField(_("sessions erased"), default=0)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        ordering = ["-requested_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-requested_at"], name="erasure_user_requested"),
            models.Index(fields=["requested_at"], condition=models.Q(finished_at=None), name="erasure_pending"),
        ]

    def __str__(self) -> str:
        return f"{self.user or '–'} {self.requested_at:%Y-%m-%d %H:%M:%S}"
