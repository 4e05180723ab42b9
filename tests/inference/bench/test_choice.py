"""Which precision is picked, and what counts as another word."""

import dataclasses

import pytest

from inference.bench.choice import Row, compared, num_different, num_wrong, pick
from inference.bench.measure import Measurement, best_of
from inference.bench.table import Report, as_json, table

FP32 = Measurement(
    partial_ms=100.0,
    batched_partial_ms=50.0,
    final_ms=120.0,
    streams_per_core=8.0,
    resident_bytes=600_000_000,
    audio_s=15.4,
    texts={"a": "I happen to know", "b": "seventy-one nations"},
)


def measured(streams_per_core: float, **texts: str) -> Measurement:
    return dataclasses.replace(FP32, streams_per_core=streams_per_core, texts=FP32.texts | texts)


def rows(**measurements: Measurement) -> list[Row]:
    return compared({"fp32": FP32} | measurements)  # type: ignore[arg-type]  # the tests name real ones


@pytest.mark.parametrize(
    ("reference", "text", "expected"),
    [
        ("I happen to know.", "i happen to KNOW", 0),
        ("seventy-one nations", "seventy one nations", 0),
        ("a b c d", "a x c d", 1),
        ("a b c d", "a c d", 1),
        ("a b", "a b c d", 2),
        ("", "a", 1),
        ("怎么会这样", "怎么会那样!", 1),
        ("我说OK了", "我说ok", 1),
        ("don't go", "dont go", 1),
    ],
)
def test_words_are_compared_without_case_and_punctuation_and_chinese_by_character(
    reference: str, text: str, expected: int
) -> None:
    assert num_different(reference, text) == expected


def test_a_row_tells_how_much_faster_it_is_and_what_it_changes() -> None:
    first, second = rows(int8=measured(16.0, a="I happened to know"))

    assert (first.precision, first.speedup, first.num_different) == ("fp32", 1.0, 0)
    assert (second.speedup, second.num_different, second.num_words) == (2.0, 1, 7)
    assert second.different_percent == pytest.approx(100 / 7)


@pytest.mark.parametrize(
    ("bf16", "int8", "expected"),
    [
        (measured(12.0), measured(16.0), "int8"),
        (measured(16.0), measured(12.0), "bf16"),
        (measured(6.0), measured(7.0), "fp32"),
        (measured(12.0), measured(16.0, a="I happened to know"), "bf16"),
        (measured(12.0, a="thanks for watching"), measured(16.0, a="you"), "fp32"),
    ],
)
def test_the_one_that_carries_most_streams_is_picked_unless_it_changes_words(
    bf16: Measurement, int8: Measurement, expected: str
) -> None:
    assert pick(rows(bf16=bf16, int8=int8), max_different_percent=10.0).precision == expected


def test_the_share_of_words_that_may_change_is_a_limit_that_can_be_reached() -> None:
    compared_rows = rows(int8=measured(16.0, a="I happened to know"))

    assert pick(compared_rows, compared_rows[1].different_percent).precision == "int8"
    assert pick(compared_rows, compared_rows[1].different_percent - 0.1).precision == "fp32"


def test_of_several_rounds_the_quietest_counts_for_each_figure() -> None:
    noisy = dataclasses.replace(FP32, partial_ms=300.0, streams_per_core=3.0, final_ms=110.0)

    best = best_of([noisy, FP32])

    assert (best.partial_ms, best.streams_per_core, best.final_ms, best.texts) == (100.0, 8.0, 110.0, FP32.texts)


def test_the_table_shows_every_figure_and_the_pick() -> None:
    compared_rows = rows(int8=dataclasses.replace(FP32, streams_per_core=16.04, partial_ms=51.26, load_ms=500.0))
    compared_rows = [dataclasses.replace(row, num_wrong=1, num_spoken=20) for row in compared_rows]

    lines = table(Report("whisper-tiny.en", compared_rows, compared_rows[1], by_rule="bf16")).splitlines()

    assert lines[0] == "whisper-tiny.en: 2 recordings, 15 s, 7 words"
    assert lines[3].split() == [
        "int8",
        "51.3",
        "ms",
        "50.0",
        "ms",
        "120.0",
        "ms",
        "16.0",
        "2.00",
        "600",
        "MB",
        "0.5",
        "s",
        "5.0",
        "%",
        "0",
        "(0.0",
        "%)",
    ]
    assert lines[4] == "pick: int8; auto without a measurement: bf16"


def test_as_json_it_holds_the_texts_too() -> None:
    compared_rows = rows()

    report = as_json(Report("whisper-tiny.en", compared_rows, compared_rows[0], by_rule="fp32"))

    assert report["pick"] == "fp32"
    assert report["rows"][0]["texts"] == FP32.texts


@pytest.mark.parametrize(
    ("spoken", "text", "expected"),
    [
        ("I happen to know.", "i happen to KNOW", 0),
        ("a b c d", "a x c d", 1),
        ("a b c d", "x a b c", 2),
        ("a b", "", 2),
        ("怎么会这样", "怎么会那样", 1),
    ],
)
def test_words_that_are_not_as_spoken_are_counted(spoken: str, text: str, expected: int) -> None:
    assert num_wrong(spoken, text) == expected


def test_word_error_is_of_the_recordings_of_which_it_is_known_what_is_said() -> None:
    spoken = {"a": "I happened to know"}

    first, second = compared(
        {"fp32": dataclasses.replace(FP32, spoken=spoken), "int8": dataclasses.replace(measured(16.0, b="no"), spoken=spoken)}
    )

    assert (first.num_wrong, first.num_spoken, first.wer_percent) == (1, 4, 25.0)
    assert second.wer_percent == 25.0


def test_where_nobody_knows_what_was_said_there_is_no_word_error() -> None:
    compared_rows = rows()

    assert compared_rows[0].wer_percent is None
    assert "?" in table(Report("m", compared_rows, compared_rows[0], by_rule="")).splitlines()[2]
