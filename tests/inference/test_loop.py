"""The recognition loop, its steps run by hand: no thread, no socket, the scripted engine."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from inference.audio import to_samples
from inference.decoding.lms import LanguageModels
from inference.engines.base import Hypothesis, Window
from inference.engines.fake import FakeEngine, FakeState, Faults
from inference.loop import RecognitionLoop
from inference.messages import (
    AnyStreamEvent,
    AudioChunk,
    CancelStream,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    ModelInfo,
    OpenStream,
    StreamDone,
    StreamFailed,
    StreamOpened,
    StreamOptions,
    TranscriptFinal,
    TranscriptUpdated,
)
from inference.vad import LevelVad
from tests.inference.worker import say

LINK = 1
SENTENCE_END_S = 1.0


@dataclass
class CountingEngine(FakeEngine):
    """Remembers how many windows each step had, and whether they were final."""

    batches: list[tuple[int, bool]] = field(default_factory=list)

    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        self.batches.append((len(batch), batch[0].is_final))
        return FakeEngine.step(self, batch)


class Leak:
    """Hands row 0's text to every row: what the isolation tests must notice."""

    @staticmethod
    def step(engine: FakeEngine, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        first = engine._read(batch[0])
        return [first for _ in batch]


@dataclass
class Bench:
    """A loop and what it delivered."""

    engine: FakeEngine
    max_streams: int = 100
    max_batch: int = 16
    delivered: list[tuple[int, AnyStreamEvent]] = field(default_factory=list)
    language_models: LanguageModels | None = None

    def __post_init__(self) -> None:
        self.loop = RecognitionLoop(
            {self.engine.info.name: self.engine},
            LevelVad(),
            lambda link, events: self.delivered.extend((link, event) for event in events),
            max_streams=self.max_streams,
            max_batch=self.max_batch,
            language_models=self.language_models,
        )

    def open(self, stream: int, link: int = LINK, **options: object) -> None:
        self.loop.submit(link, [OpenStream(stream=stream, options=StreamOptions(**options))])  # type: ignore[arg-type]  # by name

    def hear(self, stream: int, pcm: bytes, link: int = LINK) -> None:
        self.loop.submit(link, [AudioChunk(stream=stream, payload=pcm)])

    def end(self, stream: int, link: int = LINK) -> None:
        self.loop.submit(link, [EndStream(stream=stream)])

    def turn(self) -> None:
        """One turn of the loop."""
        self.loop.take(wait=False)
        self.loop.judge()
        self.loop.send()
        self.loop.step()
        self.loop.send()

    def run_dry(self) -> None:
        self.turn()
        while self.loop.has_work():
            self.turn()

    def events(self, stream: int, link: int = LINK) -> list[AnyStreamEvent]:
        return [event for its_link, event in self.delivered if its_link == link and event.stream == stream]

    def text(self, stream: int, link: int = LINK) -> str:
        finals = [event for event in self.events(stream, link) if isinstance(event, TranscriptFinal)]
        return " ".join(final.text for final in finals if final.text)


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine()


@pytest.fixture
def bench(engine: CountingEngine) -> Bench:
    return Bench(engine)


def test_a_stream_is_opened_heard_and_done(bench: Bench) -> None:
    bench.open(5)
    bench.hear(5, say("alpha bravo"))
    bench.end(5)

    bench.run_dry()

    events = bench.events(5)
    assert events[0] == StreamOpened(stream=5, model="fake", language="auto")
    assert bench.text(5) == "alpha bravo"
    assert isinstance(events[-1], StreamDone)
    assert events[-1].checkpoint.settled_samples == len(say("alpha bravo")) // 2
    assert bench.loop.clients == {}


def test_partials_come_while_somebody_speaks(bench: Bench) -> None:
    bench.open(5)
    for word in ["alpha", "bravo", "charlie", "delta"]:
        bench.hear(5, say(word))
        bench.run_dry()

    partials = [event.text for event in bench.events(5) if isinstance(event, TranscriptUpdated)]
    assert partials[-1].startswith("alpha bravo charlie")
    assert all(later.startswith(earlier) for earlier, later in zip(partials, partials[1:], strict=False))


def test_streams_that_wait_together_share_a_step(bench: Bench, engine: CountingEngine) -> None:
    for stream in range(5):
        bench.open(stream)
        bench.hear(stream, say("alpha bravo charlie"))

    bench.turn()

    assert engine.batches == [(5, False)]


def test_every_window_carries_the_hotwords_of_its_own_stream(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    expected: dict[str, tuple[str, ...]] = {}

    def step(engine: FakeEngine, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        heard = FakeEngine.step(engine, batch)
        expected.update({hypothesis.text: window.hotwords for window, hypothesis in zip(batch, heard, strict=True)})
        return heard

    monkeypatch.setattr(CountingEngine, "step", step)
    for stream, (word, hotwords) in enumerate((("alpha", ("Hark",)), ("bravo", ()), ("charlie", ("Emacs", "Ruthwaite")))):
        bench.open(stream, interim=False, hotwords=hotwords)
        bench.hear(stream, say(word))
        bench.end(stream)
    bench.run_dry()

    assert expected == {"alpha": ("Hark",), "bravo": (), "charlie": ("Emacs", "Ruthwaite")}


def test_a_batch_is_no_larger_than_allowed(engine: CountingEngine) -> None:
    bench = Bench(engine, max_batch=2)
    for stream in range(5):
        bench.open(stream)
        bench.hear(stream, say("alpha bravo charlie"))
        bench.end(stream)

    bench.run_dry()

    assert max(size for size, _is_final in engine.batches) == 2
    assert [bench.text(stream) for stream in range(5)] == ["alpha bravo charlie"] * 5


def test_a_final_goes_before_the_partials_of_others(bench: Bench, engine: CountingEngine) -> None:
    bench.open(1)
    bench.open(2)
    bench.hear(1, say("alpha bravo charlie"))
    bench.hear(2, say("delta", SENTENCE_END_S))

    bench.turn()

    assert engine.batches == [(1, True)]
    assert bench.text(2) == "delta"


def watermarks(bench: Bench) -> list[str]:
    """Texts of eight streams on two links, each of which says a word of its own, all at once."""
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"]
    for number, word in enumerate(words):
        link, stream = number % 2, number // 2
        bench.open(stream, link)
        bench.hear(stream, say(f"{word} {word} {word}", SENTENCE_END_S), link)
        bench.end(stream, link)
    bench.run_dry()
    return [bench.text(number // 2, number % 2) for number in range(len(words))]


EIGHT_TEXTS = [" ".join([word] * 3) for word in ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"]]


def test_every_stream_hears_its_own_words_only(bench: Bench) -> None:
    assert watermarks(bench) == EIGHT_TEXTS


def test_the_watermarks_would_show_a_leak_between_streams(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: here the engine mixes its rows up."""
    monkeypatch.setattr(CountingEngine, "step", Leak.step)

    assert watermarks(bench) != EIGHT_TEXTS


def test_only_the_stream_that_the_engine_fails_on_is_told_so() -> None:
    bench = Bench(FakeEngine(Faults(fail_on="zulu")))
    for stream, text in enumerate(["alpha bravo", "yankee zulu", "charlie delta"]):
        bench.open(stream)
        bench.hear(stream, say(text, SENTENCE_END_S))
        bench.end(stream)

    bench.run_dry()

    failed = bench.events(1)[-1]
    assert isinstance(failed, StreamFailed)
    assert (failed.code, failed.retryable) == ("recognition_failed", True)
    assert [bench.text(0), bench.text(2)] == ["alpha bravo", "charlie delta"]
    assert bench.loop.clients == {}


def test_the_log_says_which_session_could_not_be_recognised(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(FakeEngine(Faults(fail_on="zulu")))
    bench.loop.submit(LINK, [OpenStream(stream=3, options=StreamOptions(), session="7d1f")])
    bench.hear(3, say("yankee zulu"))
    bench.end(3)

    bench.run_dry()

    (told,) = [record for record in caplog.records if "could not recognise" in record.message]
    assert (vars(told)["session"], vars(told)["stream"]) == ("7d1f", 3)


def test_audio_that_cannot_be_read_fails_its_own_stream_only(bench: Bench) -> None:
    bench.open(1)
    bench.open(2)
    bench.hear(1, b"odd")
    bench.hear(2, say("alpha bravo"))
    bench.end(2)

    bench.run_dry()

    failed = bench.events(1)[-1]
    assert isinstance(failed, StreamFailed)
    assert failed.code == "recognition_failed"
    assert bench.text(2) == "alpha bravo"


def test_a_client_gone_in_mid_speech_leaves_nothing_behind(bench: Bench) -> None:
    bench.open(1)
    bench.open(1, link=2)
    bench.hear(1, say("alpha bravo charlie"))
    bench.hear(1, say("delta echo foxtrot"), link=2)
    bench.turn()

    bench.loop.drop_link(1)
    bench.end(1, link=2)
    before = len(bench.events(1))
    bench.run_dry()

    assert len(bench.events(1)) == before
    assert bench.text(1, link=2) == "delta echo foxtrot"
    assert bench.loop.clients == {}


def test_a_cancelled_stream_is_told_nothing_more(bench: Bench) -> None:
    bench.open(1)
    bench.hear(1, say("alpha bravo charlie", SENTENCE_END_S))
    bench.loop.submit(LINK, [CancelStream(stream=1)])
    bench.hear(1, say("delta"))
    bench.end(1)

    bench.run_dry()

    assert bench.events(1) == []


def test_more_streams_than_allowed_are_refused_and_a_free_place_is_used_again(engine: CountingEngine) -> None:
    bench = Bench(engine, max_streams=1)
    bench.open(1)
    bench.open(2)
    bench.turn()
    refused = bench.events(2)[-1]
    bench.end(1)
    bench.run_dry()

    bench.open(3)
    bench.hear(3, say("alpha bravo"))
    bench.end(3)
    bench.run_dry()

    assert isinstance(refused, StreamFailed)
    assert (refused.code, refused.retryable, refused.retry_after_s) == ("server_full", True, 10)
    assert bench.text(3) == "alpha bravo"


@pytest.mark.parametrize(
    ("languages", "multilingual", "wanted", "expected"),
    [
        (("en",), False, ("en",), True),
        (("en",), False, (), False),
        (("en",), False, ("de",), False),
        (("en", "de"), True, (), True),
        (("en", "de"), True, ("de", "en"), True),
        (("en", "de"), True, ("de", "xx"), False),
        ((), True, ("xx",), True),
    ],
)
def test_which_model_can_serve_which_languages(
    languages: tuple[str, ...], multilingual: bool, wanted: tuple[str, ...], expected: bool
) -> None:
    info = ModelInfo(name="m", engine="fake", languages=languages, multilingual=multilingual)

    assert info.can_serve(wanted) is expected


def test_a_finalize_with_nothing_said_needs_no_engine(bench: Bench, engine: CountingEngine) -> None:
    bench.open(1)
    bench.loop.submit(LINK, [FinalizeStream(stream=1)])

    bench.run_dry()

    finals = [event for event in bench.events(1) if isinstance(event, TranscriptFinal)]
    assert [(final.text, final.from_finalize) for final in finals] == [("", True)]
    assert engine.batches == []


def test_a_change_of_language_counts_for_the_next_segment(bench: Bench) -> None:
    bench.open(1, languages=("en",))
    bench.hear(1, say("alpha bravo", SENTENCE_END_S))
    bench.run_dry()
    bench.loop.submit(LINK, [ConfigureStream(stream=1, languages=("de",))])
    bench.hear(1, say("charlie delta"))
    bench.end(1)

    bench.run_dry()

    finals = [event for event in bench.events(1) if isinstance(event, TranscriptFinal)]
    assert [final.language for final in finals] == ["en", "de"]


def test_a_language_that_no_model_knows_changes_nothing(bench: Bench) -> None:
    bench.open(1, languages=("en",))
    bench.loop.submit(LINK, [ConfigureStream(stream=1, languages=("xx",))])
    bench.hear(1, say("alpha bravo"))
    bench.end(1)

    bench.run_dry()

    finals = [event for event in bench.events(1) if isinstance(event, TranscriptFinal)]
    assert [(final.text, final.language) for final in finals] == [("alpha bravo", "en")]


def test_a_stream_far_behind_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.open(1)
    bench.open(2)
    bench.hear(1, say("alpha " * 200))
    bench.hear(2, say("bravo charlie"))
    bench.end(2)
    for _ in range(3):
        bench.turn()

    assert bench.text(2) == "bravo charlie"


def test_words_stand_where_they_were_said(bench: Bench) -> None:
    silence = np.zeros(to_samples(2_000), dtype="<i2").tobytes()
    bench.open(1)
    bench.hear(1, silence + say("alpha bravo"))
    bench.end(1)

    bench.run_dry()

    (final,) = [event for event in bench.events(1) if isinstance(event, TranscriptFinal)]
    assert [(word.text, round(word.start_ms, -1)) for word in final.words] == [("alpha", 2_000), ("bravo", 2_400)]
    assert all(0 <= word.end_ms - word.start_ms - 300 <= 1 for word in final.words)


def test_stop_ends_the_loop_while_it_waits(bench: Bench) -> None:
    bench.loop.stop()

    bench.loop.run()
