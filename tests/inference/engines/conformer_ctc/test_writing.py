from pathlib import Path

import numpy as np
import pytest

from inference.decoding.language_model import LanguageModel
from inference.decoding.lms import LanguageModels
from inference.engines.base import Window
from inference.engines.conformer_ctc.writing import CtcWriter
from tests.inference.decoding.frames import LETTERS, spoken
from tests.inference.decoding.lm_of import folder_of, lm_of

HEARD = spoken(LETTERS, "the cut", prob=0.6)


@pytest.fixture
def own(tmp_path: Path) -> LanguageModel:
    return lm_of(tmp_path / "own", "the cat")


@pytest.fixture
def installed(tmp_path: Path) -> LanguageModels:
    folder_of(tmp_path / "installed/hats", "the hat")
    return LanguageModels(tmp_path / "installed")


def written(writer: CtcWriter, *wanted: tuple[str, tuple[str, ...]]) -> list[str]:
    """What streams that hear the same, each with its language model and hotwords, are told."""
    windows = [
        Window(None, np.zeros(0, np.float32), ("en",), is_final=False, language_model=name, hotwords=hotwords)
        for name, hotwords in wanted
    ]
    lines = [writer.open(window) for window in windows]
    for first in range(0, len(HEARD), 2):
        writer.write(lines, [HEARD[first : first + 2]] * len(lines))
    return [writer.finish(line, len(HEARD)).text for line in lines]


def test_each_stream_is_decoded_with_the_language_model_that_it_asked_for(own: LanguageModel, installed: LanguageModels) -> None:
    writer = CtcWriter(LETTERS, 40, installed, own)

    assert written(writer, ("", ()), ("hats", ()), ("none", ())) == ["the cat", "the hat", "the cut"]


def test_without_one_the_likeliest_letters_are_written(installed: LanguageModels) -> None:
    assert written(CtcWriter(LETTERS, 40, installed), ("", ()), ("hats", ())) == ["the cut", "the hat"]


def test_each_stream_has_its_own_hotwords(own: LanguageModel, installed: LanguageModels) -> None:
    writer = CtcWriter(LETTERS, 40, installed, own)

    assert written(writer, ("", ()), ("", ("cut",)), ("none", ("cot",))) == ["the cat", "the cut", "the cut"]


def test_what_decoders_need_of_a_language_model_is_made_when_that_is_read(
    installed: LanguageModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = CtcWriter(LETTERS, 40, installed)
    installed.get("hats")
    for name in ("WordSearch", "Rescorer"):
        monkeypatch.setattr(f"inference.decoding.decoder.{name}", None)

    assert written(writer, ("hats", ())) == ["the hat"]
