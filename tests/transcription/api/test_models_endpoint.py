"""GET models/: what may be asked for when a session starts."""

import pytest
from django.test import Client

from inference.messages import ModelInfo, WorkerStatus
from tests.factories import make_model, make_user
from transcription import recognizer
from transcription.models import ASRModel

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/models/"


def worker_says(monkeypatch: pytest.MonkeyPatch, status: WorkerStatus) -> None:
    async def current_status() -> WorkerStatus:
        return status

    monkeypatch.setattr(recognizer, "current_status", current_status)


def test_the_models_that_are_warm_are_listed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelInfo(
        name="whisper-tiny.en",
        engine="whisper",
        languages=("en",),
        multilingual=False,
        precision="int8",
        memory_bytes=80_000_000,
    )
    ASRModel.objects.all().delete()
    worker_says(monkeypatch, WorkerStatus(node="a", is_ready=True, models=(model,)))
    client.force_login(make_user())

    assert client.get(ADDRESS).json() == {
        "ready": True,
        "detail": "",
        "models": [
            {
                "name": "whisper-tiny.en", "engine": "whisper", "languages": ["en"], "multilingual": False, "precision": "int8",
                "memory_bytes": 80_000_000, "is_draining": False, "uses": ["hotwords"],
            },
        ],
        "catalogue": [],
    }  # fmt: skip


def test_the_catalogue_says_which_models_there_are_and_which_are_loaded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ASRModel.objects.all().delete()
    make_model("whisper-base", licence="MIT", wer=0.08, source="/srv/models/base")
    make_model("whisper-small")
    make_model("withdrawn", is_enabled=False)
    loaded = ModelInfo(name="whisper-base", engine="whisper", languages=(), multilingual=True)
    worker_says(monkeypatch, WorkerStatus(node="a", is_ready=True, models=(loaded,)))
    client.force_login(make_user())

    response = client.get(ADDRESS)

    assert [(entry["name"], entry["is_loaded"]) for entry in response.json()["catalogue"]] == [
        ("whisper-base", True),
        ("whisper-small", False),
    ]
    assert (response.json()["catalogue"][0]["licence"], response.json()["catalogue"][0]["wer"]) == ("MIT", 0.08)
    assert "/srv" not in response.text


def test_without_inference_the_answer_says_what_is_wrong(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ASRModel.objects.all().delete()
    worker_says(monkeypatch, WorkerStatus(node="", is_ready=False, detail="No inference process answers."))
    client.force_login(make_user())

    response = client.get(ADDRESS)

    assert response.status_code == 200
    assert response.json() == {"ready": False, "detail": "No inference process answers.", "models": [], "catalogue": []}


def test_strangers_do_not_see_the_models(client: Client) -> None:
    response = client.get(ADDRESS)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "not_authenticated")
