"""docs/protocol.md and docs/protocol.schema.json describe exactly the messages, limits and codes of the code."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator
from msgspec import Struct

from inference import errors
from transcription import consumers, parsing, protocol
from transcription.containers import UndecodableAudioError
from transcription.diagnosis import FINDING_CODES
from transcription.protocol import CLIENT_MESSAGES, SERVER_MESSAGES, CloseCode, Word
from transcription.session import arrival, closing, intake, results, terms
from transcription.session import stream_session as session
from transcription.streaming import caretaking, live, outbox, reporting, warden

PROJECT_DIR = Path(__file__).resolve().parents[2]
PAGE = (PROJECT_DIR / "docs" / "protocol.md").read_text(encoding="utf-8")
SCHEMA_FILE = PROJECT_DIR / "docs" / "protocol.schema.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
SECTIONS = dict(re.findall(r"^#+ (.+?)\n(.*?)(?=^#|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
KINDS: tuple[type[Struct], ...] = (*CLIENT_MESSAGES, *SERVER_MESSAGES, Word)
ABOUT_MODELS = {"name_taken", "out_of_memory", "canary_failed", "load_failed", "model_needed", "model_kept", "not_ready"}
NEVER_ON_THE_SOCKET = {"weights_unusable", "bad_configuration", *ABOUT_MODELS}
LIMITS = {
    "binary frame": protocol.MAX_FRAME_BYTES,
    "text message": protocol.MAX_TEXT_CHARS,
    "nesting of JSON": parsing.MAX_JSON_DEPTH,
    "unusable messages in a session": session.MAX_BAD_MESSAGES,
    "audio that waits for recognition": arrival.WINDOW_MS,
    "audio left out in reliable mode": intake.MAX_GAP_S,
    "audio that waits behind a missing frame": intake.MAX_HELD_BYTES,
    "messages that a client has not read": outbox.MAX_UNSENT,
}


def tag(kind: type[Struct]) -> str:
    return "word" if kind is Word else str(kind.__struct_config__.tag)


def rows(heading: str) -> dict[str, list[str]]:
    """First cell, without backticks → all cells, of the table in a section."""
    lines = [line for line in SECTIONS[heading].splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row for row in cells}


def fields(kind: type[Struct]) -> dict[str, dict[str, Any]]:
    """Field → its JSON Schema."""
    properties: dict[str, dict[str, Any]] = SCHEMA["$defs"][kind.__name__]["properties"]
    return {name: schema for name, schema in properties.items() if name != "type"}


def limits(schema: Any) -> set[str]:
    """Every number in a field's JSON Schema that bounds what may come, as it stands on the page."""
    if isinstance(schema, list):
        return {limit for part in schema for limit in limits(part)}
    if not isinstance(schema, dict):
        return set()
    here = {str(value) for key, value in schema.items() if re.match(r"(min|max)[A-Zi]", key)}
    return here.union(*(limits(part) for part in schema.values()))


