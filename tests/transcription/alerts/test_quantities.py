"""Values as people read them."""

import pytest

from transcription.alerts.quantities import readable


@pytest.mark.parametrize(
    ("metric", "value", "more", "text"),
    [
        ("hark_final_seconds", 0.5124, {}, "512 ms"),
        ("hark_queue_age_seconds", 12.5, {}, "12.5 s"),
        ("hark_cpu_seconds_total", 0.25, {"how": "rate"}, "250 ms/s"),
        ("hark_resident_memory_bytes", 4_000_000_000.0, {}, "4 GB"),
        ("hark_resident_memory_bytes", 2e12, {}, "2 TB"),
        ("hark_canary_wer_ratio", 0.125, {}, "12.5 %"),
        ("hark_session_errors_total", 0.01, {"per": "hark_sessions_started_total"}, "1 %"),
        ("hark_queue_length", 7.0, {}, "7"),
        ("hark_queue_length", None, {}, "–"),
    ],
)
def test_a_value_is_shown_with_its_unit(metric: str, value: float | None, more: dict[str, str], text: str) -> None:
    assert readable(metric, value, **more) == text
