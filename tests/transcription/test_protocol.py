"""Wire messages: every one found by walking the module round-trips, fits the schema, and bad ones are told what is wrong."""

import inspect
import json
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from tests.stream_client import validator
from transcription import protocol
from transcription.parsing import MAX_JSON_DEPTH, MAX_UNKNOWN_NAMED, ProtocolError, parse
from transcription.protocol import (
    CLIENT_MESSAGES,
    MAX_TEXT_CHARS,
    SERVER_MESSAGES,
    ClientMessage,
    CloseCode,
    Configure,
    Ping,
    ServerMessage,
    Start,
    json_schema,
    serialise,
)


def concrete(base: type) -> set[type]:
    return {kind for _name, kind in inspect.getmembers(protocol, inspect.isclass) if issubclass(kind, base) and kind is not base}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{field.name: values(field.type) for field in msgspec.structs.fields(kind)})


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values within the limits that a field's type states."""
    meta = msgspec.Meta()
    if get_origin(kind) is Annotated:
        kind, meta = get_args(kind)
    if get_origin(kind) in {UnionType, Union}:  # the second where a part is Annotated
        return st.one_of(*(values(part) for part in get_args(kind) if part is not msgspec.UnsetType))
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is list:
        return st.lists(values(get_args(kind)[0]), min_size=meta.min_length or 0, max_size=3)
    if get_origin(kind) is dict:
        return st.dictionaries(*map(values, get_args(kind)), max_size=3)
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        return values_of(kind)
    return scalars(kind, meta)


def scalars(kind: type, meta: msgspec.Meta) -> st.SearchStrategy[Any]:
    if kind is str:
        return st.text(min_size=meta.min_length or 0, max_size=meta.max_length or 20)
    if kind is int:
        low, high = meta.ge or 0, meta.le or 2**40
        return st.integers(int(low), int(high))
    if kind is float:
        return st.floats(meta.ge or 0, meta.le or 1e6, allow_nan=False)
    return st.from_type(kind)


def test_the_lists_name_every_message() -> None:
    assert concrete(ClientMessage) == set(CLIENT_MESSAGES)
    assert concrete(ServerMessage) == set(SERVER_MESSAGES)


@pytest.mark.parametrize("kind", CLIENT_MESSAGES)
def test_every_client_message_round_trips_and_fits_the_schema(kind: type[ClientMessage]) -> None:
    @settings(deadline=None, max_examples=40)
    @given(values_of(kind))
    def check(message: ClientMessage) -> None:
        text = serialise(message)
        parsed = parse(text)
        assert (parsed.message, parsed.unknown) == (message, ())
        validator("client").validate(json.loads(text))

    check()


@pytest.mark.parametrize("kind", SERVER_MESSAGES)
def test_every_server_message_round_trips_and_fits_the_schema(kind: type[ServerMessage]) -> None:
    @settings(deadline=None, max_examples=40)
    @given(values_of(kind))
    def check(message: ServerMessage) -> None:
        text = serialise(message)
        assert msgspec.json.decode(text, type=kind) == message
        validator("server").validate(json.loads(text))

    check()


def test_the_schema_is_a_schema_and_refuses_what_is_no_message() -> None:
    Draft202012Validator.check_schema(json_schema())
    with pytest.raises(ValidationError):
        validator("server").validate({"type": "partial", "segment": "one"})
    with pytest.raises(ValidationError):
        validator("client").validate({"type": "ready"})


def test_an_empty_start_is_what_a_bare_client_gets() -> None:
    assert parse('{"type":"start"}').message == Start()


def start(**fields: Any) -> str:
    return json.dumps({"type": "start"} | fields)


