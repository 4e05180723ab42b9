"""Inference processes for tests of swaps: they remember which models they have, and fail where they are told to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from inference.messages import LoadModel, ModelInfo, ModelLoaded, ModelUnloaded, UnloadModel, WorkerLoad, WorkerStatus
from transcription.swaps.errors import MemoryTooShort, SwapFailed
from transcription.swaps.fleet import OnStage


@dataclass
class ScriptedFleet:
    """`models`: process → names in memory. `fails_on`: processes that refuse to load all but `loads_always`. `before_load`:
    called with each process before it loads. `num_models`: how many fit into the memory of a process, where that is few. `jobs`:
    how much each has to do. `calls`: what was asked, in order."""

    models: dict[str, set[str]]
    away: set[str] = field(default_factory=set)
    fails_on: set[str] = field(default_factory=set)
    loads_always: set[str] = field(default_factory=set)
    keeps: set[str] = field(default_factory=set)
    before_load: Callable[[str], None] = lambda _worker: None
    num_models: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, WorkerLoad] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    requests: list[LoadModel | UnloadModel] = field(default_factory=list)

    def statuses(self) -> dict[str, WorkerStatus]:
        return {worker: self.status(worker) for worker in self.models}

    def status(self, worker: str) -> WorkerStatus:
        if worker in self.away:
            return WorkerStatus(node="", is_ready=False, detail="No inference process answers.")
        return WorkerStatus(node=worker, is_ready=True, models=tuple(info(name) for name in sorted(self.models[worker])))

    def loads(self) -> dict[str, WorkerLoad]:
        return {worker: self.jobs.get(worker, WorkerLoad(num_free=10)) for worker in self.models}

    def load(self, worker: str, request: LoadModel, on_stage: OnStage) -> ModelLoaded:
        name = request.spec.name
        self.calls.append(f"{worker} loads {name}")
        self.requests.append(request)
        self.before_load(worker)
        on_stage(worker, "checking", "")
        if len(self.models[worker]) >= self.num_models.get(worker, 9):
            raise MemoryTooShort(f"{worker}: {TOO_SHORT.format(name)}")
        for stage in ("loading", "warming", "canary"):
            on_stage(worker, stage, "")
        if worker in self.fails_on and name not in self.loads_always:
            raise SwapFailed(f"{worker}: the reference clip came out wrong.")
        self.models[worker].add(name)
        return ModelLoaded(model=name, info=info(name), load_ms=1200, memory_bytes=90_000_000, canary_wer=0.0, canary_rtf=0.1)

    def unload(self, worker: str, request: UnloadModel, on_stage: OnStage) -> ModelUnloaded:
        manner = "sends away" if request.is_elsewhere else "unloads"
        self.calls.append(f"{worker} {manner} {request.model}{f' for {request.successor}' * request.is_elsewhere}")
        self.requests.append(request)
        if worker in self.keeps:
            raise SwapFailed(f"{worker}: it is the last model for en.")
        on_stage(worker, "draining", "")
        self.models[worker].discard(request.model)
        return ModelUnloaded(model=request.model, memory_bytes_before=500_000_000, memory_bytes_after=410_000_000, num_moved=2)


TOO_SHORT = "{} needs about 90 MB to be loaded, and 50 MB are free on this machine. Unload another model, or take a smaller one."


def info(name: str) -> ModelInfo:
    return ModelInfo(name=name, engine="whisper", languages=(), multilingual=True)
