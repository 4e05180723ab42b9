"""Any order of anything breaks no promise of a session; and where one is broken, the machine notices."""

from collections.abc import Callable
from typing import Any, Final

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.conversation import Conversation
from transcription.session.intake import OFFSET, Piece, ReliableIntake
from transcription.session.stream_session import StreamSession

SHORT = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[hypothesis.Phase.generate],  # what is found need not be made short: `make fuzz` does that
)


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


def hears(machine: Conversation) -> None:
    """A reliable client, one final."""
    machine.begin("reliable", ("pcm_s16le", 16_000, 1), words=False)
    machine.send_on(8_000)
    machine.recognition_opens()
    machine.a_final_comes(0.5, from_finalize=False)


def ends_late(machine: Conversation) -> None:
    """A frame is lost; the client ends, and sends the frame again."""
    hears(machine)
    machine.leave_out(1_000, 4_000)
    machine.end(0)
    machine.send_what_is_wanted()


def repeats(machine: Conversation) -> None:
    hears(machine)
    machine.send_again(2_000, 4_000)


def ends(machine: Conversation) -> None:
    hears(machine)
    machine.end(0)
    machine.recognition_is_done()


def run(script: Callable[[Conversation], None]) -> None:
    """Raises: AssertionError where a promise is broken."""
    machine = Conversation()
    script(machine)
    machine.every_frame_is_handed_on_once()
    machine.memory_is_bounded()
    machine.a_session_that_is_over_has_said_so()
    machine.an_end_that_is_whole_reaches_recognition()
    machine.what_is_missing_is_waited_for()


FAULTS: Final[dict[str, tuple[type, str, Callable[..., Any], Callable[[Conversation], None]]]] = {
    "it ends twice": (StreamSession, "_finish", ends_twice, ends),
    "a final is told and not recorded": (StreamSession, "_on_final", forgets_records, hears),
    "a late end is forgotten": (StreamSession, "_ended_if_whole", lambda _original: lambda _session: [], ends_late),
    "audio counts twice": (ReliableIntake, "push", lambda _original: TakesAnything.push, repeats),
}
"""The class, its method, what takes the method's place, and the conversation that must notice."""


@pytest.mark.parametrize("script", [hears, ends_late, repeats, ends])
def test_a_session_that_breaks_no_promise_passes(script: Callable[[Conversation], None]) -> None:
    run(script)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_session_that_breaks_a_promise_is_noticed(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Step by step, as a search finds what it finds by the constants of all modules that happen to be loaded."""
    owner, name, spoil, script = FAULTS[fault]
    monkeypatch.setattr(owner, name, spoil(getattr(owner, name)))

    with pytest.raises(AssertionError):
        run(script)
