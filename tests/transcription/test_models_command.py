"""`manage.py models`: what runs, the catalogue, and the benchmark in a process of its own."""

import hashlib
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import CommandError, call_command

from inference.engines.whisper.weights.layout import Weights
from inference.messages import ModelInfo, WorkerStatus
from inference.tuning import Tuning, this_machine, write
from tests.inference.bench.recordings import write_speech
from tests.inference.engines.whisper.weights.layouts import random_weights, small, write_openai
from tests.inference.engines.whisper.weights.listening import shipped_tiny_en
from tests.inference.worker import running_worker, wait_until
from tests.speech import FOLDER
from tests.transcription.catalogue.site import running_site
from transcription import recognizer
from transcription.catalogue.published import PUBLISHED
from transcription.management.commands.models import described
from transcription.models import ASRModel


@pytest.fixture(autouse=True)
def nobody_answers(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HARK_MODELS_DIR = tmp_path / "models"
    settings.HARK_INFERENCE_ADDRESS = f"unix:{tmp_path / 'a.sock'},unix:{tmp_path / 'b.sock'}"
    monkeypatch.setenv("HARK_TUNING_FILE", str(tmp_path / "tuning.json"))
    monkeypatch.setenv("HARK_MODELS", "fake,whisper-base")
    monkeypatch.setenv("HARK_DEVICE", "cpu")
    monkeypatch.delenv("HARK_PRECISION", raising=False)


@pytest.fixture
def tiny_en() -> Weights:
    """The shipped English model."""
    return shipped_tiny_en().load()


@pytest.fixture
def one_of_two_processes(tmp_path: Path) -> Iterator[None]:
    with running_worker(f"unix:{tmp_path / 'b.sock'}", HARK_MODELS="fake"):
        wait_until(lambda: "fake" in listed())
        yield


def listed() -> str:
    out = StringIO()
    call_command("models", "list", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
@pytest.mark.integration
@pytest.mark.usefixtures("one_of_two_processes")
def test_what_each_inference_process_runs_is_listed() -> None:
    wait_until(lambda: "Configured" not in listed())

    assert listed().startswith("inference-0: No inference process answers.\ninference-1: fake (fake)\nCatalogue:\n")


@pytest.mark.django_db
def test_where_nobody_answers_what_is_configured_is_listed_and_why(tmp_path: Path) -> None:
    path = tmp_path / "tuning.json"
    write(path, Tuning(machine=this_machine("cpu"), measured_on="2026-11-22", picks={"whisper-base": "bf16"}))

    assert listed().splitlines()[2:5] == [
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


def said(*arguments: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command("models", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_catalogue_is_listed_with_what_is_known() -> None:
    ASRModel.objects.filter(name="whisper-base").update(rtf=0.125, wer=0.0904, load_ms=2_345, is_enabled=False)

    lines = listed().partition("Catalogue:\n")[2].splitlines()

    assert lines[0].split()[:3] == ["model", "precision", "languages"]
    assert [line.split()[0] for line in lines[1:]] == ["conformer-edge", "whisper-base", "whisper-tiny.en"]
    for figure in ("147 MB", "2.3 s", "0.125 s", "9.0 %", "MIT", "disabled"):
        assert figure in lines[2]
    assert " en " in lines[3]


@pytest.mark.django_db(transaction=True)
@pytest.mark.integration
def test_a_model_is_taken_in_measured_in_variants_verified_and_removed(
    tmp_path: Path, tiny_en: Weights, settings: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_openai(tmp_path / "tiny.pt", tiny_en, torch.float16)
    speech = tmp_path / "speech"
    speech.mkdir()
    shutil.copy(FOLDER / "cv-en-523969.flac", speech)
    shutil.copy(FOLDER / "manifest.jsonl", speech)

    told = said("import", str(path), "--name=mine", "--licence=MIT")
    assert "mine is in the catalogue" in told
    told = said("bench", "mine", "--variants=int8", "--precisions=int8", "--rounds=1", f"--audio={speech}")
    assert "mine-int8  int8  en" in told

    mine, variant = ASRModel.objects.get(name="mine"), ASRModel.objects.get(name="mine-int8")
    assert mine.wer == variant.wer == 0.0
    assert variant.rtf is not None
    assert 0 < variant.rtf < 1
    assert variant.memory_bytes is not None
    assert mine.memory_bytes is not None
    assert "mine-int8: whole, and can be loaded" in said("verify", "mine", "mine-int8")

    with pytest.raises(CommandError, match="mine is in use: it is what mine-int8 is a variant of"):
        said("remove", "mine")
    assert said("remove", "mine", "--with-variants").splitlines() == ["mine-int8 is removed.", "mine is removed."]
    assert not any(settings.HARK_MODELS_DIR.iterdir())


@pytest.mark.django_db(transaction=True)
@pytest.mark.integration
def test_a_model_is_fetched_and_nothing_of_the_fetching_is_left(tmp_path: Path, settings: Any) -> None:
    weights = write_openai(tmp_path / "clinic.pt", random_weights(small()), torch.float16).read_bytes()
    with running_site() as site:
        site.files["/models/clinic.pt"] = weights
        site.cut_after_bytes = [1000]
        said("pull", f"{site.url}/models/clinic.pt", f"--sha256={hashlib.sha256(weights).hexdigest()}")

    model = ASRModel.objects.get(name="clinic")
    assert model.origin == f"{site.url}/models/clinic.pt"
    assert Path(model.source).read_bytes() == weights
    assert [path.name for path in settings.HARK_MODELS_DIR.rglob("*.p*")] == ["clinic.pt"]
    assert not any((settings.HARK_MODELS_DIR / ".downloads").iterdir())


@pytest.mark.django_db
@pytest.mark.integration
def test_a_fetched_model_that_is_none_leaves_nothing(settings: Any) -> None:
    with running_site() as site:
        site.files["/clinic.pt"] = b"not a model"
        with pytest.raises(CommandError, match="is no torch checkpoint or is damaged"):
            said("pull", f"{site.url}/clinic.pt")

    assert not list(settings.HARK_MODELS_DIR.rglob("clinic*"))


def test_published_models_are_listed_where_nothing_is_named() -> None:
    told = said("pull")

    assert all(model.name in told and model.licence in told for model in PUBLISHED)


@pytest.mark.django_db
def test_without_internet_it_is_said_what_to_do() -> None:
    with pytest.raises(CommandError, match=r"no way from here to hub.invalid .*`models import`"):
        said("pull", "https://hub.invalid/openai/model.pt")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("import", "/nowhere"), "There is no /nowhere"),
        (("pull", "whisper"), "'whisper' is nothing to fetch"),
        (("remove", "nobody"), "no model 'nobody' in the catalogue"),
        (("remove", "whisper-base"), "comes with the project and cannot be removed"),
        (("verify", "whisper-base", "nobody"), "no model 'nobody' in the catalogue"),
        (("bench", "nobody"), "no model 'nobody' in the catalogue"),
        (("bench", "--variants=int8"), "name them behind `bench`"),
        (("import", "/nowhere", "--variants=int4"), "expected some of fp32,bf16,fp16,int8"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        said(*arguments)


@pytest.mark.django_db
def test_a_licence_is_written_down_for_a_model_and_its_variants() -> None:
    base = ASRModel.objects.get(name="whisper-base")
    ASRModel.objects.create(name="whisper-base-int8", variant_of=base, precision="int8")

    told = said("describe", "whisper-base", "--licence=Apache-2.0")

    assert told == f"whisper-base: licence Apache-2.0, from {base.origin}\n"
    assert set(ASRModel.objects.filter(name__startswith="whisper-base").values_list("licence", "origin")) == {
        ("Apache-2.0", base.origin)
    }


@pytest.mark.django_db
@pytest.mark.integration
def test_what_is_not_whole_is_named_and_fails_the_command(tmp_path: Path) -> None:
    ASRModel.objects.create(name="lost", source=str(tmp_path / "lost.pt"), checksum="0" * 64)
    out = StringIO()

    with pytest.raises(CommandError, match="1 of the models cannot be used"):
        call_command("models", "verify", "lost", stdout=out)

    assert out.getvalue().startswith("lost: There is no ")
