"""The canary: how words are compared, and what a model must not get away with."""

import pytest

from inference.canary import MAX_S, check, hear, word_error_rate, words
from inference.engines.fake import FakeEngine, Faults
from inference.errors import CanaryError
from inference.messages import Canary
from tests.inference.worker import say

CANARY = Canary(payload=say("alpha bravo charlie delta"), text="Alpha, bravo: charlie DELTA.", language="en")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("It's 5\u202fo\u2019clock\u2014now", ["its", "5", "oclock", "now"]),
        ("Grüße aus Köln", ["grüsse", "aus", "köln"]),
        ("今天天气很好。", ["今", "天", "天", "气", "很", "好"]),
        ("supercalifragilistic", ["supercalifragilistic"]),
        ("", []),
    ],
)
def test_case_punctuation_and_width_do_not_count(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a b c d", 0.0), ("a x c d", 0.25), ("a c d", 0.25), ("a b b c d", 0.25), ("", 1.0), ("w x y z q", 1.25)],
)
def test_every_word_too_few_too_many_or_wrong_counts_once(text: str, expected: float) -> None:
    assert word_error_rate("a b c d", text) == expected


def test_a_model_that_hears_rightly_passes() -> None:
    heard = hear(FakeEngine(), CANARY)

    assert (heard.text, heard.wer) == ("alpha bravo charlie delta", 0.0)
    assert heard.rtf < 1.0


def test_a_model_that_hears_nothing_is_refused_with_what_it_wrote() -> None:
    with pytest.raises(
        CanaryError, match=r"fake wrote '' where 'Alpha, .*' is said: 100% of the words are wrong, and 20% may be"
    ):
        hear(FakeEngine(Faults(is_mute=True)), CANARY)


def test_a_model_that_computes_too_long_is_refused_unless_only_the_first_time_was_slow() -> None:
    slow = Canary(payload=CANARY.payload, text=CANARY.text, language="en", max_rtf=0.5)
    ticks = iter([0.0, 10.0, 10.0, 10.1])

    assert hear(FakeEngine(), slow, lambda: next(ticks)).rtf < 0.5
    with pytest.raises(CanaryError, match=r"fake computed 6\.25 s for a second of audio, and 0\.50 s may be"):
        hear(FakeEngine(), slow, iter(range(0, 100, 10)).__next__)


def test_a_model_that_does_not_know_the_language_is_refused() -> None:
    with pytest.raises(CanaryError, match="The canary is in fi, which fake does not know"):
        hear(FakeEngine(), Canary(payload=CANARY.payload, text="yksi", language="fi"))


@pytest.mark.parametrize(
    "canary",
    [
        Canary(payload=b"", text="alpha", language="en"),
        Canary(payload=bytes(3), text="alpha", language="en"),
        Canary(payload=bytes((MAX_S + 1) * 32_000), text="alpha", language="en"),
        Canary(payload=bytes(32_000), text="...", language="en"),
    ],
    ids=["no audio", "half a sample", "too long", "no words"],
)
def test_a_recording_that_proves_nothing_is_refused(canary: Canary) -> None:
    with pytest.raises(CanaryError, match=r"The canary has \d+ bytes of audio and \d words; expected"):
        check(canary)
