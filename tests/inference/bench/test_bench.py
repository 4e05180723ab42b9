"""`python -m inference.bench` as an operator runs it: with the scripted engine, and once with a real model."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from inference.bench.__main__ import Plan, report_on, save
from inference.bench.errors import BenchError
from inference.bench.measure import Order, in_own_process
from inference.bench.options import add_options, as_arguments
from inference.bench.speech import recordings
from inference.tuning import Machine, Tuning, read, this_machine, write
from tests.inference.bench.recordings import write_speech
from tests.inference.worker import PROJECT_DIR
from tests.speech import FOLDER

HERE = this_machine("cpu")
WEB_SIDE = {"HARK_INFERENCE_ADDRESS": "unix:a,unix:b"}
"""As `manage.py` has it."""


def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "inference.bench", *arguments],
        cwd=PROJECT_DIR,
        env=os.environ | WEB_SIDE | {"HARK_MODELS": "fake", "HARK_DEVICE": "cpu", "OMP_NUM_THREADS": "1"} | settings,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def options_of(*arguments: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return vars(parser.parse_args(arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--models", "a=/srv/a b.pt,fake", "--precisions", "int8", "--audio", "/srv/speech", "--language", "de"],
        ["--rounds=3", "--step-ms=200", "--max-different=2.5", "--json=/tmp/x.json", "--save"],
    ],
)
def test_options_survive_being_handed_on(arguments: list[str]) -> None:
    options = options_of(*arguments)

    assert options_of(*as_arguments(options)) == options


def test_what_the_others_are_compared_with_is_always_measured() -> None:
    assert options_of("--precisions", "int8")["precisions"] == ("fp32", "int8")


@pytest.mark.parametrize(
    "arguments", [["--precisions", "int4"], ["--rounds", "0"], ["--step-ms", "fast"], ["--max-different", "few"]]
)
def test_an_option_that_cannot_be_used_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        options_of(*arguments)


def test_picks_of_other_models_stay_where_the_machine_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tuning.json"
    write(path, Tuning(machine=HERE, measured_on="2026-11-01", picks={"a": "int8", "b": "bf16"}))

    save(path, Tuning(machine=HERE, measured_on="2026-11-22", picks={"b": "fp32"}))

    assert read(path) == Tuning(machine=HERE, measured_on="2026-11-22", picks={"a": "int8", "b": "fp32"})


@pytest.mark.parametrize("before", ["another machine", "nonsense"])
def test_what_was_found_elsewhere_or_is_broken_is_written_anew(tmp_path: Path, before: str) -> None:
    path = tmp_path / "tuning.json"
    write(path, Tuning(machine=Machine("Other", "1", "cpu"), measured_on="2026-11-01", picks={"a": "int8"}))
    if before == "nonsense":
        path.write_text("{")
    fresh = Tuning(machine=HERE, measured_on="2026-11-22", picks={"b": "fp32"})

    save(path, fresh)

    assert read(path) == fresh


def die() -> None:
    os._exit(9)


def test_a_process_that_is_killed_while_it_measures_is_told_of() -> None:
    with pytest.raises(BenchError, match="memory"):
        in_own_process(die)


@pytest.mark.integration
def test_an_engine_is_measured_in_each_precision_that_the_device_has(tmp_path: Path) -> None:
    folder = write_speech(tmp_path, "alpha bravo", "charlie delta echo")
    plan = Plan(
        ("fake",), ("fp32", "int8"), folder, "", clips=24, rounds=1, step_ms=500, max_different=10.0, json=None, save=False
    )

    report = report_on(plan, Order("fake", "cpu", recordings(folder), 500))

    assert [row.precision for row in report.rows] == ["fp32", "int8"]
    assert report.rows[1].measured.texts == {"0.wav": "alpha bravo", "1.wav": "charlie delta echo"}
    assert report.rows[1].measured.audio_s == pytest.approx(2.0)
    assert report.rows[1].num_different == 0
    assert report.by_rule == ""


@pytest.mark.integration
def test_an_engine_without_precisions_is_shown_and_nothing_is_saved_of_it(tmp_path: Path) -> None:
    folder = write_speech(tmp_path / "speech", "alpha bravo")
    path = tmp_path / "tuning.json"

    done = run("--audio", str(folder), "--rounds=1", "--save", HARK_TUNING_FILE=str(path))

    assert done.returncode == 0, done.stderr
    assert "fake: 1 recordings, 1 s, 2 words" in done.stdout
    assert "no pick" in done.stdout
    saved = read(path)
    assert saved is not None
    assert (saved.machine, saved.picks) == (HERE, {})


@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (["--audio", "/nowhere"], {}, "There is no recording in /nowhere"),
        (["--models", "nobody"], {}, "There is no model 'nobody'"),
        (["--models", "a,a"], {}, "--models is 'a,a'; expected every name once"),
        ([], {"HARK_PRECISION": "fp64"}, "HARK_PRECISION is 'fp64'"),
        (["--models", "conformer-edge"], {"HARK_CONFORMER_RUNTIME": "tensorrt"}, "HARK_CONFORMER_RUNTIME is tensorrt"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(arguments: list[str], settings: dict[str, str], sentence: str) -> None:
    done = run(*arguments, **settings)

    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith(f"models bench: {sentence}")
    assert "Traceback" not in done.stderr


@pytest.mark.integration
def test_a_real_model_is_measured_picked_and_saved(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    folder.mkdir()
    audio, rate_hz = soundfile.read(FOLDER / "cv-en-523969.flac")
    soundfile.write(folder / "a.wav", audio, rate_hz)
    path, report_path = tmp_path / "tuning.json", tmp_path / "report.json"

    done = run(
        *["--models=whisper-tiny.en", "--precisions=fp16,int8", "--rounds=1", "--max-different=100", "--save"],
        *[f"--audio={folder}", f"--json={report_path}"],
        HARK_TUNING_FILE=str(path),
        HARK_PRECISION="bf16",
    )

    assert done.returncode == 0, done.stderr
    assert "left out: HARK_PRECISION is fp16" in done.stderr
    assert "HARK_PRECISION=bf16 is set and stands above every pick." in done.stdout
    (model,) = json.loads(report_path.read_text())["models"]
    assert [row["precision"] for row in model["rows"]] == ["fp32", "int8"]
    assert "what else are you" in model["rows"][0]["texts"]["a.wav"].casefold()
    assert all(row["streams_per_core"] > 0 and row["resident_bytes"] > 1e8 for row in model["rows"])
    assert model["by_rule"] in {"fp32", "bf16", "int8"}
    saved = read(path)
    assert saved is not None
    assert saved.picks == {"whisper-tiny.en": model["pick"]}
