"""What a measurement says, and which precisions may serve."""

import json
from pathlib import Path

import pytest

from transcription.catalogue.errors import CatalogueError
from transcription.catalogue.figures import Figures, Report, measured, read_reports, refusal


def figures(
    precision: str = "int8", *, wrong: int = 0, spoken: int = 1000, different: int = 0, words: int = 1000, streams: float = 10.0
) -> Figures:
    return Figures(
        precision=precision,
        streams_per_core=streams,
        load_ms=900.0,
        num_wrong=wrong,
        num_spoken=spoken,
        num_different=different,
        num_words=words,
    )


@pytest.mark.parametrize(
    ("reference", "candidate", "max_loss_percent", "is_refused"),
    [
        (figures(wrong=50), figures(wrong=70), 2, False),
        (figures(wrong=50), figures(wrong=71), 2, True),
        (figures(wrong=50), figures(wrong=20), 2, False),
        (figures(wrong=50), figures(wrong=52), 0, False),
        (figures(wrong=50), figures(wrong=53), 0, True),
        (figures(wrong=1, spoken=30), figures(wrong=3, spoken=30), 2, False),
        (figures(wrong=1, spoken=30), figures(wrong=4, spoken=30), 2, True),
        (figures(spoken=0), figures(spoken=0, different=20), 2, False),
        (figures(spoken=0), figures(spoken=0, different=21), 2, True),
    ],
)
def test_a_precision_may_be_worse_by_so_much_and_by_two_words(
    reference: Figures, candidate: Figures, max_loss_percent: int, is_refused: bool
) -> None:
    assert (refusal(candidate, reference, max_loss_percent) is not None) == is_refused


def test_the_reason_says_what_came_and_what_was_expected() -> None:
    reason = refusal(figures(wrong=300), figures("fp32", wrong=50), 2)

    assert reason == "int8 gets 300 of 1000 words wrong, fp32 50; more than 2 % (HARK_MAX_VARIANT_LOSS) is too many."


def test_auto_is_what_the_machine_takes_by_rule() -> None:
    report = Report(model="m", by_rule="bf16", rows=(figures("fp32"), figures("bf16"), figures("int8")))

    found = [report.of(precision) for precision in ("auto", "", "int8", "fp16")]

    assert [row and row.precision for row in found] == ["bf16", "bf16", "int8", None]


def test_figures_are_in_the_units_that_the_catalogue_shows() -> None:
    row = figures(wrong=50, streams=8.0)

    assert (row.rtf, row.wer) == (0.125, 0.05)
    assert figures(spoken=0).wer is None


def test_a_report_is_read_with_more_in_it_than_is_needed(tmp_path: Path) -> None:
    row = {name: getattr(figures(), name) for name in Figures.__struct_fields__} | {"texts": {"a.wav": "hello"}, "speedup": 2}
    content = {"machine": {}, "models": [{"model": "m", "pick": "int8", "by_rule": "int8", "rows": [row]}]}
    (tmp_path / "r.json").write_text(json.dumps(content))

    (report,) = read_reports(tmp_path / "r.json")

    assert report == Report(model="m", by_rule="int8", rows=(figures(),))


@pytest.mark.integration
def test_a_measurement_that_fails_is_not_recorded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CatalogueError, match="Nothing was measured"):
        measured(["fake"], [f"--audio={tmp_path}"])

    assert "There is no recording" in capfd.readouterr().err
