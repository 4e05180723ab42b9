"""The client's messages are those of the server: compared class by class, so that neither can be changed alone."""

import inspect
import json
from dataclasses import fields
from typing import Any

import pytest

import hark
from hark import protocol
from hark.errors import HarkError
from hark.options import SAMPLE_BYTES, AudioFormat
from hark.stream import RESUMABLE_CODES, UNKNOWN_SESSION_CODE
from inference import audio
from tests.stream_client import validator
from transcription import protocol as server

PASSED_OVER = {"pong"}
"""This client never sends a ping of that kind."""
EXAMPLES: dict[str, dict[str, Any]] = {
    "ready": {
        "session": "s", "resume_token": "t", "model": "m", "language": "en", "sample_rate": 1, "window_ms": 1, "heartbeat_s": 1,
    },
    "final": {
        "segment": 0, "text": "a", "start_ms": 0, "end_ms": 1, "language": "en", "confidence": 1, "model": "m",
        "words": [{"text": "a", "start_ms": 0, "end_ms": 1, "confidence": 0.5}], "from_finalize": True,
    },
    "nack": {"from": 1, "to": 2},
    "error": {"code": "c", "message": "m", "retryable": True, "retry_after_s": 3},
}  # fmt: skip


def tags(kinds: tuple[type[Any], ...]) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in kinds}


def test_every_message_of_the_server_is_known() -> None:
    assert set(protocol._KINDS) == tags(server.SERVER_MESSAGES) - PASSED_OVER


@pytest.mark.parametrize("kind", server.SERVER_MESSAGES, ids=lambda kind: str(kind.__struct_config__.tag))
def test_no_field_is_wanted_that_the_server_does_not_send(kind: type[Any]) -> None:
    tag = str(kind.__struct_config__.tag)
    if tag in PASSED_OVER:
        assert protocol.read(json.dumps({"type": tag})) is None
        return
    sent = {protocol._RENAMED.get(tag, {}).get(name, name) for name in kind.__struct_encode_fields__}

    assert {field.name for field in fields(protocol._KINDS[tag])} <= sent


@pytest.mark.parametrize("tag", EXAMPLES)
def test_a_message_is_read_with_all_that_it_says(tag: str) -> None:
    validator("server").validate({"type": tag} | EXAMPLES[tag])
    message = protocol.read(json.dumps({"type": tag, "new_in_2027": 1} | EXAMPLES[tag]))

    renamed = protocol._RENAMED.get(tag, {})
    for name, value in EXAMPLES[tag].items():
        if hasattr(message, renamed.get(name, name)) and name != "words":
            assert getattr(message, renamed.get(name, name)) == value


def test_options_of_connect_are_those_of_start() -> None:
    options = {name for name in inspect.signature(hark.connect).parameters if name in server.Start.__struct_fields__}

    assert options == set(server.Start.__struct_fields__)


def test_encodings_are_those_of_the_server() -> None:
    assert SAMPLE_BYTES == audio.SAMPLE_BYTES


def test_close_codes_are_those_of_the_server() -> None:
    mine = {server.CloseCode.DRAINING, server.CloseCode.INTERNAL, server.CloseCode.FULL}

    assert mine <= RESUMABLE_CODES
    assert RESUMABLE_CODES.isdisjoint(set(server.CloseCode) - mine)
    assert server.CloseCode.UNKNOWN_SESSION == UNKNOWN_SESSION_CODE


@pytest.mark.parametrize(
    "text",
    [
        "<html>", "[]", "{}", '{"type": 1}', '{"type": "ack"}', '{"type": "lag", "behind_ms": "3"}',
        '{"type": "final", "segment": true}', '{"type": "done", "session": "s", "received_ms": 1.5}',
    ],
)  # fmt: skip
def test_what_is_no_message_is_said_instead_of_guessed(text: str) -> None:
    with pytest.raises(HarkError) as caught:
        protocol.read(text)

    assert caught.value.code == "bad_answer"


def test_a_message_of_a_newer_server_is_passed_over() -> None:
    assert protocol.read('{"type": "speaker_changed", "speaker": "x"}') is None


def test_times_and_samples_are_those_of_the_rate() -> None:
    audio_format = AudioFormat(encoding="pcm_f32le", sample_rate_hz=48_000, num_channels=2)

    assert audio_format.frame_bytes == 8
    assert audio_format.ms_of(audio_format.frames_of_ms(1234)) == 1234
    assert audio_format.frames_in(0.1) == 4800
