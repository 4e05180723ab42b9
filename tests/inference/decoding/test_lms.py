import os
from pathlib import Path
from threading import Event, current_thread

import pytest

from inference.decoding import lms
from inference.decoding.language_model import LanguageModel
from inference.decoding.lms import LanguageModels, language_models_in
from inference.errors import LanguageModelError, UnknownLanguageModelError
from tests.inference.decoding.lm_of import folder_of


@pytest.fixture
def models(tmp_path: Path) -> LanguageModels:
    folder_of(tmp_path / "orders", "a b")
    folder_of(tmp_path / "names", "ann")
    (tmp_path / "notes").mkdir()
    return LanguageModels(tmp_path)


def touch(folder: Path) -> None:
    """As if it were written a second later."""
    before = (folder / "lm.json").stat()
    os.utime(folder / "lm.json", ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))


def test_folders_of_language_models_are_listed(models: LanguageModels, tmp_path: Path) -> None:
    assert models.names() == ["names", "orders"]
    assert LanguageModels(tmp_path / "nowhere").names() == []


@pytest.mark.parametrize("name", ["nobody", "notes", "../orders", "orders/", ".", "a" * 200])
def test_an_unknown_one_is_refused_with_the_known_ones(models: LanguageModels, name: str) -> None:
    with pytest.raises(UnknownLanguageModelError, match="there are: names, orders"):
        models.check(name)


@pytest.mark.parametrize("name", ["", "none", "orders"])
def test_one_that_is_there_and_none_at_all_may_be_asked_for(models: LanguageModels, name: str) -> None:
    models.check(name)


def test_it_is_read_once(models: LanguageModels) -> None:
    assert models.get("orders") is models.get("orders")


def test_what_is_made_of_text_is_kept_for_the_next_process(models: LanguageModels, tmp_path: Path) -> None:
    models.get("orders")

    assert len(list((tmp_path / "orders").glob("lm.arpa.gz.*.bin"))) == 1


def test_one_that_lies_where_nothing_can_be_written_is_used_all_the_same(
    models: LanguageModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_arpa: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("inference.decoding.lms.keep_compiled", refuse)

    assert models.get("orders").words == ("a", "b")


def test_it_is_read_again_when_it_was_built_again(models: LanguageModels, tmp_path: Path) -> None:
    before = models.get("orders")
    folder_of(tmp_path / "orders", "c")
    touch(tmp_path / "orders")

    assert (before.words, models.get("orders").words) == (("a", "b"), ("c",))


def test_one_that_is_damaged_is_used_as_it_was(models: LanguageModels, tmp_path: Path) -> None:
    before = models.get("orders")
    (tmp_path / "orders/lm.arpa.gz").write_bytes(b"not an n-gram")
    touch(tmp_path / "orders")

    assert models.get("orders") is before


def test_one_that_is_damaged_when_it_is_first_read_says_what_to_do(models: LanguageModels, tmp_path: Path) -> None:
    (tmp_path / "orders/lm.arpa.gz").write_bytes(b"not an n-gram")

    for _ in range(2):
        with pytest.raises(LanguageModelError, match="Build the language model again"):
            models.get("orders")


def test_streams_go_on_without_one_whose_lexicon_has_a_word_twice(models: LanguageModels, tmp_path: Path) -> None:
    """KenLM's words are numbered; two numbers for one are an error in the midst of reading."""
    (tmp_path / "orders/lexicon.txt").write_text("a\nb\na\n")

    assert models.chosen("orders", None) is None
    assert models.is_ready("orders")


def test_it_can_be_mended(models: LanguageModels, tmp_path: Path) -> None:
    (tmp_path / "orders/lm.arpa.gz").unlink()
    with pytest.raises(LanguageModelError, match=r"has no lm\.bin or lm\.arpa or lm\.arpa\.gz"):
        models.get("orders")
    folder_of(tmp_path / "orders", "c")
    touch(tmp_path / "orders")

    assert models.get("orders").words == ("c",)


def test_a_model_has_one_of_its_own_unless_a_stream_asks_for_another_or_for_none(models: LanguageModels) -> None:
    own: LanguageModel = models.get("names")

    assert models.chosen("", own) is own
    assert models.chosen("orders", own) is models.get("orders")
    assert (models.chosen("none", own), models.chosen("", None)) == (None, None)


def test_streams_go_on_when_theirs_is_taken_away(models: LanguageModels, tmp_path: Path) -> None:
    own = models.get("names")
    (tmp_path / "orders/lm.json").unlink()

    assert models.chosen("orders", own) is own


def prepare(models: LanguageModels, name: str) -> None:
    """And wait until it is."""
    is_read = Event()
    models.prepare(name, is_read.set)
    assert is_read.wait(30)


def test_whoever_waits_for_one_is_told_when_it_is_read(models: LanguageModels) -> None:
    assert not models.is_ready("orders")

    prepare(models, "orders")

    assert models.is_ready("orders")


@pytest.mark.parametrize("name", ["nobody", "orders"])
def test_whoever_waits_for_one_that_cannot_be_used_is_told_too(models: LanguageModels, tmp_path: Path, name: str) -> None:
    (tmp_path / "orders/lexicon.txt").unlink()

    prepare(models, name)

    assert models.is_ready(name)


def test_no_segment_waits_for_one_that_is_being_prepared(models: LanguageModels, monkeypatch: pytest.MonkeyPatch) -> None:
    own, may_read = models.get("names"), Event()
    monkeypatch.setattr(lms, "_in_folder", lambda _path: own if may_read.wait(30) else None)
    is_read = Event()
    models.prepare("orders", is_read.set)

    chosen = models.chosen("orders", None)

    may_read.set()
    assert is_read.wait(30)
    assert chosen is None
    assert models.chosen("names", None) is own


def test_one_that_was_built_again_is_used_as_it_was_until_it_is_read(models: LanguageModels, tmp_path: Path) -> None:
    before = models.get("orders")
    folder_of(tmp_path / "orders", "c")
    touch(tmp_path / "orders")

    assert models.chosen("orders", None) is before

    prepare(models, "orders")

    after = models.chosen("orders", None)
    assert after is not None
    assert after.words == ("c",)


class Noting:
    """Remembers what it got ready for, and on which thread."""

    def __init__(self, complaint: str = "") -> None:
        self.complaint = complaint
        self.seen: list[tuple[str, str]] = []

    def get_ready(self, model: LanguageModel) -> None:
        self.seen.append((model.name, current_thread().name))
        if self.complaint:
            raise LanguageModelError(self.complaint)


def test_what_is_made_of_one_is_made_where_it_is_read(models: LanguageModels) -> None:
    early, late = Noting(), Noting()
    models.add_user(early)
    prepare(models, "orders")
    models.add_user(late)

    assert early.seen == [("orders", "language model orders")]
    assert late.seen == [("orders", "MainThread")]


def test_one_of_which_nothing_can_be_made_cannot_be_used(models: LanguageModels) -> None:
    models.get("names")
    broken = Noting("it does not fit")
    models.add_user(broken)

    with pytest.raises(LanguageModelError, match="it does not fit"):
        models.get("orders")


def test_a_folder_is_read_once_for_all(tmp_path: Path) -> None:
    assert language_models_in(tmp_path) is language_models_in(tmp_path)
