"""Django's registration of the transcription app."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_delete, post_migrate
from django.utils.translation import gettext_lazy as _

from transcription import checks
from transcription.catalogue.shipped import ensure_shipped
from transcription.privacy.places import remove_with_row


class TranscriptionConfig(AppConfig):
    name = "transcription"
    verbose_name = _("Transcription")

    def ready(self) -> None:
        post_delete.connect(remove_with_row, sender="transcription.StoredAudio")
        register(checks.check_anonymous, Tags.security)
        register(checks.check_debug, Tags.security)
        register(checks.check_plain_origins, Tags.security)
        register(checks.check_proxies, Tags.security, deploy=True)
        register(checks.check_inference_address, Tags.compatibility)
        post_migrate.connect(ensure_shipped, sender=self)
