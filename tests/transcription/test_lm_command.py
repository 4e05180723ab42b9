"""`manage.py lm`: building, listing and checking language models."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inference.decoding.artefact import LmFiles


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.HARK_LM_DIR = tmp_path / "lms"
    return tmp_path / "lms"


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    text = tmp_path / "orders.txt"
    text.write_text("A large mocha, please!\nA small mocha.\n")
    return text


def run(*words: str | Path) -> str:
    out = StringIO()
    call_command("lm", *map(str, words), stdout=out)
    return out.getvalue()


def test_a_language_model_is_built_from_texts_and_listed(orders: Path) -> None:
    said = run("build", "orders", orders, "--order", "3")

    assert re.fullmatch(r"orders  3-grams of 5 words, closed  \d{4}-\d\d-\d\d \d\d:\d\d UTC  orders\.txt \(7 words\)\n", said)
    assert run("list") == said


def test_what_is_asked_for_is_written_down(orders: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("Macchiato\nchai\n")

    run("build", "orders", orders, "--writing", "upper", "--open", "--words", tmp_path / "words", "--min-count", "2",
        "--lm-weight", "0.7", "--word-score", "-1", "--beam-size", "8", "--prune-from", "2")  # fmt: skip

    files = LmFiles.in_folder(folder / "orders")
    assert files.words() == ["A", "CHAI", "MACCHIATO", "MOCHA"]
    assert (files.settings.is_closed, files.settings.lm_weight) == (False, 0.7)
    assert (files.settings.word_score, files.settings.beam_size) == (-1.0, 8)


@pytest.mark.parametrize("order", ["1", "3"])
def test_no_process_needs_to_make_anything_of_what_is_built(
    orders: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    run("build", "orders", orders, "--order", order)
    monkeypatch.setattr("inference.decoding.ngrams.compiled.read_arpa", None)

    assert "0 of 9 unknown" in run("check", "orders", orders)


def test_one_that_is_built_again_takes_the_place_of_the_old_one(orders: Path, folder: Path) -> None:
    run("build", "orders", orders)
    orders.write_text("tea\n")

    run("build", "orders", orders)

    assert LmFiles.in_folder(folder / "orders").words() == ["tea"]
    assert [path.name for path in folder.iterdir()] == ["orders"]


def test_one_that_cannot_be_built_leaves_the_old_one_as_it_was(orders: Path, folder: Path) -> None:
    run("build", "orders", orders)
    orders.write_text("...\n")

    with pytest.raises(CommandError, match="hold no word"):
        run("build", "orders", orders)

    assert "mocha" in LmFiles.in_folder(folder / "orders").words()
    assert [path.name for path in folder.iterdir()] == ["orders"]


def test_a_check_says_how_well_a_text_is_known_and_which_words_are_not(orders: Path, tmp_path: Path) -> None:
    run("build", "orders", orders)
    (tmp_path / "heard.txt").write_text("a large tea\n")

    said = run("check", "orders", orders, tmp_path / "heard.txt")

    known, surprising, lacking = said.splitlines()
    assert float(known.split()[2].rstrip(",")) < float(surprising.split()[2].rstrip(","))
    assert "0 of 9 unknown" in known
    assert "1 of 4 unknown" in surprising
    assert lacking == "  words that it lacks: tea"


REFUSED = [
    (["build", "../orders", "text"], "cannot be a name"),
    (["build", "none", "text"], "cannot be a name"),
    (["build", "orders", "nowhere.txt"], r"nowhere\.txt cannot be read"),
    (["check", "nobody", "text"], "There is no language model 'nobody'; there are: none"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED)
def test_what_cannot_be_done_is_refused_with_a_reason(words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*words)


def test_an_order_that_is_out_of_range_is_refused(orders: Path) -> None:
    with pytest.raises(CommandError, match="The order is 9; expected 1 to 6"):
        run("build", "orders", orders, "--order", "9")


def test_one_that_is_damaged_is_listed_as_such(orders: Path, folder: Path) -> None:
    run("build", "orders", orders)
    (folder / "orders/lexicon.txt").unlink()

    assert "orders  unusable: " in run("list")


def test_numbers_that_make_no_sense_are_refused(orders: Path) -> None:
    with pytest.raises(CommandError, match=r"<= 10\.0 - at `\$\.lm_weight`"):
        run("build", "orders", orders, "--lm-weight", "50")
