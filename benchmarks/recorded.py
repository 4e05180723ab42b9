"""Samples as a busy site leaves them in PostgreSQL, and sessions with segments: made up there, in a few minutes for a month.

For benchmarks and tests of what reads them. Values follow the hour of the day; those of a histogram have a long tail.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final, NamedTuple

from psycopg.types.json import Jsonb

from inference.metrics import Metric
from transcription.metrics.names import EVERY, measured_by

NODES: Final = {
    "web": ("web@one", "web@two"),
    "inference": ("inference-0", "inference-1"),
    "worker": ("worker@one",),
}
LABELS: Final = {
    "model": ("whisper-base", "whisper-tiny.en"),
    "language": ("en", "zh", "de"),
    "outcome": ("complete", "incomplete", "failed"),
    "code": ("recognition_failed", "idle_timeout"),
    "reason": ("lost", "too_many_sockets"),
    "worker": ("inference-0", "inference-1"),
    "kind": ("used", "total"),
    "severity": ("warning", "critical"),
}
LEVELS: Final = {
    "hark_connections": 60.0, "hark_sessions_live": 9.0, "hark_streams_speaking": 22.0, "hark_cpu_seconds_total": 0.6,
    "hark_resident_memory_bytes": 7e8, "hark_model_memory_bytes": 4e8, "hark_gpu_memory_bytes": 9e9,
    "hark_gpu_utilisation_ratio": 0.6, "hark_busy_ratio": 0.55, "hark_audio_seconds_total": 25.0, "hark_segments_total": 0.8,
    "hark_session_errors_total": 0.002, "hark_refusals_total": 0.001, "hark_sessions_started_total": 0.3,
    "hark_canary_wer_ratio": 0.07, "hark_correction_wer_ratio": 0.1, "hark_real_time_factor": 0.12, "hark_queue_length": 1.5,
}  # fmt: skip
"""What a gauge shows and a counter counts in a second, on a quiet day's average; 1.0 where nothing is said."""
PER_S: Final = 1.5
"""How many values a histogram counts in a second."""
SPANS: Final = {10: timedelta(hours=6), 60: timedelta(days=14), 600: timedelta(days=60), 3600: timedelta(days=400)}
"""How long samples of each resolution (s) are kept by default."""

SERIES: Final = """
INSERT INTO transcription_metricseries (name, node, labels, bounds) VALUES (%s, %s, %s, %s)
ON CONFLICT (name, node, labels, bounds) DO UPDATE SET name = excluded.name RETURNING id
"""
SAMPLES: Final = """
INSERT INTO transcription_metricsample (series_id, resolution_s, at, total, count, low, high, buckets)
SELECT %(series)s, %(step_s)s, to_timestamp(at_s), {values}
  FROM generate_series(%(since_s)s::bigint, %(until_s)s::bigint - %(step_s)s, %(step_s)s) AS at_s,
       LATERAL (SELECT %(level)s * (1 + 0.7 * sin(at_s * 2 * pi() / 86400 + %(series)s) + 0.2 * random()) AS v) AS level
ON CONFLICT DO NOTHING
"""
GAUGE: Final = "v * %(step_s)s / 10.0, %(step_s)s / 10, v * 0.8, v * 1.2, NULL"
COUNTER: Final = "round((v * %(step_s)s)::numeric, 3), 1, NULL, NULL, NULL"
SESSIONS: Final = """
INSERT INTO transcription_session (id, client, model, language, status, error_code, started_at, last_seen_at, ended_at,
    received_ms, transcribed_ms, silence_ms, gap_ms, gaps, metadata, latency)
SELECT gen_random_uuid(), 'benchmark', 'whisper-base', 'en', 'complete', '', at, at + interval '5 min', at + interval '5 min',
       300000, 200000, 100000, 0, '[]', '{}', '{}'
  FROM (SELECT now() - number * interval '20 s' AS at FROM generate_series(1, %s) AS number) AS begun
"""
SEGMENTS: Final = """
INSERT INTO transcription_segment (session_id, number, text, words, start_ms, end_ms, confidence, language, model, created_at)
SELECT id, number, 'the quick brown fox number ' || number || ' jumps over ' || (random() * 1e6)::int, '[]', number * 6000,
       number * 6000 + 5000, 0.9, 'en', 'whisper-base', started_at
  FROM transcription_session, generate_series(0, %s) AS number WHERE client = 'benchmark'
"""


class Series(NamedTuple):
    metric: Metric
    node: str
    labels: dict[str, str]


def all_series() -> Iterator[Series]:
    """Every metric of every process that measures it, with each value of its labels."""
    for metric in EVERY:
        nodes = NODES.get(measured_by(metric)) or tuple(node for nodes in NODES.values() for node in nodes)
        for node, *values in product(nodes, *(LABELS[label] for label in metric.labels)):
            yield Series(metric, node, dict(zip(metric.labels, values, strict=True)))


def fill_samples(cursor: Any, until: datetime, length: timedelta) -> int:
    """Samples of all series for `length` before `until`, in each resolution as far as it is kept. Returns how many.

    cursor: of PostgreSQL, with the tables of `transcription`.
    """
    num = 0
    for series in all_series():
        num += fill_series(cursor, series, until, length)
    return num


def fill_series(cursor: Any, series: Series, until: datetime, length: timedelta) -> int:
    metric = series.metric
    cursor.execute(SERIES, [metric.name, series.node, Jsonb(series.labels), list(metric.buckets)])
    (number,) = cursor.fetchone()
    num = 0
    for step_s, kept in SPANS.items():
        until_s = int(until.timestamp()) // step_s * step_s
        since_s = until_s - int(min(length, kept).total_seconds()) // step_s * step_s
        level = PER_S if metric.buckets else LEVELS.get(metric.name, 1.0)
        given = {"series": number, "step_s": step_s, "since_s": since_s, "until_s": until_s, "level": level}
        cursor.execute(SAMPLES.format(values=values_of(metric)), given)
        num += cursor.rowcount
    return num


def values_of(metric: Metric) -> str:
    """SQL of what `SAMPLES` stores, made of the level `v` of a moment."""
    if metric.kind == "gauge":
        return GAUGE
    return histogram(metric) if metric.buckets else COUNTER


def histogram(metric: Metric) -> str:
    """Most values lie in the first third of the buckets, some far out."""
    num = len(metric.buckets) + 1
    shares = [0.75 ** abs(place - num // 3) for place in range(num)]
    counts = [f"floor(v * %(step_s)s * {share / sum(shares):.5f} + random())::bigint" for share in shares]
    middle = metric.buckets[num // 3]
    return f"v * %(step_s)s * {middle}, (v * %(step_s)s)::bigint, NULL, NULL, ARRAY[{', '.join(counts)}]"


def fill_sessions(cursor: Any, num_sessions: int, num_segments: int) -> None:
    """`num_segments` for each session; a session began every twenty seconds."""
    cursor.execute(SESSIONS, [num_sessions])
    cursor.execute(SEGMENTS, [num_segments - 1])
