"""`manage.py models`: what runs, what is configured, and the benchmark in a process of its own."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inference.messages import ModelInfo, WorkerStatus
from inference.tuning import Tuning, this_machine, write
from tests.inference.bench.recordings import write_speech
from tests.inference.worker import running_worker, wait_until
from transcription import recognizer
from transcription.management.commands.models import described


@pytest.fixture(autouse=True)
def nobody_answers(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HARK_INFERENCE_ADDRESS = f"unix:{tmp_path / 'a.sock'},unix:{tmp_path / 'b.sock'}"
    monkeypatch.setenv("HARK_TUNING_FILE", str(tmp_path / "tuning.json"))
    monkeypatch.setenv("HARK_MODELS", "fake,whisper-base")
    monkeypatch.setenv("HARK_DEVICE", "cpu")
    monkeypatch.delenv("HARK_PRECISION", raising=False)


@pytest.fixture
def one_of_two_processes(tmp_path: Path) -> Iterator[None]:
    with running_worker(f"unix:{tmp_path / 'b.sock'}", HARK_MODELS="fake"):
        wait_until(lambda: "fake" in listed())
        yield


def listed() -> str:
    out = StringIO()
    call_command("models", "list", stdout=out)
    return out.getvalue()


@pytest.mark.integration
@pytest.mark.usefixtures("one_of_two_processes")
def test_what_each_inference_process_runs_is_listed() -> None:
    wait_until(lambda: "Configured" not in listed())

    assert listed() == "inference-0: No inference process answers.\ninference-1: fake (fake)\n"


def test_where_nobody_answers_what_is_configured_is_listed_and_why(tmp_path: Path) -> None:
    path = tmp_path / "tuning.json"
    write(path, Tuning(machine=this_machine("cpu"), measured_on="2026-11-22", picks={"whisper-base": "bf16"}))

    assert listed().splitlines()[2:] == [
        "Configured:",
        f"  fake: auto ({path} does not tell of it)",
        f"  whisper-base: bf16 (measured on 2026-11-22, {path})",
    ]


def test_a_tuning_file_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "tuning.json").write_text("{")

    with pytest.raises(CommandError, match=r"^HARK_TUNING_FILE is .*tuning\.json, which is no tuning file"):
        listed()


def test_a_model_is_shown_with_its_precision() -> None:
    models = tuple(
        ModelInfo(name=name, engine="whisper", languages=("en",), multilingual=False, precision=precision)
        for name, precision in [("tiny", "int8"), ("base", "")]
    )

    assert described(WorkerStatus(node="a", is_ready=True, models=models)) == "tiny (int8), base (whisper)"
    assert described(WorkerStatus(node="a", is_ready=False, detail="Models are loading.")) == "Models are loading."


@pytest.mark.integration
def test_the_benchmark_runs_beside_django_and_its_output_is_seen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = write_speech(tmp_path / "speech", "alpha")

    call_command("models", "bench", "--models=fake", "--precisions=fp32", "--rounds=1", f"--audio={folder}")

    assert "fake: 1 recordings" in capfd.readouterr().out


@pytest.mark.integration
def test_a_benchmark_that_fails_fails_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as failed:
        call_command("models", "bench", f"--audio={tmp_path}")

    assert failed.value.code == 3
    assert "There is no recording" in capfd.readouterr().err


async def test_each_process_is_asked_by_itself() -> None:
    statuses = await recognizer.each_status()

    assert [status.is_ready for status in statuses] == [False, False]
