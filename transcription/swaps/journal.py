"""The record of a running swap: its state, its steps and its outcome, in its row, where the admin site reads them."""

from dataclasses import dataclass
from typing import Final, TypedDict

from django.utils import timezone

from inference.messages import ModelLoaded, ModelUnloaded
from transcription.metrics.meters import worker
from transcription.models import ModelSwap

MAX_STEPS: Final = 1000
"""A swap over a hundred processes that all make room has about so many; the row stays small enough to be read each second."""


class Step(TypedDict):
    """`at`: ISO 8601. `worker`: empty where all are meant. `stage`: one of ModelSwap.State or of inference.messages.Stage."""

    at: str
    worker: str
    stage: str
    detail: str


@dataclass(frozen=True, slots=True)
class Journal:
    """Writes at once, so that whoever looks sees it and nothing is lost with the worker."""

    swap: ModelSwap

    def note(self, worker: str, stage: str, detail: str = "") -> None:
        if len(self.swap.progress) < MAX_STEPS:
            step = Step(at=timezone.now().isoformat(), worker=worker, stage=stage, detail=detail)
            self.swap.progress.append(step)
        self.swap.save(update_fields=["progress", "updated_at"])

    def workers(self, stage: str) -> list[str]:
        """Those of which that was noted, each once."""
        return list(dict.fromkeys(step["worker"] for step in self.swap.progress if step["stage"] == stage))

    def enter(self, state: ModelSwap.State, detail: str = "") -> None:
        self.swap.state = state
        self.swap.save(update_fields=["state"])
        self.note("", state, detail)

    def finish(self, state: ModelSwap.State, error: str = "") -> None:
        """`duration_ms` counts from the wish on: so long has somebody waited."""
        self.swap.finished_at = timezone.now()
        self.swap.duration_ms = round((self.swap.finished_at - self.swap.started_at).total_seconds() * 1000)
        self.swap.error = error
        self.swap.save(update_fields=["finished_at", "duration_ms", "error"])
        self.enter(state)
        worker.swaps.labels(state).inc()


def load_report(loaded: ModelLoaded) -> str:
    parts = [f"{loaded.load_ms / 1000:.1f} s", f"{loaded.memory_bytes / 1e6:.0f} MB"]
    if loaded.canary_wer is not None:
        parts.append(f"reference clip: {loaded.canary_wer:.0%} of the words wrong")
    if loaded.canary_rtf is not None:
        parts.append(f"{loaded.canary_rtf:.2f} s for a second of audio")
    return ", ".join(parts)


def unload_report(unloaded: ModelUnloaded, where: str = "with another model") -> str:
    """`where`: how the streams went on that it had."""
    before, after = unloaded.memory_bytes_before / 1e6, unloaded.memory_bytes_after / 1e6
    moved = f", {unloaded.num_moved} streams went on {where}" if unloaded.num_moved else ""
    failed = f", {unloaded.num_failed} streams had none" if unloaded.num_failed else ""
    return f"{before:.0f} MB before, {after:.0f} MB after{moved}{failed}"
