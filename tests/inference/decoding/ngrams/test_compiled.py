from pathlib import Path

import pytest

from inference.decoding.ngrams.compiled import compiled, keep_compiled
from inference.errors import LanguageModelError
from tests.inference.decoding.ngrams.arpas import PRUNED, arpa_at

SINGLE = {1: "-99 <s>|-0.9 </s>|-0.7 a"}


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    return arpa_at(tmp_path / "lm.arpa", PRUNED)


def files_beside(arpa: Path) -> list[str]:
    return sorted(path.name for path in arpa.parent.iterdir())


def test_what_is_made_of_text_leaves_nothing_behind(arpa: Path) -> None:
    made = compiled(arpa)

    assert made.path.read_bytes().startswith(b"mmap lm http://kheafield.com/code format version 5\n")
    assert files_beside(arpa) == ["lm.arpa"]


def test_what_is_kept_is_the_same_and_made_once(arpa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = compiled(arpa)
    keep_compiled(arpa)
    monkeypatch.setattr("inference.decoding.ngrams.compiled.read_arpa", None)

    keep_compiled(arpa)

    kept = compiled(arpa)
    assert kept.path.read_bytes() == fresh.path.read_bytes()
    assert len(files_beside(arpa)) == 2


def test_other_text_makes_another_one_and_the_former_goes(arpa: Path) -> None:
    keep_compiled(arpa)
    before = files_beside(arpa)
    arpa_at(arpa, SINGLE)
    keep_compiled(arpa)

    assert len(files_beside(arpa)) == len(before) == 2
    assert files_beside(arpa) != before


def test_it_is_there_still_when_its_file_was_removed(arpa: Path) -> None:
    keep_compiled(arpa)
    made = compiled(arpa)
    size = made.path.stat().st_size
    for path in arpa.parent.iterdir():
        path.unlink()

    assert len(made.path.read_bytes()) == size


def test_kenlms_own_form_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "lm.bin").write_bytes(b"whatever")

    taken = compiled(tmp_path / "lm.bin")
    assert taken.path.read_bytes() == b"whatever"


def test_of_damaged_text_nothing_is_kept(arpa: Path) -> None:
    arpa_at(arpa, PRUNED | {4: "-0.1 <s> a b c|-0.45 c b d </s>"})

    with pytest.raises(LanguageModelError, match="are no n-gram themselves. Build the language model again"):
        keep_compiled(arpa)

    assert files_beside(arpa) == ["lm.arpa"]


@pytest.mark.parametrize("name", ["lm.bin", "lm.arpa.gz"])
def test_a_missing_file_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(LanguageModelError, match=f"{name} cannot be read"):
        compiled(tmp_path / name)
