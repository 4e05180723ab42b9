"""The OpenAPI schema is valid, says everything, and its docs page needs no other server."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from tests.factories import a_final, a_transcript
from transcription.api.examples import TRANSCRIPT
from transcription.api.serializers import TranscriptSegmentSerializer, TranscriptSerializer, WordSerializer
from transcription.exports import to_json

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    path = tmp_path_factory.mktemp("schema") / "schema.yaml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(path))
    loaded: Schema = yaml.safe_load(path.read_text())
    return loaded


def operations(schema: Schema) -> Iterator[tuple[str, Schema]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_the_schema_names_every_endpoint(schema: Schema) -> None:
    assert {name for name, _operation in operations(schema)} >= {
        "get /api/v1/sessions/",
        "get /api/v1/sessions/{session_id}/",
        "delete /api/v1/sessions/{session_id}/",
        "get /api/v1/sessions/{session_id}/transcript/",
        "get /api/v1/models/",
        "get /api/v1/routes/",
    }


def test_every_parameter_is_described(schema: Schema) -> None:
    parameters = [(name, parameter) for name, operation in operations(schema) for parameter in operation.get("parameters", [])]

    # The schema's own endpoint is not ours.
    assert [(name, p["name"]) for name, p in parameters if not p.get("description") and "/schema/" not in name] == []


def test_every_field_is_described(schema: Schema) -> None:
    fields = [
        (name, field, description)
        for name, component in schema["components"]["schemas"].items()
        for field, description in component.get("properties", {}).items()
    ]

    assert len(fields) > 50
    assert [(name, field) for name, field, description in fields if not description.get("description")] == []


def test_every_error_has_the_one_shape(schema: Schema) -> None:
    errors = [
        content["schema"]["$ref"]
        for name, operation in operations(schema)
        if "/schema/" not in name
        for status, response in operation["responses"].items()
        if status.startswith("4")
        for content in response["content"].values()
    ]

    assert len(errors) >= 8
    assert set(errors) == {"#/components/schemas/Error"}


def test_transcripts_are_shown_by_example_in_every_format(schema: Schema) -> None:
    content = schema["paths"]["/api/v1/sessions/{session_id}/transcript/"]["get"]["responses"]["200"]["content"]

    assert set(content) == {"application/json", "text/plain", "application/x-subrip", "text/vtt"}
    assert all(media_type["examples"] for media_type in content.values())


def test_the_described_transcript_is_the_exported_one() -> None:
    exported = to_json(a_transcript(a_final("Good morning.")))

    assert set(TranscriptSerializer().fields) == set(exported)
    assert set(TranscriptSegmentSerializer().fields) == set(exported["segments"][0])
    assert set(WordSerializer().fields) == set(exported["segments"][0]["words"][0])
    assert to_json(TRANSCRIPT)["received_ms"] == TRANSCRIPT.transcribed_ms + TRANSCRIPT.silence_ms + TRANSCRIPT.gap_ms


def test_the_docs_page_loads_nothing_from_another_server(client: Client) -> None:
    response = client.get("/api/v1/docs/")

    page = response.content.decode()
    assert response.status_code == 200
    assert "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page
    assert re.findall(r"""(?:src|href)=["']((?:https?:)?//[^"']+)""", page) == []
    assert re.findall(r"<script(?![^>]*src=)[^>]*>", page) == []
    assert "SwaggerUIBundle(" in client.get("/api/v1/docs/?script=").content.decode()


def test_the_schema_is_served(client: Client) -> None:
    assert client.get("/api/v1/schema/").status_code == 200
    assert client.get("/api/v1/schema/", {"format": "json"}).json()["info"]["title"] == "Hark"
