"""A stream as the loop has it: what is forgotten with it, and that it ends once, alone."""

import logging

import pytest

from inference.clients import STREAM_FAILED, Client, Draft, about_stream, give_up, sparing_others
from inference.errors import MovedError, StepError
from inference.messages import StreamFailed, StreamOptions
from inference.stream import Stream
from tests.inference.test_moving import model


def a_stream(number: int = 7) -> Stream:
    return Stream(number, "old", StreamOptions(), session="7d1f")


def fail(stream: Stream, err: BaseException) -> None:
    with sparing_others(stream):
        raise err


def test_a_client_begins_with_a_state_of_its_own() -> None:
    engine = model("old")

    first, second = Client(1, a_stream(), engine), Client(1, a_stream(8), engine)

    assert engine.states == [id(first.state), id(second.state)]
    assert (first.draft, first.waiting_s) == (None, None)


def test_a_draft_is_forgotten_once() -> None:
    fast = model("fast")
    client = Client(1, a_stream(), model("old"))
    client.draft = Draft(fast, 1)
    known = list(fast.states)

    for _ in range(2):
        client.drop_draft()

    assert (len(known), fast.states) == (1, [])
    assert client.draft is None


def test_a_stream_that_is_given_up_says_why_and_is_done() -> None:
    stream = a_stream()

    give_up(stream, MovedError())

    (failed,) = stream.events
    assert isinstance(failed, StreamFailed)
    assert (failed.stream, failed.code, failed.retryable, failed.retry_after_s) == (7, "server_full", True, 10)
    assert stream.is_done


@pytest.mark.parametrize("is_failed", [True, False])
def test_a_stream_that_is_over_does_not_end_again(*, is_failed: bool) -> None:
    """Before it is forgotten a task may still find it, one that moves all streams of a model away say."""
    stream = a_stream()
    if is_failed:
        give_up(stream, StepError(STREAM_FAILED))
    else:
        stream.end()
        stream.settle()
    events = list(stream.events)

    give_up(stream, MovedError())
    fail(stream, RuntimeError("a fault was switched on"))

    assert stream.events == events
    assert len(events) == 1


def test_a_fault_ends_its_own_stream_and_is_logged_with_its_session(caplog: pytest.LogCaptureFixture) -> None:
    stream, other = a_stream(), a_stream(8)

    fail(stream, RuntimeError("a fault was switched on"))

    (failed,) = stream.events
    assert isinstance(failed, StreamFailed)
    assert (failed.code, failed.message, failed.retryable) == ("recognition_failed", STREAM_FAILED, True)
    assert (stream.is_done, other.is_done, other.events) == (True, False, [])
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "stream 7 failed")
    assert (vars(record)["session"], vars(record)["stream"]) == ("7d1f", 7)
    assert record.exc_info is not None


def test_where_nothing_goes_wrong_nothing_is_told() -> None:
    stream = a_stream()

    with sparing_others(stream):
        pass

    assert (stream.is_done, stream.events) == (False, [])


def test_a_process_that_is_told_to_stop_stops() -> None:
    stream = a_stream()

    with pytest.raises(KeyboardInterrupt):
        fail(stream, KeyboardInterrupt())

    assert not stream.is_done


def test_a_stream_without_a_session_is_called_by_its_number() -> None:
    assert about_stream(Stream(7, "old", StreamOptions())) == {"stream": 7}
