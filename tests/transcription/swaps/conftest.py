"""A server with a route and two models of its catalogue. pytest reads this before Django is set up, so tables are asked for by
their names.
"""

from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from transcription.models import ASRModel, ModelRoute


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the swaps that were handed to Celery; nobody takes them up."""
    handed: list[int] = []
    monkeypatch.setattr(
        "transcription.swaps.requests.current_app.send_task", lambda _name, args, **_options: handed.append(args[0])
    )
    return handed


@pytest.fixture(autouse=True)
def nothing_configured(settings: Any) -> None:
    settings.HARK_MODELS = []


@pytest.fixture
def light(db: None) -> "ASRModel":
    return apps.get_model("transcription.ASRModel").objects.create(name="light", languages=["en"])


@pytest.fixture
def heavy(db: None) -> "ASRModel":
    return apps.get_model("transcription.ASRModel").objects.create(name="heavy", multilingual=True)


@pytest.fixture
def route(light: "ASRModel") -> "ModelRoute":
    return apps.get_model("transcription.ModelRoute").objects.create(language="en", model=light)


@pytest.fixture
def alice(db: None) -> "User":
    return get_user_model().objects.create_user("alice")
