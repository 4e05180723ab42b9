"""Taking models in and out: real files, examined by real processes; whatever fails leaves neither row nor file."""

import json
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from inference.engines.conformer_ctc.weights import own
from inference.engines.whisper.weights.standard import tiny_en_folder
from inference.examine.facts import Facts
from inference.messages import ModelInfo, WorkerStatus
from tests.inference.engines.conformer_ctc.weights.models import nemo_config, random_checkpoint, write_nemo
from tests.inference.engines.conformer_ctc.weights.models import small as small_conformer
from tests.inference.engines.whisper.weights.layouts import (
    model_bin,
    random_weights,
    small,
    write_hugging_face,
    write_openai,
)
from transcription import recognizer
from transcription.catalogue import entries
from transcription.catalogue.entries import Candidate, record, remove, take_in, verify
from transcription.catalogue.errors import CatalogueError
from transcription.catalogue.figures import Figures, Report
from transcription.catalogue.storage import Storage
from transcription.models import ASRModel, ModelRoute, ModelSchedule, RouteOverride

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch: pytest.MonkeyPatch, store: Storage) -> None:
    monkeypatch.setenv("HARK_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    """A model that knows nothing, as OpenAI writes them."""
    return write_openai(tmp_path / "clinic.pt", random_weights(small()), torch.float16)


@pytest.fixture
def entered(small_file: Path, unexamined: None) -> ASRModel:
    return taken_in(small_file, "clinic")


@pytest.fixture
def unexamined(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests about something else: every file is a model."""
    facts = Facts(
        engine="whisper",
        languages=("en",),
        multilingual=False,
        precision="fp32",
        num_parameters=10**6,
        memory_bytes=10**7,
        load_ms=900,
    )
    monkeypatch.setattr(entries, "examine", lambda *_args: facts)


def taken_in(path: Path, name: str, **facts: Any) -> ASRModel:
    return take_in(Candidate(name, path, origin=str(path), **facts), lambda _line: None)


def left_in(store: Storage) -> list[str]:
    return sorted(entry.name for entry in store.root.iterdir()) if store.root.exists() else []


def refused(path: Path, store: Storage, **facts: Any) -> str:
    """The sentence with which it is; and nothing is left."""
    with pytest.raises(CatalogueError) as failed:
        taken_in(path, "mine", **facts)
    assert left_in(store) == []
    assert not ASRModel.objects.filter(name="mine").exists()
    return failed.value.message


def test_a_file_as_openai_writes_them_is_taken_in(small_file: Path, store: Storage) -> None:
    model = taken_in(small_file, "clinic", licence="MIT")

    assert Path(model.source).read_bytes() == small_file.read_bytes()
    assert store.owns(model.source)
    assert (model.engine, model.languages, model.multilingual, model.precision) == ("whisper", ["en"], False, "auto")
    assert (model.licence, model.origin, model.size_bytes) == ("MIT", str(small_file), small_file.stat().st_size)
    assert model.load_ms is not None
    assert model.memory_bytes is not None
    assert len(model.checksum) == 64


def test_a_hugging_face_folder_is_taken_in_with_the_licence_of_its_card(tmp_path: Path, store: Storage) -> None:
    folder = write_hugging_face(tmp_path / "german", random_weights(small()), tiny_en_folder() / "tokenizer.json", num_shards=3)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "flax_model.msgpack").write_bytes(b"not needed")

    model = taken_in(folder, "german")

    own = Path(model.source)
    assert model.licence == "apache-2.0"
    assert own.name == "german", "published heads are found by the folder's name"
    assert {file.name for file in own.iterdir()} == {file.name for file in folder.iterdir()} - {"README.md", "flax_model.msgpack"}


def test_the_shipped_english_model_is_taken_in_from_its_folder_under_another_name(store: Storage) -> None:
    model = taken_in(tiny_en_folder(), "english")

    assert model.languages == ["en"]
    assert model.memory_bytes is not None
    assert 50e6 < model.memory_bytes < 400e6


