"""Model names: known, unknown, and without their weights."""

import importlib.util
from pathlib import Path

import pytest

from inference.config import Head, StreamingOptions
from inference.engines import registry
from inference.engines.conformer_ctc.weights import own
from inference.engines.fake import FakeEngine
from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
from inference.errors import UnknownModelError, WeightsError
from inference.messages import ModelSpec
from tests.inference.engines.conformer_ctc.networks import RandomFiles, config_of
from tests.inference.engines.conformer_ctc.weights.models import nemo_config, random_checkpoint, write_nemo
from tests.inference.engines.conformer_ctc.weights.models import small as small_conformer
from tests.inference.engines.emformer_rnnt.bundles import write_bundle
from tests.inference.engines.whisper.weights.layouts import random_weights, small, write_openai


def test_the_scripted_engine_is_made_by_its_name() -> None:
    assert isinstance(registry.create("fake", "auto"), FakeEngine)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    known = r"known models: conformer-edge, fake, whisper-base, whisper-tiny\.en\. .* name=path"
    with pytest.raises(UnknownModelError, match=rf"no model 'whisper-huge'; {known}"):
        registry.create("whisper-huge", "auto")


@pytest.mark.parametrize("name", ["whisper-tiny.en", "whisper-base"])
def test_a_missing_weights_package_is_named_with_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(WeightsError, match=r"weights package \S+ is not installed\. Run `make \w+`"):
        registry.create(name, "auto")


def test_missing_weight_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    files = CTranslate2Files("whisper-tiny.en", tmp_path, (tmp_path / "model.bin",))

    with pytest.raises(WeightsError, match=rf"weights of whisper-tiny\.en are missing: {tmp_path}/model\.bin\. Run"):
        files.content()


def test_a_path_makes_a_model_of_that_name_with_the_languages_of_its_file(tmp_path: Path) -> None:
    write_openai(tmp_path / "clinic.pt", random_weights(small(num_tokens=51866, num_mels=128)))

    info = registry.create(f"clinic={tmp_path / 'clinic.pt'}", "fp32").info

    assert (info.name, info.engine, info.multilingual) == ("clinic", "whisper", True)
    assert {"yue", "de", "zh-hant"} <= set(info.languages)


def test_an_english_only_file_makes_an_english_only_model(tmp_path: Path) -> None:
    write_openai(tmp_path / "clinic.pt", random_weights(small()))

    info = registry.create(f"clinic={tmp_path / 'clinic.pt'}", "fp32").info

    assert (info.languages, info.multilingual) == (("en",), False)


def test_a_path_with_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="clinic: there is no"):
        registry.create(f"clinic={tmp_path / 'clinic.pt'}", "auto")


def test_a_folder_of_a_streaming_conformer_makes_one_that_hears_speech_as_it_is_spoken(tmp_path: Path) -> None:
    files = RandomFiles(config_of(4, (10, 4)))
    own.write(tmp_path / "clinic", files.load(), "fp32")

    engine = registry.create(f"clinic={tmp_path / 'clinic'}", "fp32", streaming=StreamingOptions(chunk_ms=500))

    assert (engine.info.name, engine.info.engine, engine.info.step_samples) == ("clinic", "conformer_ctc", 3200)
    assert engine.num_parameters() == files.num_parameters()


@pytest.mark.parametrize(
    ("heads", "choice", "engine"),
    [
        (("ctc", "rnnt"), "", "conformer_ctc"),
        (("ctc", "rnnt"), "?head=ctc", "conformer_ctc"),
        (("ctc", "rnnt"), "?head=rnnt", "conformer_rnnt"),
        (("rnnt",), "", "conformer_rnnt"),
    ],
)
def test_a_head_is_chosen_behind_the_path_of_a_model_that_has_several(
    tmp_path: Path, heads: tuple[Head, ...], choice: str, engine: str
) -> None:
    config = small_conformer()
    path = write_nemo(tmp_path / "m.nemo", random_checkpoint(config, heads).parameters, nemo_config(config))

    by_name = registry.create(f"m={path}{choice}", "fp32")
    by_spec = registry.create_as(ModelSpec(name="m", source=f"{path}{choice}", precision="fp32"))

    assert by_name.info.engine == by_spec.info.engine == engine


def test_a_head_that_a_model_has_not_is_refused(tmp_path: Path) -> None:
    own.write(tmp_path / "own", random_checkpoint(), "fp16")
    write_openai(tmp_path / "clinic.pt", random_weights(small()))

    with pytest.raises(WeightsError, match="m has no head rnnt, only ctc"):
        registry.create(f"m={tmp_path}/own?head=rnnt", "fp32")
    with pytest.raises(WeightsError, match=r"has one head; .* Leave out \?head="):
        registry.create(f"m={tmp_path}/clinic.pt?head=rnnt", "fp32")


def test_torchaudios_bundle_is_recognised(tmp_path: Path) -> None:
    info = registry.create(f"m={write_bundle(tmp_path / 'bundle')}", "fp32").info

    assert (info.engine, info.languages) == ("emformer_rnnt", ("en",))
