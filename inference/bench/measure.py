"""One model in one precision, measured in a process of its own: so memory is that of one, and no measurement warms the next."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import psutil

from inference.bench.errors import BenchError
from inference.bench.play import dealt, play
from inference.bench.speech import MAX_CLIPS, Recording, clips_for
from inference.config import Precision, StreamingOptions
from inference.engines import registry

P = ParamSpec("P")
T = TypeVar("T")
BATCH = 8


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured. `model`, `device`: as HARK_MODELS and HARK_DEVICE write them. step_ms: new speech between two
    steps of a stream. max_clips: recordings to hear. streaming: what serves here, of models that hear speech as it is spoken.
    """

    model: str
    device: str
    recordings: list[Recording]
    step_ms: int
    max_clips: int = MAX_CLIPS
    streaming: StreamingOptions = StreamingOptions()


@dataclass(frozen=True, slots=True)
class Measurement:
    """Milliseconds of CPU time (on a GPU: of time) for one window: in a step of its own, and in one of BATCH streams.

    streams_per_core: seconds of speech for each second of CPU, partials and finals of BATCH streams together. texts: by clip.
    spoken: what is really said in them, where that is known. load_ms: of wall-clock time.
    """

    partial_ms: float
    batched_partial_ms: float
    final_ms: float
    streams_per_core: float
    resident_bytes: int
    audio_s: float
    texts: dict[str, str]
    load_ms: float = 0.0
    spoken: dict[str, str] = field(default_factory=dict)


def in_own_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function`, which must be one of a module, in a fresh process; blocks until it is done.

    Raises:
        BenchError: the process died.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool as err:
            raise BenchError("The process that measured was ended from outside; was there memory enough for it?") from err


def precision_by_rule(order: Order) -> str:
    """What `auto` is without a measurement."""
    return registry.create(order.model, "auto", device=order.device, streaming=order.streaming).info.precision


def _clock(device: str) -> Callable[[], float]:
    """CPU time, which other processes disturb less than they do a wall clock; but a GPU's work is not in it."""
    if device == "cpu":
        return time.process_time
    from inference.engines.device import choose  # loads torch, which the process that only asks for measurements can do without

    return time.process_time if choose(device).type == "cpu" else time.perf_counter


def measure(order: Order, precision: Precision) -> Measurement:
    """Load the model and play the speech to it, by one stream and by BATCH streams.

    Raises:
        ConfigError: the device does not compute in that precision.
    """
    engine = registry.create(order.model, precision, device=order.device, max_batch=BATCH, streaming=order.streaming)
    clock = _clock(order.device)
    started_s = time.perf_counter()
    engine.load()
    load_ms = 1000 * (time.perf_counter() - started_s)
    try:
        engine.warm_up()
        clips = clips_for(engine.info, order.recordings, order.max_clips)
        alone = play(engine, dealt(clips, 1), order.step_ms, clock)
        together = play(engine, dealt(clips, BATCH), order.step_ms, clock)
        return Measurement(
            partial_ms=alone.partials.window_ms,
            batched_partial_ms=together.partials.window_ms,
            final_ms=alone.finals.window_ms,
            streams_per_core=together.audio_s / max(together.cpu_s, 1e-9),
            resident_bytes=psutil.Process().memory_info().rss,
            audio_s=alone.audio_s,
            texts=alone.texts,
            load_ms=load_ms,
            spoken={clip.name: clip.text for clip in clips if clip.text},
        )
    finally:
        engine.close()


def best_of(rounds: list[Measurement]) -> Measurement:
    """Each figure as the quietest round had it; the texts are the same in all."""
    return Measurement(
        partial_ms=min(one.partial_ms for one in rounds),
        batched_partial_ms=min(one.batched_partial_ms for one in rounds),
        final_ms=min(one.final_ms for one in rounds),
        streams_per_core=max(one.streams_per_core for one in rounds),
        resident_bytes=min(one.resident_bytes for one in rounds),
        audio_s=rounds[0].audio_s,
        texts=rounds[0].texts,
        load_ms=min(one.load_ms for one in rounds),
        spoken=rounds[0].spoken,
    )
