"""Streams whose language model is being read, and the others meanwhile."""

import logging
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from inference import held
from inference.decoding import lms
from inference.decoding.language_model import LanguageModel
from inference.decoding.lms import LanguageModels
from inference.engines.fake import FakeEngine
from inference.errors import LanguageModelError
from inference.messages import CancelStream, ConfigureStream, StreamDone, StreamOpened, TranscriptFinal
from tests.inference.decoding.lm_of import folder_of
from tests.inference.test_loop import LINK, Bench
from tests.inference.worker import say


@pytest.fixture
def may_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Nothing is read before it is set."""
    event, read = Event(), lms._in_folder

    def wait_and_read(path: Path) -> LanguageModel:
        assert event.wait(30)
        return read(path)

    monkeypatch.setattr(lms, "_in_folder", wait_and_read)
    yield event
    event.set()


@pytest.fixture
def bench(may_read: Event, tmp_path: Path) -> Bench:
    for name in ("orders", "names"):
        folder_of(tmp_path / name, "a b")
    return Bench(FakeEngine(), language_models=LanguageModels(tmp_path))


def speak(bench: Bench, stream: int, text: str) -> None:
    bench.hear(stream, say(text))
    bench.end(stream)


def texts(bench: Bench, stream: int) -> list[str]:
    return [event.text for event in bench.events(stream) if isinstance(event, TranscriptFinal)]


def go_on(bench: Bench) -> None:
    """When somebody tells the loop to."""
    bench.loop.take(wait=True)
    bench.run_dry()


def test_a_stream_waits_until_its_language_model_is_read_and_nobody_else_does(bench: Bench, may_read: Event) -> None:
    bench.open(1, language_model="orders")
    bench.open(2)
    bench.open(3, language_model="none")
    for stream in (1, 2, 3):
        speak(bench, stream, "alpha")

    bench.run_dry()

    assert [type(event) for event in bench.events(1)] == [StreamOpened]
    assert (texts(bench, 2), texts(bench, 3)) == (["alpha"], ["alpha"])

    may_read.set()
    go_on(bench)

    assert texts(bench, 1) == ["alpha"]
    assert isinstance(bench.events(1)[-1], StreamDone)


def test_it_is_read_once_for_all_who_wait(bench: Bench, may_read: Event, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for stream in (1, 2):
        bench.open(stream, language_model="orders")
        speak(bench, stream, "alpha")
    bench.run_dry()

    may_read.set()
    while not (texts(bench, 1) and texts(bench, 2)):
        go_on(bench)

    assert len([line for line in caplog.messages if line.startswith("language model orders is read")]) == 1


def test_what_comes_behind_a_change_waits_too(bench: Bench, may_read: Event) -> None:
    bench.open(1)
    bench.hear(1, say("alpha") + bytes(2 * 16_000))
    bench.loop.submit(LINK, [ConfigureStream(stream=1, language_model="orders")])
    speak(bench, 1, "bravo")
    bench.run_dry()

    assert texts(bench, 1) == ["alpha"]

    may_read.set()
    go_on(bench)

    assert texts(bench, 1) == ["alpha", "bravo"]


def test_a_change_among_what_waits_makes_the_rest_wait_for_that(bench: Bench, may_read: Event) -> None:
    bench.open(1, language_model="orders")
    bench.hear(1, say("alpha"))
    bench.loop.submit(LINK, [ConfigureStream(stream=1, language_model="names")])
    speak(bench, 1, "bravo")
    bench.run_dry()

    may_read.set()
    while not isinstance(bench.events(1)[-1], StreamDone):
        go_on(bench)

    assert " ".join(texts(bench, 1)) == "alpha bravo"
    assert bench.loop.language_models.is_ready("names")


def test_one_that_is_damaged_holds_nobody_up_for_long(bench: Bench, may_read: Event, tmp_path: Path) -> None:
    (tmp_path / "orders/lexicon.txt").unlink()
    bench.open(1, language_model="orders")
    speak(bench, 1, "alpha")
    bench.run_dry()

    may_read.set()
    go_on(bench)

    assert texts(bench, 1) == ["alpha"]
    with pytest.raises(LanguageModelError):
        bench.loop.language_models.get("orders")


def test_a_change_to_one_whose_reading_breaks_is_waited_for_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def run_out_of_memory(_path: Path) -> LanguageModel:
        raise MemoryError

    monkeypatch.setattr(lms, "_in_folder", run_out_of_memory)
    bench.open(1)
    bench.loop.submit(LINK, [ConfigureStream(stream=1, language_model="orders")])
    speak(bench, 1, "alpha")
    bench.run_dry()

    go_on(bench)

    assert texts(bench, 1) == ["alpha"]
    assert caplog.messages.count("language model orders: reading it broke") == 1


def test_one_that_takes_too_long_is_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(held, "MAX_HELD_S", 0.0)
    bench.open(1, language_model="orders")
    speak(bench, 1, "alpha")
    bench.run_dry()

    while not texts(bench, 1):
        go_on(bench)

    assert "stream 1 goes on without the language model orders: reading it takes too long" in caplog.messages


def test_a_change_to_one_that_takes_too_long_is_waited_for_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(held, "MAX_HELD_S", 0.0)
    bench.open(1)
    bench.loop.submit(LINK, [ConfigureStream(stream=1, language_model="orders")])
    speak(bench, 1, "alpha")
    bench.run_dry()
    go_on(bench)

    assert texts(bench, 1) == ["alpha"]
    assert caplog.text.count("reading it takes too long") == 1


@pytest.mark.parametrize("is_lost", [False, True])
def test_nothing_is_heard_of_one_that_is_over_meanwhile(bench: Bench, may_read: Event, *, is_lost: bool) -> None:
    bench.open(1, language_model="orders")
    speak(bench, 1, "alpha")
    bench.run_dry()

    if is_lost:
        bench.loop.drop_link(LINK)
    else:
        bench.loop.submit(LINK, [CancelStream(stream=1)])
    bench.run_dry()
    may_read.set()
    go_on(bench)

    assert [type(event) for event in bench.events(1)] == [StreamOpened]
    assert not bench.loop.clients


def test_what_a_stream_waited_for_is_forgotten_with_it(bench: Bench) -> None:
    bench.open(1, language_model="orders")
    bench.loop.submit(LINK, [CancelStream(stream=1)])
    bench.open(1)
    speak(bench, 1, "alpha")

    bench.run_dry()

    assert texts(bench, 1) == ["alpha"]
