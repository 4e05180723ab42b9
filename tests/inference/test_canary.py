"""The canary: what a model must not get away with."""

import pytest

from inference.canary import MAX_S, check, hear
from inference.engines.fake import FakeEngine, Faults
from inference.errors import CanaryError
from inference.messages import Canary
from tests.inference.worker import say

CANARY = Canary(payload=say("alpha bravo charlie delta"), text="Alpha, bravo: charlie DELTA.", language="en")


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
