"""Names of the rules that come with the project, for the catalogue of texts. The rules themselves are made by migration 0008."""

from typing import Final

from django.utils.translation import gettext_noop

SHIPPED: Final = (
    gettext_noop("Final texts are late"),
    gettext_noop("Sessions end with errors"),
    gettext_noop("An inference process is missing"),
    gettext_noop("Reference clips are heard wrongly"),
    gettext_noop("Recognition cannot keep up"),
    gettext_noop("A process takes much memory"),
)
