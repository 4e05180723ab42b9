"""The metrics of the web processes and the worker, and `EVERY`, the list of all there are. Those of inference come from there."""

from collections.abc import Mapping
from typing import Final

from inference.metrics import EVERY_PROCESS, INFERENCE, WAIT_BOUNDS_S, Metric

LATENCY_BOUNDS_S: Final = (
    0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0,
    15.0, 30.0,
)  # fmt: skip
CONFIDENCE_BOUNDS: Final = tuple(round(0.05 * number, 2) for number in range(1, 21))

# Sockets and sessions

CONNECTIONS: Final = Metric("hark_connections", "gauge", "Sockets at /stream that were let in.")
SESSIONS_LIVE: Final = Metric("hark_sessions_live", "gauge", "Sessions that have begun and are not over.", ("model", "language"))
STREAMS_SPEAKING: Final = Metric("hark_streams_speaking", "gauge", "Sessions in which somebody speaks.")
SESSIONS_STARTED: Final = Metric("hark_sessions_started_total", "counter", "Sessions for which recognition was asked.")
SESSIONS_ENDED: Final = Metric(
    "hark_sessions_ended_total", "counter", "Sessions that are over; outcome: complete, incomplete or failed.", ("outcome",)
)
SESSION_ERRORS: Final = Metric("hark_session_errors_total", "counter", "Sessions that ended with an error.", ("code",))
REFUSALS: Final = Metric(
    "hark_refusals_total",
    "counter",
    "Sockets that were not let in, and sessions that could not be begun or resumed.",
    ("reason",),
)
RESUMPTIONS: Final = Metric(
    "hark_resumptions_total",
    "counter",
    "Clients that wished to go on with a session; outcome: here, taken_over from another process, unknown, storage_unavailable.",
    ("outcome",),
)
GAPS: Final = Metric("hark_gap_seconds_total", "counter", "Audio that is missing for good.", ("reason",))
AUDIO: Final = Metric("hark_audio_seconds_total", "counter", "Audio that has come.")
SEGMENTS: Final = Metric("hark_segments_total", "counter", "Finals that were sent.", ("model", "language"))

# How good and how fast

FIRST_TEXT: Final = Metric(
    "hark_first_text_seconds",
    "histogram",
    "From the beginning of a session's speech to its first text.",
    buckets=LATENCY_BOUNDS_S,
)
PARTIAL_AGE: Final = Metric(
    "hark_partial_age_seconds", "histogram", "From the end of the audio that a partial covers until it was sent.",
    buckets=LATENCY_BOUNDS_S,
)  # fmt: skip
FINAL: Final = Metric(
    "hark_final_seconds",
    "histogram",
    "From when an utterance was over (the silence that tells so had come, or the client said so) until its final was sent.",
    ("model",),
    LATENCY_BOUNDS_S,
)
SPEECH_TO_FINAL: Final = Metric(
    "hark_speech_to_final_seconds",
    "histogram",
    "From the last word until its final was sent, with the silence that the server waits for.",
    ("model",),
    LATENCY_BOUNDS_S,
)
PARTIALS_DROPPED: Final = Metric("hark_partials_dropped_total", "counter", "Partials that a client was too slow to read.")
CONFIDENCE: Final = Metric(
    "hark_confidence", "histogram", "How sure the model was of a final, 0 to 1.", buckets=CONFIDENCE_BOUNDS
)

# What the web process depends on

RECORDER_WAITING: Final = Metric("hark_recorder_waiting", "gauge", "Entries that wait to be stored.")
STORE: Final = Metric("hark_store_seconds", "histogram", "How long a batch of entries took to be stored.", buckets=WAIT_BOUNDS_S)
DATABASE_UP: Final = Metric("hark_database_up", "gauge", "Whether PostgreSQL took what was last given to it.")
LINK_UP: Final = Metric("hark_link_up", "gauge", "Whether an inference process answers and takes streams.", ("worker",))
CHANNEL_LAYER_UP: Final = Metric("hark_channel_layer_up", "gauge", "Whether Valkey answers.")
LOOP_LAG: Final = Metric(
    "hark_event_loop_lag_seconds", "histogram", "How late the event loop woke who had a time set.", buckets=WAIT_BOUNDS_S
)

WEB: Final = (
    CONNECTIONS,
    SESSIONS_LIVE,
    STREAMS_SPEAKING,
    SESSIONS_STARTED,
    SESSIONS_ENDED,
    SESSION_ERRORS,
    REFUSALS,
    RESUMPTIONS,
    GAPS,
    AUDIO,
    SEGMENTS,
    FIRST_TEXT,
    PARTIAL_AGE,
    FINAL,
    SPEECH_TO_FINAL,
    PARTIALS_DROPPED,
    CONFIDENCE,
    RECORDER_WAITING,
    STORE,
    DATABASE_UP,
    LINK_UP,
    CHANNEL_LAYER_UP,
    LOOP_LAG,
)

# The worker

CANARY_WER: Final = Metric(
    "hark_canary_wer_ratio", "gauge", "Share of the words of the reference clips that were heard wrongly.", ("model", "language")
)
CORRECTION_WER: Final = Metric(
    "hark_correction_wer_ratio", "gauge", "Share of words that clients corrected, in what they looked at.", ("model", "language")
)
SWAPS: Final = Metric("hark_swaps_total", "counter", "Swaps that are over; outcome: done or failed.", ("outcome",))
ALERTS_OPEN: Final = Metric("hark_alerts_open", "gauge", "Alerts that are neither resolved nor over.", ("severity",))

WORKER: Final = (CANARY_WER, CORRECTION_WER, SWAPS, ALERTS_OPEN)

EVERY: Final = (*WEB, *INFERENCE, *WORKER, *EVERY_PROCESS)
BY_NAME: Final[Mapping[str, Metric]] = {metric.name: metric for metric in EVERY}


def measured_by(metric: Metric) -> str:
    """`web`, `inference` or `worker`, as the nodes of their processes begin; empty: all of them."""
    places = {"web": WEB, "inference": INFERENCE, "worker": WORKER}
    return next((place for place, metrics in places.items() if metric in metrics), "")
