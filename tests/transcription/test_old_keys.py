"""Keys from before there was a scope for choosing a model go on as they were."""

from importlib import import_module

import pytest
from django.apps import apps

from tests.factories import make_user
from transcription.access import keys
from transcription.listeners import Scope
from transcription.models import ApiKey

pytestmark = pytest.mark.django_db
migration = import_module("transcription.migrations.0005_usual_models")


def test_a_key_that_might_stream_may_choose_a_model_and_no_other_key() -> None:
    alice = make_user()
    keys.make_key(alice, "gateway", [Scope.STREAM, Scope.READ])
    keys.make_key(alice, "archive", [Scope.READ])

    migration.let_old_keys_choose(apps, None)

    assert {key.name: set(key.scopes) for key in ApiKey.objects.all()} == {
        "gateway": {Scope.STREAM, Scope.READ, Scope.CHOOSE_MODEL},
        "archive": {Scope.READ},
    }


def test_the_way_back_takes_the_scope_away() -> None:
    keys.make_key(make_user(), "gateway", [Scope.STREAM, Scope.CHOOSE_MODEL])

    migration.forget_choosing(apps, None)

    assert set(ApiKey.objects.get().scopes) == {Scope.STREAM}