def codes_in(path: Path) -> set[str]:
    """Every literal code that a module gives to a warning, an error or a ProtocolError."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {"_fail", "_bad_message", "_warning", "_say_no", "refuse"}
    makers = {"Complaint", "Loss", "ProtocolError", "SessionWarning", "SessionError"} | said
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "code")]
        if called in makers:
            found |= {str(code.value) for code in given if isinstance(code, ast.Constant)}
    return found


def codes_of_errors(kind: type[errors.InferenceError]) -> set[str]:
    """Of the classes of that module; others may be loaded or not."""
    own = {kind.code} if kind.__module__ == errors.__name__ else set()
    return own.union(*(codes_of_errors(child) for child in kind.__subclasses__()))


def all_codes() -> set[str]:
    speakers = (parsing, intake, arrival, terms, session, live, consumers, warden, caretaking, reporting)
    spoken = {code for module in speakers for code in codes_in(Path(str(module.__file__)))}
    of_fields = {"unsupported_encoding", "unsupported_sample_rate", "unsupported_channels", "invalid_option"}
    return spoken | of_fields | FINDING_CODES | {UndecodableAudioError.code} | codes_of_errors(errors.InferenceError)


def test_the_committed_schema_is_the_generated_one(tmp_path: Path) -> None:
    call_command("protocol_schema", output=tmp_path / "schema.json", verbosity=0)

    assert SCHEMA_FILE.read_text(encoding="utf-8") == (tmp_path / "schema.json").read_text(encoding="utf-8"), (
        "run: make manage ARGS=protocol_schema"
    )


def test_the_schema_is_valid_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", KINDS, ids=tag)
def test_the_section_of_a_message_lists_its_fields_and_no_other(kind: type[Struct]) -> None:
    assert set(rows(f"`{tag(kind)}`")) == set(fields(kind))


@pytest.mark.parametrize("kind", CLIENT_MESSAGES, ids=tag)
def test_defaults_and_limits_of_what_a_client_sends_are_written_down(kind: type[Struct]) -> None:
    for name, row in rows(f"`{tag(kind)}`").items():
        schema = fields(kind)[name]
        default = f"`{json.dumps(schema['default'])}`" if "default" in schema else "unchanged"
        assert row[2] == default, name
        assert limits(schema) <= set(re.findall(r"\d+", row[3])), name


@pytest.mark.parametrize("kind", KINDS, ids=tag)
def test_the_example_of_a_message_is_one(kind: type[Struct]) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", SECTIONS[f"`{tag(kind)}`"], flags=re.DOTALL)

    Draft202012Validator(SCHEMA | {"$ref": f"#/$defs/{kind.__name__}"}).validate(json.loads(example))
    assert set(json.loads(example)) - {"type"} <= set(fields(kind))


def test_the_example_of_done_adds_up() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", SECTIONS["`done`"], flags=re.DOTALL)
    done = json.loads(example)

    assert done["received_ms"] == done["transcribed_ms"] + done["silence_ms"] + done["gap_ms"]


def test_every_code_is_listed_and_no_other() -> None:
    assert set(rows("Error and warning codes")) == all_codes() - NEVER_ON_THE_SOCKET
    assert all(f"`{code}`" in SECTIONS["Error and warning codes"] for code in NEVER_ON_THE_SOCKET)


def test_the_search_for_codes_finds_each_kind() -> None:
    assert all_codes() >= {"invalid_json", "odd_byte_count", "start_after_audio", "configure_before_start", "server_full"}


def test_codes_of_fields_are_those_of_the_code() -> None:
    refused = {protocol_code(field, "none") for field in ("encoding", "sample_rate", "channels", "interim")}

    assert refused == {"unsupported_encoding", "unsupported_sample_rate", "unsupported_channels", "invalid_option"}


def protocol_code(field: str, value: object) -> str:
    """The code with which a start is refused whose `field` is `value`."""
    with pytest.raises(parsing.ProtocolError) as caught:
        parsing.parse(json.dumps({"type": "start", field: value}))
    return caught.value.code


def test_every_error_is_listed_with_its_close_code() -> None:
    for code, row in rows("Error and warning codes").items():
        expected = "" if row[1] == "warning" else str(int(closing.CLOSE_CODES.get(code, CloseCode.BAD_REQUEST)))
        assert row[2] == expected, code


def test_every_error_of_inference_is_listed_with_whether_to_try_again() -> None:
    listed = rows("Error and warning codes")
    for kind in errors.InferenceError.__subclasses__():
        if kind.code not in NEVER_ON_THE_SOCKET and kind.__module__ == errors.__name__:
            assert listed[kind.code][3] == ("yes" if kind.is_retryable else "no"), kind.code


def test_every_close_code_is_listed_and_no_other() -> None:
    assert {(int(number), row[1].strip("`")) for number, row in rows("Close codes").items()} == {
        (code.value, code.name) for code in CloseCode
    }


@pytest.mark.parametrize("what", sorted(LIMITS))
def test_every_limit_is_the_one_of_the_code(what: str) -> None:
    assert rows("Limits")[what][1].split()[0] == str(LIMITS[what])


def test_times_in_the_text_are_those_of_the_code() -> None:
    assert f"{results.LAG_MS} ms or more" in SECTIONS["`lag`"]
    assert f"every {results.LAG_EVERY_S:g} seconds" in SECTIONS["`lag`"]
    assert rows("`ready`")["heartbeat_s"][2].count(f": {protocol.HEARTBEAT_S}.") == 1
    assert rows("`ready`")["window_ms"][2].endswith(f": {arrival.WINDOW_MS}.")
