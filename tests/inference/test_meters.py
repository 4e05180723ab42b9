"""Where metrics are counted."""

from inference import meters as meters_module
from inference.meters import OTHER, Bounded, InferenceMeters, Meters
from inference.metrics import Metric

LIVE = Metric("hark_test_live", "gauge", "Live.", ("model",))


def test_a_watched_value_is_what_it_is_when_somebody_looks() -> None:
    meters = Meters()
    live: dict[tuple[str, ...], float] = {("tiny",): 2.0}
    meters.watch(LIVE, lambda: live)
    assert meters.registry.get_sample_value("hark_test_live", {"model": "tiny"}) == 2
    live["tiny",] = 5.0
    assert meters.registry.get_sample_value("hark_test_live", {"model": "tiny"}) == 5


def test_a_label_has_only_values_that_are_known() -> None:
    code = Bounded({"internal"})
    assert [code("internal"), code("<script>")] == ["internal", OTHER]


def test_a_label_has_only_so_many_values() -> None:
    language = Bounded()
    values = [language(f"x{number}") for number in range(meters_module.MAX_VALUES + 5)]
    assert values[-6:] == ["x99", *[OTHER] * 5]
    assert language("x3") == "x3"
    assert language("") == OTHER


def test_a_step_is_counted() -> None:
    meters = InferenceMeters()
    meters.stepped("tiny", [0.02, 0.4], 0.12)
    read = meters.registry.get_sample_value
    assert read("hark_batch_size_sum") == 2
    assert read("hark_queue_age_seconds_bucket", {"le": "0.02"}) == 1
    assert read("hark_queue_age_seconds_count") == 2
    assert read("hark_step_seconds_sum", {"model": "tiny"}) == 0.12