def test_a_nemo_file_is_taken_in_with_the_head_that_was_chosen(
    tmp_path: Path, store: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARK_CONFORMER_RUNTIME", "torch")  # others make a graph first, which takes minutes beside other tests
    config = small_conformer()
    path = write_nemo(tmp_path / "stt_de.nemo", random_checkpoint(config, ("ctc", "rnnt")).parameters, nemo_config(config))

    model = taken_in(path, "german", head="rnnt")

    assert (model.engine, model.languages) == ("conformer_rnnt", ["de"])
    assert model.source.endswith("/stt_de.nemo?head=rnnt")
    assert [file.name for file in entries.files_of(model)] == ["stt_de.nemo"]
    assert store.owns(model.source)


@pytest.mark.usefixtures("unexamined")
def test_a_checkpoint_of_our_own_is_taken_in_with_what_lies_below_it(tmp_path: Path) -> None:
    own.write(tmp_path / "mine", random_checkpoint(), "int8")
    write(tmp_path / "mine" / "lm" / "lm.json", b"{}")

    model = taken_in(tmp_path / "mine", "mine")

    assert (Path(model.source) / "lm" / "lm.json").read_bytes() == b"{}"
    assert verify(model) is not None


@pytest.mark.usefixtures("unexamined")
def test_what_stays_where_it_is_is_not_copied_and_not_deleted(small_file: Path, store: Storage) -> None:
    model = taken_in(small_file, "clinic", in_place=True)
    assert model.source == str(small_file)
    assert left_in(store) == []

    remove(model)

    assert small_file.exists()


@pytest.mark.parametrize("name", ["", "-x", "a b", "a=b", "x" * 101, "whisper-base", "clinic"])
def test_a_name_that_cannot_be_or_is_somebodys_is_refused(entered: ASRModel, small_file: Path, name: str) -> None:
    with pytest.raises(CatalogueError, match=r"cannot be a name|There is a model"):
        taken_in(small_file, name)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def safetensors(header: Mapping[str, object], num_bytes: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(num_bytes)


def cut_tiny_en(tmp_path: Path) -> Path:
    folder = tmp_path / "cut"
    shutil.copytree(tiny_en_folder(), folder)
    content = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(content[: len(content) // 2])
    return folder


def foreign_folder(tmp_path: Path) -> Path:
    folder = write_hugging_face(tmp_path / "m", random_weights(small()), tiny_en_folder() / "tokenizer.json")
    (folder / "config.json").write_text('{"model_type": "wav2vec2", "vocab_size": 32}')
    return folder


def half_folder(tmp_path: Path) -> Path:
    """The architecture is right, but half of the parameters is missing."""
    folder = write_hugging_face(tmp_path / "m", random_weights(small()), tiny_en_folder() / "tokenizer.json", num_shards=2)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00001-of-00002.safetensors"}}')
    return folder


def other_network(tmp_path: Path) -> Path:
    """A text translator, say."""
    folder = tmp_path / "m"
    shutil.copytree(tiny_en_folder(), folder)
    (folder / "model.bin").write_bytes(model_bin(architecture="TransformerSpec"))
    return folder


class Malice:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return Path.touch, (Path("/tmp/hark-was-executed"),)  # type: ignore[return-value]  # noqa: S108  # it must not be made


def malicious_file(tmp_path: Path) -> Path:
    torch.save({"dims": {}, "model_state_dict": Malice()}, tmp_path / "a.pt")
    return tmp_path / "a.pt"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: write(folder / "a.pt", b"\x89PNG\r\n" + bytes(5000)), "is no torch checkpoint or is damaged"),
        (cut_tiny_en, r"ends after \d+ bytes where \d+ were expected"),
        (foreign_folder, "says model_type is 'wav2vec2'; this server reads Whisper models"),
        (half_folder, "lacks"),
        (other_network, "holds a TransformerSpec model; expected WhisperSpec"),
        (malicious_file, "is no torch checkpoint or is damaged"),
        (lambda folder: write(folder / "m" / "pytorch_model.bin", b"x").parent, "pickles are not read"),
        (lambda folder: folder / "nowhere", "There is no .*nowhere"),
    ],
    ids=["picture", "cut", "foreign", "half", "other network", "malicious", "pickle", "nothing"],
)
def test_what_is_no_model_is_refused_with_a_sentence(
    tmp_path: Path, store: Storage, make: Callable[[Path], Path], sentence: str
) -> None:
    path = make(tmp_path)

    with pytest.raises(CatalogueError, match=sentence):
        taken_in(path, "mine")

    assert left_in(store) == []
    assert not ASRModel.objects.filter(name="mine").exists()
    assert not Path("/tmp/hark-was-executed").exists()  # noqa: S108


def test_a_model_too_big_for_the_machine_is_refused_before_it_is_loaded(tmp_path: Path, store: Storage) -> None:
    folder = write_hugging_face(tmp_path / "m", random_weights(small()), tiny_en_folder() / "tokenizer.json")
    num_parameters = 10**10
    header = {"model.a": {"dtype": "I8", "shape": [num_parameters], "data_offsets": [0, num_parameters]}}
    with (folder / "model.safetensors").open("wb") as file:
        file.write(safetensors(header, 0))
        file.truncate(file.tell() + num_parameters)  # takes no room on the disk

    sentence = refused(folder, store, in_place=True)
    assert "mine has 10000 million parameters; loading it takes about 90.1 GB" in sentence
    assert "Take a smaller model" in sentence


def test_a_model_too_big_for_the_disk_is_refused_before_it_is_copied(
    small_file: Path, store: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))

    assert "Make room" in refused(small_file, store)


