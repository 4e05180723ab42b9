"""Any order of anything breaks no promise of a session; and where one is broken, the machine notices."""

from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.conversation import Conversation
from transcription.intake import OFFSET, Piece, ReliableIntake
from transcription.session import StreamSession

SHORT = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[hypothesis.Phase.generate],  # what is found need not be made short: `make fuzz` does that
)


LONGER = settings(SHORT, max_examples=1_000, derandomize=True)
"""Ends with the first example that breaks a promise; it is the same every time."""


def test_a_thousand_random_steps_break_no_promise() -> None:
    run_state_machine_as_test(Conversation, settings=SHORT)


class TakesAnything(ReliableIntake):
    """Does not look at offsets."""

    def push(self, message: bytes, now_s: float) -> list[Piece]:
        payload = message[OFFSET.size :]
        self.num_frames += len(payload) // self.format.frame_bytes
        return [payload] if payload else []


def ends_twice(original: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    return lambda session, *given: [*(actions := original(session, *given)), *actions[-2:]]


def forgets_records(original: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    return lambda session, event: original(session, event)[1:]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("_finish", ends_twice),
        ("_on_final", forgets_records),
        ("_ended_if_whole", lambda _original: lambda _session: []),
    ],
)
def test_a_session_that_breaks_a_promise_would_be_noticed(monkeypatch: pytest.MonkeyPatch, name: str, spoil: Any) -> None:
    monkeypatch.setattr(StreamSession, name, spoil(getattr(StreamSession, name)))

    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(Conversation, settings=LONGER)


def test_audio_that_counts_twice_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReliableIntake, "push", TakesAnything.push)

    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(Conversation, settings=LONGER)