@pytest.mark.parametrize(
    ("text", "code", "came", "expected"),
    [
        ("", "invalid_json", "not JSON", "binary frames"),
        ("hello", "invalid_json", "not JSON", "binary frames"),
        ('{"type":"ping","id":"\\ud800"}', "invalid_json", "not JSON", "binary frames"),
        ('{"type":"start","sample_rate":1e400}', "invalid_json", "not JSON", "binary frames"),
        ("[]", "invalid_message", "list", "object"),
        ("null", "invalid_message", "NoneType", "object"),
        ('"start"', "invalid_message", "str", "object"),
        ("{}", "invalid_message", "None", "start"),
        ('{"type":7}', "invalid_message", "7", "start"),
        ('{"type":{}}', "invalid_message", "{}", "start"),
        ('{"type":"begin"}', "unknown_message", "'begin'", "start"),
        ('{"type":"done"}', "unknown_message", "'done'", "start"),
        ("[" * (MAX_JSON_DEPTH + 1), "invalid_json", "deeper", str(MAX_JSON_DEPTH)),
        ("x" * (MAX_TEXT_CHARS + 1), "message_too_long", str(MAX_TEXT_CHARS + 1), str(MAX_TEXT_CHARS)),
        (start(encoding="aiff"), "unsupported_encoding", "'aiff'", "pcm_s16le"),
        (start(encoding=1), "unsupported_encoding", "1", "pcm_s16le"),
        (start(sample_rate=7_999), "unsupported_sample_rate", "7999", "8000"),
        (start(sample_rate=48_001), "unsupported_sample_rate", "48001", "48000"),
        (start(sample_rate="16000"), "unsupported_sample_rate", "'16000'", "whole number"),
        (start(sample_rate=None), "unsupported_sample_rate", "None", "whole number"),
        (start(channels=0), "unsupported_channels", "0", "1 or 2"),
        (start(language=""), "invalid_option", "language is ''", "expected"),
        (start(language=[]), "invalid_option", "language is []", "expected"),
        (start(language=[7]), "invalid_option", "language is [7]", "expected"),
        (start(model=5), "invalid_option", "model is 5", "expected"),
        (start(model="m" * 300), "invalid_option", "model is 'mmm", "expected"),
        (start(interim="yes"), "invalid_option", "interim is 'yes'", "expected"),
        (start(words=1), "invalid_option", "words is 1", "expected"),
        (start(hotwords=["x"] * 101), "invalid_option", "hotwords is", "100"),
        (start(hotwords=[""]), "invalid_option", "hotwords is ['']", "expected"),
        (start(endpoint_ms=99), "invalid_option", "endpoint_ms is 99", "100"),
        (start(endpoint_ms=0.5), "invalid_option", "endpoint_ms is 0.5", "expected"),
        (start(max_segment_s=30), "invalid_option", "max_segment_s is 30", "29"),
        (start(metadata=[]), "invalid_option", "metadata is []", "expected"),
        (start(metadata={"a": {}}), "invalid_option", "metadata is {'a': {}}", "expected"),
        (start(metadata={"a": "x" * 1025}), "invalid_option", "metadata is", "1024"),
        ('{"type":"configure","endpoint_ms":null}', "invalid_option", "endpoint_ms is None", "expected"),
        ('{"type":"ping","id":[]}', "invalid_option", "id is []", "expected"),
    ],
)
def test_what_cannot_be_used_is_answered_with_what_came_and_what_was_expected(
    text: str, code: str, came: str, expected: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(text)

    assert caught.value.code == code
    assert came in caught.value.message
    assert expected in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (start(sampel_rate=8000), "The option 'sampel_rate' is unknown and was ignored. Did you mean sample_rate?"),
        (start(xyzzy=1), "The option 'xyzzy' is unknown and was ignored. Known options: channels,"),
        ('{"type":"end","now":true}', "The option 'now' is unknown and was ignored. Known options: samples, type."),
    ],
)
def test_an_unknown_option_is_named_with_a_hint(text: str, sentence: str) -> None:
    (warning,) = parse(text).unknown

    assert warning.startswith(sentence)


def test_of_many_unknown_options_only_the_first_are_named() -> None:
    unknown = parse(start(**{f"option_{number}": 1 for number in range(1_000)})).unknown

    assert len(unknown) == MAX_UNKNOWN_NAMED + 1
    assert unknown[-1] == f"{1_000 - MAX_UNKNOWN_NAMED} more unknown options were ignored."


def test_an_option_that_is_left_out_stays_as_it_was() -> None:
    message = parse('{"type":"configure","interim":false}').message

    assert message == Configure(interim=False)


def test_a_ping_brings_its_id_back_unchanged() -> None:
    assert parse('{"type":"ping","id":1180591620717411303424}').message == Ping(id=2**70)


@settings(deadline=None, max_examples=200)
@given(
    st.text(max_size=200) | st.from_regex(r'\{"type": ?"(start|configure|ping)", ?"[a-z_]{1,12}": ?[\[\]{}0-9a-z",:.-]{0,20}\}')
)
def test_whatever_text_comes_is_read_or_refused(text: str) -> None:
    try:
        outcome = parse(text).message.__class__.__name__
    except ProtocolError as err:
        outcome = err.code
    known_codes = {"invalid_json", "invalid_message", "unknown_message", "invalid_option"}
    assert outcome in known_codes | {kind.__name__ for kind in CLIENT_MESSAGES} or outcome.startswith("unsupported_")


def test_close_codes_are_those_that_are_documented() -> None:
    assert sorted(CloseCode) == [1000, 1001, 1008, 1011, 1013, 4400, 4401, 4403, 4404, 4408]
