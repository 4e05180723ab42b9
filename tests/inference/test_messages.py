"""Every message of the link, found by walking the module, survives the trip through MessagePack."""

import inspect
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import messages
from inference.messages import (
    AnyEvent,
    AnyRequest,
    Checkpoint,
    ConfigureStream,
    Event,
    OpenStream,
    Request,
    StreamOptions,
    encoder,
    event_decoder,
    request_decoder,
)


def leaves(base: type) -> list[type]:
    """The classes of the module that can be sent: those with a tag of their own."""
    found = [kind for _name, kind in inspect.getmembers(messages, inspect.isclass) if issubclass(kind, base)]
    return [kind for kind in found if not any(kind in other.__bases__ for other in found)]


def values_of(kind: type) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{field.name: values(field.type) for field in msgspec.structs.fields(kind)})


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values that MessagePack can hold; an option that is left out stays away."""
    if kind is int:
        return st.integers(0, 2**40)
    if kind is float:
        return st.floats(0, 1e6)
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        return values_of(kind)
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=3).map(tuple)
    if get_origin(kind) is UnionType:
        return st.one_of(*(values(part) for part in get_args(kind) if part is not msgspec.UnsetType))
    return st.from_type(kind)


def test_the_unions_name_every_message() -> None:
    assert set(get_args(AnyRequest)) == set(leaves(Request))
    assert set(get_args(AnyEvent)) == set(leaves(Event))


@pytest.mark.parametrize("kind", leaves(Request))
def test_every_request_round_trips(kind: type) -> None:
    @settings(deadline=None, max_examples=25)
    @given(values_of(kind))
    def check(message: Any) -> None:
        assert request_decoder.decode(encoder.encode([message])) == [message]

    check()


@pytest.mark.parametrize("kind", leaves(Event))
def test_every_event_round_trips(kind: type) -> None:
    @settings(deadline=None, max_examples=25)
    @given(values_of(kind))
    def check(message: Any) -> None:
        assert event_decoder.decode(encoder.encode([message])) == [message]

    check()


@pytest.mark.parametrize("kind", [*leaves(Request), *leaves(Event)])
def test_no_two_messages_share_a_tag(kind: Any) -> None:
    kinds: list[Any] = [*leaves(Request), *leaves(Event)]
    tags = [other.__struct_config__.tag for other in kinds]

    assert tags.count(kind.__struct_config__.tag) == 1


def test_a_request_is_no_event() -> None:
    body = encoder.encode([OpenStream(stream=1, options=StreamOptions())])

    with pytest.raises(msgspec.ValidationError):
        event_decoder.decode(body)


def test_a_change_touches_only_what_it_gives() -> None:
    options = StreamOptions(languages=("en",), endpoint_ms=700, sample_rate_hz=8_000)

    changed = ConfigureStream(stream=1, languages=()).applied_to(options)

    assert changed == StreamOptions(languages=(), endpoint_ms=700, sample_rate_hz=8_000)


def test_a_checkpoint_counts_speech_and_silence() -> None:
    assert Checkpoint(transcribed_samples=3, silence_samples=4).settled_samples == 7
