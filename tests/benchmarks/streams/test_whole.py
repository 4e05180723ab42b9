"""Texts that a model gave to whole recordings are kept, until its weights are others."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.speech import Clip
from benchmarks.streams import whole
from benchmarks.streams.whole import whole_texts
from tests.benchmarks.streams.recordings import clip


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the clips that were decoded, in order."""
    names: list[str] = []

    def decode(clips: Sequence[Clip], _model: str) -> dict[str, str]:
        names.extend(each.name for each in clips)
        return {each.name: f"text {len(names)}" for each in clips}

    monkeypatch.setattr(whole, "_decode", decode)
    return names


def test_texts_are_decoded_once(tmp_path: Path, decoded: list[str]) -> None:
    cache = tmp_path / "made" / "whole.json"

    first = whole_texts([clip("a")], "whisper-tiny.en", cache)
    both = whole_texts([clip("a"), clip("b")], "whisper-tiny.en", cache)

    assert decoded == ["a", "b"]
    assert both == first | {"b": "text 2"}


def test_other_weights_of_the_same_name_are_heard_anew(
    tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, cache = tmp_path / "edge" / "model.safetensors", tmp_path / "whole.json"
    weights.parent.mkdir()
    monkeypatch.setitem(whole.FOLDERS, "conformer-edge", weights.parent)

    for model in ("conformer-edge", f"mine={weights.parent}", f"mine={weights}?head=ctc"):
        for content in ("before", "after", "before"):
            weights.write_text(content)
            whole_texts([clip("a")], model, cache)

    assert len(decoded) == 6
