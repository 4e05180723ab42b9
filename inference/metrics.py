"""What an inference process measures, each metric listed once; and what a metric is, here as in the web side's list.

Names follow Prometheus: `hark_`, base units (`_seconds`, `_bytes`, `_ratio`), `_total` for counters. No label holds text, a
credential, an address or the number of a session, and each has few values. They are counted in
`meters`.
"""

from typing import Final, Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]

STEP_BOUNDS_S: Final = (
    0.005,
    0.01,
    0.02,
    0.03,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.25,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    3.0,
    5.0,
    10.0,
)
WAIT_BOUNDS_S: Final = (0.001, 0.0025, *STEP_BOUNDS_S)
BATCH_BOUNDS: Final = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0)


class Metric(NamedTuple):
    """`buckets`: upper bounds of a histogram's buckets, without the infinite one."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CPU: Final = Metric("hark_cpu_seconds_total", "counter", "Processor time of the process.")
MEMORY: Final = Metric("hark_resident_memory_bytes", "gauge", "Memory of the process; it tells that the process reports.")
EVERY_PROCESS: Final = (CPU, MEMORY)

QUEUE_LENGTH: Final = Metric("hark_queue_length", "gauge", "Streams that wait for a step while others have one.")
QUEUE_AGE: Final = Metric(
    "hark_queue_age_seconds", "histogram", "How long a stream waited for its step, when it had it.", buckets=WAIT_BOUNDS_S
)
BATCH_SIZE: Final = Metric("hark_batch_size", "histogram", "Streams in one step of the engine.", buckets=BATCH_BOUNDS)
STEP: Final = Metric("hark_step_seconds", "histogram", "How long a step of the engine took.", ("model",), STEP_BOUNDS_S)
REAL_TIME_FACTOR: Final = Metric(
    "hark_real_time_factor", "gauge", "Seconds of computing for a second of audio, over about the last ten steps.", ("model",)
)
STREAMS_OPEN: Final = Metric("hark_streams_open", "gauge", "Streams that the process has, silent ones too.")
BUSY: Final = Metric("hark_busy_ratio", "gauge", "Share of the last seconds in which the recognition thread did not rest.")
MODEL_MEMORY: Final = Metric(
    "hark_model_memory_bytes", "gauge", "What the process grew by when the model was loaded.", ("model",)
)
GPU_UTILISATION: Final = Metric("hark_gpu_utilisation_ratio", "gauge", "Share of the time in which the GPU computed.")
GPU_MEMORY: Final = Metric("hark_gpu_memory_bytes", "gauge", "Memory of the GPU; kind: used, by whomever, or total.", ("kind",))

INFERENCE: Final = (
    QUEUE_LENGTH,
    QUEUE_AGE,
    BATCH_SIZE,
    STEP,
    REAL_TIME_FACTOR,
    STREAMS_OPEN,
    BUSY,
    MODEL_MEMORY,
    GPU_UTILISATION,
    GPU_MEMORY,
)
