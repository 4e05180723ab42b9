"""Model names: known, unknown, and without their weights."""

import importlib.util
from pathlib import Path

import pytest

from inference.engines import registry
from inference.engines.fake import FakeEngine
from inference.errors import UnknownModelError, WeightsError


def test_the_scripted_engine_is_made_by_its_name() -> None:
    assert isinstance(registry.create("fake", "auto"), FakeEngine)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownModelError, match=r"no model 'whisper-huge'; known models: fake, whisper-base, whisper-tiny\.en"):
        registry.create("whisper-huge", "auto")


@pytest.mark.parametrize("name", ["whisper-tiny.en", "whisper-base"])
def test_a_missing_weights_package_is_named_with_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(WeightsError, match=r"weights package \S+ is not installed\. Run `make \w+`"):
        registry.create(name, "auto")


def test_missing_weight_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    from inference.engines.whisper.weights import ModelFiles

    files = ModelFiles("whisper-tiny.en", tmp_path, (tmp_path / "model.bin",))

    with pytest.raises(WeightsError, match=rf"weights of whisper-tiny\.en are missing: {tmp_path}/model\.bin\. Run"):
        files.content()
