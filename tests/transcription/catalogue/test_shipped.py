"""The models that come with the project are in the catalogue without anybody's doing, and what stands there is true."""

import pytest
from django.apps import apps
from django.apps.registry import Apps

from inference.engines import registry
from transcription.catalogue import checksums
from transcription.catalogue.entries import files_of
from transcription.catalogue.shipped import SHIPPED, Shipped, ensure_shipped, shipped
from transcription.models import ASRModel


@pytest.mark.django_db
def test_after_migrations_they_are_there() -> None:
    assert set(ASRModel.objects.filter(is_builtin=True).values_list("name", flat=True)) == {model.name for model in SHIPPED}


@pytest.mark.django_db
def test_what_an_operator_changed_of_them_stays() -> None:
    ASRModel.objects.filter(name="whisper-base").update(is_enabled=False, licence="asked our lawyers")

    ensure_shipped(None, apps)

    row = ASRModel.objects.get(name="whisper-base")
    assert (row.is_enabled, row.licence) == (False, "asked our lawyers")


@pytest.mark.django_db
def test_one_that_is_missing_comes_back_and_where_there_is_no_table_yet_nothing_happens() -> None:
    ASRModel.objects.filter(name="whisper-base").delete()

    ensure_shipped(None, Apps())
    assert not ASRModel.objects.filter(name="whisper-base").exists()

    ensure_shipped(None)
    assert ASRModel.objects.filter(name="whisper-base").exists()


@pytest.mark.django_db
def test_one_that_came_with_another_version_is_described_anew_and_what_was_measured_of_that_is_forgotten() -> None:
    ASRModel.objects.filter(name="conformer-edge").update(checksum="0" * 64, size_bytes=1, wer=0.5, licence="asked our lawyers")

    ensure_shipped(None, apps)

    row = ASRModel.objects.get(name="conformer-edge")
    assert (row.checksum, row.size_bytes) == (
        checksums.of_files(files_of(row)),
        sum(path.stat().st_size for path in files_of(row)),
    )
    assert (row.wer, row.licence) == (None, "asked our lawyers")


@pytest.mark.parametrize("model", [model for model in SHIPPED if model.checksum], ids=lambda model: model.name)
def test_their_files_are_those_that_were_recorded(model: Shipped) -> None:
    assert checksums.of_files(list(model.paths())) == model.checksum


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.name)
def test_their_languages_are_those_that_the_engine_says(model: Shipped) -> None:
    info = registry.create(model.name, "fp32").info

    assert set(info.languages) == set(model.languages)
    assert info.multilingual == (len(model.languages) > 1)


def test_one_that_does_not_come_with_the_project_is_not_known() -> None:
    assert shipped("whisper-large") is None
