"""How right the text is: the canary's runs, and what people corrected. Both are records that nobody edits."""

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from transcription.admin.records import ReadOnly, Record
from transcription.models import CanaryRun, Correction

GOOD_RATIO: Final = 0.1
BAD_RATIO: Final = 0.3


@admin.register(CanaryRun)
class CanaryRunAdmin(Record, ModelAdmin):
    list_display = ["at", "model", "language", "outcome", "num_errors", "num_words", "num_clips", "final_ms"]
    list_filter = ["model", "language", "at"]
    list_per_page = 50
    fields: ClassVar = ["at", "model", "language", "num_errors", "num_words", "num_clips", "final_ms", "heard", "error"]

    @display(description=_("wrong"), label={"good": "success", "fair": "warning", "bad": "danger"})
    def outcome(self, run: CanaryRun) -> tuple[str, Any]:
        if run.wer is None:
            return "bad", _("could not be played")
        tone = "good" if run.wer <= GOOD_RATIO else "fair" if run.wer <= BAD_RATIO else "bad"
        return tone, percent(run.wer)


@admin.register(Correction)
class CorrectionAdmin(ReadOnly, ModelAdmin):
    """Transcripts of a kind: for those who may read transcripts."""

    list_display = ["corrected_at", "model", "language", "was", "text", "wrong"]
    list_filter = ["model", "language", "corrected_at"]
    list_select_related = ["segment"]
    list_per_page = 50
    fields: ClassVar = ["segment", "was", "text", "model", "language", "num_words", "num_errors", "corrected_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Correction | None = None) -> bool:
        """It goes with its session, or when its speaker takes it back."""
        return False

    @admin.display(description=_("was heard"))
    def was(self, correction: Correction) -> str:
        return correction.segment.text

    @admin.display(description=_("wrong"))
    def wrong(self, correction: Correction) -> str:
        return percent(correction.num_errors / max(1, correction.num_words))


def percent(ratio: float) -> str:
    return f"{number_format(round(100 * ratio, 1), decimal_pos=1)} %"
