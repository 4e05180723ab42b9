"""Which clip a model must hear rightly: one in a language that it knows, and of its own field where it knows a narrow one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from transcription.models import ASRModel
from transcription.swaps.canary import SHIPPED_FOLDERS, canary_for, clips_for

SENTENCE = "Seventy one nations have a national team"


def record(folder: Path, *entries: tuple[str, str]) -> Path:
    """A folder with clips: what is said in each, and its language."""
    folder.mkdir(parents=True)
    lines = []
    for number, (text, language) in enumerate(entries):
        soundfile.write(folder / f"{number}.wav", np.zeros(1600, dtype=np.float32), 16_000)
        lines.append(json.dumps({"file": f"{number}.wav", "text": text, "lang": language}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(autouse=True)
def clips(settings: Any, tmp_path: Path) -> None:
    settings.HARK_CANARY_DIR = record(tmp_path / "clips", ("Hello there", "en"), (SENTENCE, "en"), ("Ein langer Satz", "de-DE"))


def heard(model: ASRModel, language: str = "") -> str | None:
    canary = canary_for(model, language)
    return None if canary is None else canary.text


def test_a_model_hears_the_clip_with_the_most_words_in_its_language() -> None:
    assert heard(ASRModel(name="english", languages=["en"])) == SENTENCE
    assert heard(ASRModel(name="many"), "de-at") == "Ein langer Satz"
    assert heard(ASRModel(name="english", languages=["en"]), "de") is None


def test_a_model_of_a_narrow_field_hears_its_own_clips_alone(tmp_path: Path) -> None:
    record(tmp_path / "phone-numbers" / "reference", ("five five two", "en"))
    model = ASRModel(name="phone-numbers", languages=["en"], source=str(tmp_path / "phone-numbers"))

    assert heard(model, "en") == "five five two"
    assert [clip.text for clip in clips_for(model)] == ["five five two"]


def test_one_that_comes_with_the_project_too_and_so_do_its_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "edge" / "reference", ("one two three", "en"))
    monkeypatch.setitem(SHIPPED_FOLDERS, "conformer-edge", tmp_path / "edge")
    edge = ASRModel(name="conformer-edge", languages=["en"])

    assert heard(edge) == heard(ASRModel(name="conformer-edge-bf16", variant_of=edge)) == "one two three"


def test_a_model_that_is_in_no_catalogue_hears_those_that_are_there_for_all() -> None:
    assert len(clips_for(None)) == 3
