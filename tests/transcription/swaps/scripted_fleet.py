"""Inference processes for tests of swaps: they remember which models they have, and fail where they are told to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from inference.messages import LoadModel, ModelInfo, ModelLoaded, ModelUnloaded, UnloadModel, WorkerStatus
from transcription.swaps.errors import SwapFailed
from transcription.swaps.fleet import OnStage


@dataclass
class ScriptedFleet:
    """`models`: process → names in memory. `fails_on`: processes that refuse to load. `before_load`: called with each process
    before it loads. `calls`: what was asked, in order."""

    models: dict[str, set[str]]
    away: set[str] = field(default_factory=set)
    fails_on: set[str] = field(default_factory=set)
    keeps: set[str] = field(default_factory=set)
    before_load: Callable[[str], None] = lambda _worker: None
    calls: list[str] = field(default_factory=list)
    requests: list[LoadModel | UnloadModel] = field(default_factory=list)

    def statuses(self) -> dict[str, WorkerStatus]:
        return {worker: self.status(worker) for worker in self.models}

    def status(self, worker: str) -> WorkerStatus:
        if worker in self.away:
            return WorkerStatus(node="", is_ready=False, detail="No inference process answers.")
        return WorkerStatus(node=worker, is_ready=True, models=tuple(info(name) for name in sorted(self.models[worker])))

    def load(self, worker: str, request: LoadModel, on_stage: OnStage) -> ModelLoaded:
        name = request.spec.name
        self.calls.append(f"{worker} loads {name}")
        self.requests.append(request)
        self.before_load(worker)
        for stage in ("checking", "loading", "warming", "canary"):
            on_stage(worker, stage, "")
        if worker in self.fails_on:
            raise SwapFailed(f"{worker}: the reference clip came out wrong.")
        self.models[worker].add(name)
        return ModelLoaded(model=name, info=info(name), load_ms=1200, memory_bytes=90_000_000, canary_wer=0.0, canary_rtf=0.1)

    def unload(self, worker: str, request: UnloadModel, on_stage: OnStage) -> ModelUnloaded:
        self.calls.append(f"{worker} unloads {request.model}")
        self.requests.append(request)
        if worker in self.keeps:
            raise SwapFailed(f"{worker}: it is the last model for en.")
        on_stage(worker, "draining", "")
        self.models[worker].discard(request.model)
        return ModelUnloaded(model=request.model, memory_bytes_before=500_000_000, memory_bytes_after=410_000_000, num_moved=2)


def info(name: str) -> ModelInfo:
    return ModelInfo(name=name, engine="whisper", languages=(), multilingual=True)
