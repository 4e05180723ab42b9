"""One model from its files to where streams can be given to it, beside models that run. Blocking; on a thread of its own.

Nothing that runs is touched: when anything fails, what was made so far is dropped and the reason raised.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from inference import canary, memory
from inference.canary import Hearing
from inference.config import InferenceConfig
from inference.engines import registry
from inference.engines.base import Engine
from inference.errors import InferenceError, LoadError, NoMemoryError
from inference.examine.facts import peak_bytes, resident_bytes
from inference.messages import LoadModel, Stage
from inference.priority import give_way
from inference.turns import short_turns

logger = logging.getLogger(__name__)

MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Loaded:
    """A warm engine. load_ms: from the first byte to the end of the warm-up. memory_bytes: what the process grew by."""

    engine: Engine[Any]
    load_ms: int
    memory_bytes: int
    hearing: Hearing | None


class Loader:
    """Args:
    tell: called, on the loader's thread, with each stage that begins and a sentence about it.

    `stage`: the one that goes on, or in which it failed.
    """

    def __init__(self, request: LoadModel, config: InferenceConfig, tell: Callable[[Stage, str], None]) -> None:
        self.request = request
        self.config = config
        self.stage: Stage = "checking"
        self._tell = tell

    def run(self) -> Loaded:
        """Raises:
        InferenceError: why it cannot be loaded, or must not be used.
        """
        try:
            with short_turns:
                return self._run()
        except InferenceError:
            raise
        except Exception as err:
            name = self.request.spec.name
            if _is_out_of_memory(err):
                raise NoMemoryError(f"There was not enough memory while {name} was being loaded. Unload another model.") from err
            logger.exception("%s broke while it was being loaded", name)
            raise LoadError(f"{name} broke while it was being loaded ({err}). The log has the details.") from err

    def _run(self) -> Loaded:
        """1. check, 2. load, 3. warm up, 4. canary."""
        self._begin("checking")
        if self.request.canary is not None:
            canary.check(self.request.canary)
        config = self.config
        engine = registry.create_as(
            self.request.spec, device=config.device, max_batch=config.max_batch, streaming=config.streaming
        )
        give_way()
        device = device_of(engine, self.config)
        detail = self._check_room(engine, device)
        try:
            return self._made(engine, device, detail)
        except BaseException:
            engine.close()
            raise

    def _made(self, engine: Engine[Any], device: str, detail: str) -> Loaded:
        started_s, before_bytes = time.monotonic(), memory.used_bytes(device)
        self._begin("loading", detail)
        engine.load()
        self._begin("warming")
        engine.warm_up()
        load_ms = round((time.monotonic() - started_s) * 1000)
        hearing = self._heard(engine, device)
        memory.give_back(device)
        memory_bytes = max(0, memory.used_bytes(device) - before_bytes)
        self._check_limit(memory_bytes, "took")
        engine.info = structs.replace(engine.info, memory_bytes=memory_bytes)
        return Loaded(engine, load_ms, memory_bytes, hearing)

    def _heard(self, engine: Engine[Any], device: str) -> Hearing | None:
        if self.request.canary is None:
            return None
        self._begin("canary")
        return canary.hear(engine, self.request.canary, time.thread_time if device == "cpu" else time.perf_counter)

    def _begin(self, stage: Stage, detail: str = "") -> None:
        self.stage = stage
        self._tell(stage, detail)

    def _check_room(self, engine: Engine[Any], device: str) -> str:
        """What it will need, as a sentence.

        Raises:
            NoMemoryError: there is not so much.
        """
        num_parameters = engine.num_parameters()
        resident = resident_bytes(num_parameters, engine.info.precision)
        self._check_limit(resident, "needs about")
        needs = {device: resident} | {"cpu": peak_bytes(num_parameters, _size_bytes(self.request.spec.source))}
        for place, needed in needs.items():
            free = memory.free_bytes(place)
            if needed > free:
                raise NoMemoryError(
                    f"{self.request.spec.name} needs about {needed / MB:.0f} MB to be loaded, and {free / MB:.0f} MB are free on "
                    f"{'this machine' if place == 'cpu' else place}. Unload another model, or take a smaller one."
                )
        return f"{num_parameters / 1e6:.0f} million parameters, about {resident / MB:.0f} MB."

    def _check_limit(self, num_bytes: int, verb: str) -> None:
        limit = self.request.max_memory_bytes
        if 0 < limit < num_bytes:
            raise NoMemoryError(
                f"{self.request.spec.name} {verb} {num_bytes / MB:.0f} MB, and {limit / MB:.0f} MB are allowed. Allow more, or "
                "take a smaller model or another precision."
            )


def device_of(engine: Engine[Any], config: InferenceConfig) -> str:
    """Where it computes, as torch writes it."""
    if engine.info.engine == "fake":
        return "cpu"
    from inference.engines import device  # loads torch, which a process with the scripted engine alone does without

    return str(device.choose(config.device))


def _size_bytes(source: str) -> int:
    """Of a file, or of all files in a folder; 0 for a model that comes with the project, whose files are small."""
    if not source.startswith("/"):
        return 0
    path = Path(source)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _is_out_of_memory(err: Exception) -> bool:
    """torch has a class for GPUs and none for the processor."""
    return isinstance(err, MemoryError) or type(err).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(err)
