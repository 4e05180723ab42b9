"""Whatever people read of Hark is in the Chinese catalogue, whole, and as it was last written."""

import gettext
import re

import pytest
from django.apps import apps
from django.db.models import Field
from django.utils.functional import Promise
from django.utils.translation import override

from tests.transcription.locale.texts_in_source import (
    CATALOGUE,
    texts_of_module,
    texts_of_project,
    texts_of_template,
    written_entries,
)

PLACEHOLDER = re.compile(r"%\(\w+\)[.\d]*[a-z]|%%|\{\w*\}")
COLUMNS = [
    column
    for model in apps.get_app_config("transcription").get_models()
    for column in model._meta.get_fields()
    if isinstance(column, Field) and isinstance(column._verbose_name, Promise)  # type: ignore[attr-defined]  # as given
]


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return written_entries((CATALOGUE / "django.po").read_text(encoding="utf-8"))


def test_every_text_of_the_source_is_in_the_catalogue(written: dict[str, str]) -> None:
    missing = {text: place for text, place in texts_of_project().items() if not written.get(text)}
    assert not missing, f"Write these in {CATALOGUE / 'django.po'}, then run msgfmt there."


def test_the_compiled_catalogue_is_that_of_the_written_one(written: dict[str, str]) -> None:
    with (CATALOGUE / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    stale = [text for text, translation in written.items() if text and compiled.gettext(text) != translation]
    assert not stale, f"Run in {CATALOGUE}: msgfmt --check -o django.mo django.po"


def test_placeholders_survive_the_translation(written: dict[str, str]) -> None:
    def of(text: str) -> list[str]:
        return sorted(PLACEHOLDER.findall(text))

    assert [text for text, translation in written.items() if text and of(text) != of(translation)] == []


def test_no_text_is_written_twice(written: dict[str, str]) -> None:
    source = (CATALOGUE / "django.po").read_text(encoding="utf-8")
    assert len(re.findall(r"^msgid", source, re.MULTILINE)) == len(written)


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_the_name_of_a_column_is_chinese_for_chinese_readers(column: "Field[object, object]") -> None:
    with override("zh-hans"):
        assert re.search(r"[\u4e00-\u9fff]", str(column.verbose_name))


def test_texts_are_found_in_modules_and_templates() -> None:
    module = 'NAME = _("One")\ndef say(): return gettext("Two %(n)d" "and more") % {}, other("Three")\n'
    template = """{% load i18n %}{% translate "Four" %}{{ x }}
        <p title="{% translate "It's five" %}">{% blocktranslate with a=b %}Six "{{ a }}"{% endblocktranslate %}</p>"""
    assert list(texts_of_module(module)) == ["One", "Two %(n)dand more"]
    assert list(texts_of_template(template)) == ["Four", "It's five", 'Six "%(a)s"']