def test_files_other_than_those_that_were_promised_are_refused(small_file: Path, store: Storage) -> None:
    assert "The files have the SHA-256" in refused(small_file, store, checksum="0" * 64)


@pytest.mark.usefixtures("unexamined")
def test_a_row_that_cannot_be_written_leaves_no_files(small_file: Path, store: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else was faster."""
    monkeypatch.setattr(entries, "check_name", lambda _name: None)

    with pytest.raises(CatalogueError, match="Somebody else took in a model whisper-base meanwhile"):
        taken_in(small_file, "whisper-base")

    assert left_in(store) == []


def test_whoever_interrupts_leaves_nothing(small_file: Path, store: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object) -> None:
        assert left_in(store) != []
        raise KeyboardInterrupt

    monkeypatch.setattr(entries, "examine", interrupt)

    with pytest.raises(KeyboardInterrupt):
        taken_in(small_file, "mine")

    assert left_in(store) == []
    assert not ASRModel.objects.filter(name="mine").exists()


def test_a_model_is_verified_and_one_that_changed_is_not(entered: ASRModel) -> None:
    assert verify(entered).engine == "whisper"

    content = bytearray(Path(entered.source).read_bytes())
    content[len(content) // 2] ^= 1
    Path(entered.source).write_bytes(content)

    with pytest.raises(CatalogueError, match=r"are not those that were taken in: SHA-256 .* import it anew"):
        verify(entered)


def test_a_model_whose_files_are_gone_is_not_verified(entered: ASRModel) -> None:
    Path(entered.source).unlink()

    with pytest.raises(CatalogueError, match="There is no"):
        verify(entered)


def test_the_models_that_come_with_the_project_are_verified() -> None:
    assert verify(ASRModel.objects.get(name="whisper-tiny.en")).languages == ("en",)


@pytest.mark.django_db(transaction=True)
def test_what_is_removed_is_gone_with_its_files(entered: ASRModel, store: Storage) -> None:
    remove(entered)

    assert not ASRModel.objects.filter(name="clinic").exists()
    assert left_in(store) == []


def use_in_route(model: ASRModel) -> None:
    ModelRoute.objects.create(model=model)


def use_as_fallback(model: ASRModel) -> None:
    ModelRoute.objects.create(model=ASRModel.objects.get(name="whisper-base"), fallback=model)


def use_for_partials(model: ASRModel) -> None:
    ModelRoute.objects.create(model=ASRModel.objects.get(name="whisper-base"), partial_model=model)


def use_in_schedule(model: ASRModel) -> None:
    route = ModelRoute.objects.create(model=ASRModel.objects.get(name="whisper-base"))
    ModelSchedule.objects.create(route=route, model=model, days=[0], starts="20:00", ends="06:00")


def use_now(model: ASRModel) -> None:
    route = ModelRoute.objects.create(model=ASRModel.objects.get(name="whisper-base"))
    RouteOverride.objects.create(route=route, model=model)


def use_as_origin(model: ASRModel) -> None:
    ASRModel.objects.create(name="clinic-int8", variant_of=model, source=model.source)


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (use_in_route, "it is the model of the route general"),
        (use_as_fallback, "it is the lighter model of the route general"),
        (use_for_partials, "it is the model of partial texts of the route general"),
        (use_in_schedule, "it is in the schedule 20:00–06:00 UTC of the route general"),
        (use_now, "it is what somebody put on the route general"),
        (use_as_origin, "it is what clinic-int8 is a variant of"),
    ],
)
def test_a_model_in_use_is_not_removed(entered: ASRModel, use: Callable[[ASRModel], None], sentence: str) -> None:
    use(entered)
    entered.refresh_from_db()

    with pytest.raises(CatalogueError, match=f"clinic is in use: {sentence}"):
        remove(entered)

    assert Path(entered.source).exists()
    assert ASRModel.objects.filter(name="clinic").exists()


def test_an_override_that_is_over_does_not_hold_a_model(entered: ASRModel) -> None:
    use_now(entered)
    RouteOverride.objects.update(from_at="2026-01-01T00:00Z", until_at="2026-01-02T00:00Z")

    remove(entered)

    assert not ASRModel.objects.filter(name="clinic").exists()


def test_a_model_that_is_configured_is_not_removed(entered: ASRModel, settings: Any) -> None:
    settings.HARK_MODELS = ["whisper-base", f"clinic={entered.source}"]

    with pytest.raises(CatalogueError, match="named in HARK_MODELS"):
        remove(entered)


def test_a_model_that_somebody_may_be_heard_by_is_not_removed(entered: ASRModel, monkeypatch: pytest.MonkeyPatch) -> None:
    info = ModelInfo(name="clinic", engine="whisper", languages=("en",), multilingual=False)

    async def statuses() -> list[WorkerStatus]:
        return [WorkerStatus(node="a", is_ready=True), WorkerStatus(node="b", is_ready=True, models=(info,))]

    monkeypatch.setattr(recognizer, "each_status", statuses)

    with pytest.raises(CatalogueError, match="inference-1 have it in memory"):
        remove(entered)


def test_a_model_that_comes_with_the_project_is_not_removed() -> None:
    with pytest.raises(CatalogueError, match="comes with the project and cannot be removed"):
        remove(ASRModel.objects.get(name="whisper-base"))


def row(precision: str, num_wrong: int, streams: float) -> Figures:
    return Figures(
        precision=precision,
        streams_per_core=streams,
        load_ms=1000,
        num_wrong=num_wrong,
        num_spoken=100,
        num_different=num_wrong,
        num_words=100,
    )


def report(int8_wrong: int = 5) -> Report:
    return Report(model="clinic", by_rule="int8", rows=(row("fp32", 5, 4.0), row("bf16", 6, 8.0), row("int8", int8_wrong, 10.0)))


def test_variants_are_made_with_what_was_measured_of_them(entered: ASRModel) -> None:
    outcomes = record(entered, report(), ("bf16", "int8"), max_loss_percent=2)

    variant = ASRModel.objects.get(name="clinic-int8")
    entered.refresh_from_db()
    assert [outcome.refusal for outcome in outcomes] == ["", "", ""]
    assert (variant.variant_of, variant.source, variant.precision, variant.checksum) == (
        entered,
        entered.source,
        "int8",
        entered.checksum,
    )
    assert (variant.rtf, variant.wer, entered.rtf, entered.wer) == (0.1, 0.05, 0.1, 0.05)
    assert variant.memory_bytes is not None
    assert ASRModel.objects.get(name="clinic-bf16").wer == 0.06


def test_a_variant_worse_than_the_limit_is_not_made(entered: ASRModel) -> None:
    outcomes = record(entered, report(int8_wrong=30), ("int8",), max_loss_percent=2)

    assert outcomes[-1].model is None
    assert "int8 gets 30 of 100 words wrong, fp32 5" in outcomes[-1].refusal
    assert not ASRModel.objects.filter(name="clinic-int8").exists()


def test_a_variant_that_turns_out_worse_is_disabled_unless_it_is_in_use(entered: ASRModel) -> None:
    for precision in ("bf16", "int8"):
        ASRModel.objects.create(name=f"clinic-{precision}", variant_of=entered, source=entered.source, precision=precision)
    ModelRoute.objects.create(model=ASRModel.objects.get(name="clinic-bf16"))
    bad = Report(model="clinic", by_rule="fp32", rows=(row("fp32", 5, 4.0), row("bf16", 50, 8.0), row("int8", 50, 10.0)))

    outcomes = record(entered, bad, (), max_loss_percent=2)

    assert [bool(outcome.refusal) for outcome in outcomes] == [False, True, True]
    assert ASRModel.objects.get(name="clinic-bf16").is_enabled
    assert not ASRModel.objects.get(name="clinic-int8").is_enabled


def test_files_that_variants_share_stay_until_the_last_is_gone(entered: ASRModel, store: Storage) -> None:
    variant = ASRModel.objects.create(name="clinic-int8", variant_of=entered, source=entered.source, precision="int8")

    remove(variant)

    assert Path(entered.source).exists()
    assert verify(entered).engine == "whisper"
