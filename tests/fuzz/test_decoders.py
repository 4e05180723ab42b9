"""Some thousand damaged inputs for every decoder: each is decoded or refused, and nothing else happens. `make fuzz` goes on."""

import numpy as np
import pytest

from inference import audio
from tests.fuzz import decoders
from tests.fuzz.decoders import TARGETS, mutate, seeds
from transcription.parsing import ProtocolError
from transcription.session.intake import ReliableIntake

NUM_TRIED = {"parse": 1_500, "frames": 1_500, "samples": 1_500, "containers": 250}
PATIENCE_S = 60.0


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_bytes_are_decoded_or_refused(target: str) -> None:
    assert mutate(target, PATIENCE_S, seed=17, most=NUM_TRIED[target]) == NUM_TRIED[target]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_sound_is_where_the_search_begins(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


def test_a_parser_that_breaks_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "parse", lambda text: text.index("type"))

    with pytest.raises((ValueError, AttributeError)):
        mutate("parse", PATIENCE_S, seed=17, most=100)


def test_a_refusal_without_a_sentence_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(_text: str) -> None:
        raise ProtocolError("invalid_json", "")

    monkeypatch.setattr(decoders, "parse", parse)

    with pytest.raises(AssertionError):
        mutate("parse", PATIENCE_S, seed=17, most=1)


def test_frames_that_are_miscounted_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    push = ReliableIntake.push
    monkeypatch.setattr(ReliableIntake, "push", lambda intake, message, now_s: 2 * push(intake, message, now_s))

    with pytest.raises(AssertionError):
        mutate("frames", PATIENCE_S, seed=17, most=100)


def test_samples_that_are_no_numbers_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "decode_pcm", lambda *given: audio.decode_pcm(*given) + np.float32("nan"))

    with pytest.raises(AssertionError):
        mutate("samples", PATIENCE_S, seed=17, most=100)
