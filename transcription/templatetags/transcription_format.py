"""Template filters: how durations and languages are written for people."""

from django import template
from django.utils.translation import gettext as _

from transcription.page_texts import LANGUAGES

register = template.Library()
NAMES = dict(LANGUAGES)


@register.filter
def clock(duration_ms: int) -> str:
    """Milliseconds as 2:03, or 1:02:03 from an hour on."""
    minutes, seconds = divmod(duration_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.filter
def language_name(tag: str) -> str:
    """The language's own name; "auto" in the reader's language; an unlisted tag as it is."""
    return _("Detected automatically") if tag == "auto" else NAMES.get(tag, tag)
