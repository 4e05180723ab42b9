import gzip
import math
from pathlib import Path

import pytest

from inference.decoding.artefact import LmFiles, TextSource
from inference.decoding.building.build import Recipe, build
from inference.decoding.building.counts import count
from inference.decoding.building.smoothing import estimate
from inference.decoding.language_model import LanguageModel
from inference.errors import LanguageModelError

LINES = [line.split() for line in ("a b a c", "a b", "b a c a", "c", "a b a c")]


@pytest.fixture(autouse=True)
def without_lmplz(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever this machine has."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_kenlm_reads_what_is_written_and_finds_the_same_probabilities(tmp_path: Path) -> None:
    build(tmp_path / "lm", [("text", LINES)], Recipe(order=3))
    single, pairs, triples = estimate(count(LINES, 3))

    found = LanguageModel(LmFiles.in_folder(tmp_path / "lm")).log_probs(["a", "b", "z"])

    backed_off = triples.backoffs["a", "b"] * pairs.backoffs["b",] * single.probs["<unk>",]
    expected = [pairs.probs["<s>", "a"], triples.probs["<s>", "a", "b"], backed_off, single.probs["</s>",]]
    assert [math.exp(log_prob) for log_prob in found] == pytest.approx(expected, rel=1e-4)


def test_the_folder_says_what_it_was_built_from(tmp_path: Path) -> None:
    build(tmp_path / "lm", [("orders", [["a", "b"], []]), ("names", [["c"]])], Recipe(order=2, lm_weight=0.7))

    files = LmFiles.in_folder(tmp_path / "lm")

    assert files.words() == ["a", "b", "c"]
    assert (files.settings.order, files.settings.num_words, files.settings.lm_weight) == (2, 3, 0.7)
    assert files.settings.built_from == (
        TextSource(name="orders", num_lines=1, num_words=2),
        TextSource(name="names", num_lines=1, num_words=1),
    )


def test_the_same_texts_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build(tmp_path / name, [("text", LINES)])

    assert (tmp_path / "one/lm.arpa.gz").read_bytes() == (tmp_path / "two/lm.arpa.gz").read_bytes()


def test_rare_words_count_as_unknown(tmp_path: Path) -> None:
    build(tmp_path / "lm", [("text", LINES)], Recipe(order=2, min_count=5, is_closed=False))

    assert LmFiles.in_folder(tmp_path / "lm").words() == ["a"]
    assert "\t<s> <unk>\n" in gzip.decompress((tmp_path / "lm/lm.arpa.gz").read_bytes()).decode()


def test_words_that_no_text_holds_can_be_known_all_the_same(tmp_path: Path) -> None:
    build(tmp_path / "lm", [("text", LINES)], Recipe(order=2, extra_words=("zebra",)))
    model = LanguageModel(LmFiles.in_folder(tmp_path / "lm"))

    assert "zebra" in model.numbers
    assert model.log_probs(["zebra"])[0] == pytest.approx(model.log_probs(["unheard"])[0])


@pytest.mark.parametrize(
    ("texts", "order", "complaint"),
    [([("text", [[]])], 2, "hold no word"), ([("text", LINES)], 0, "expected 1 to 6"), ([("text", LINES)], 7, "order is 7")],
)
def test_what_cannot_be_built_is_refused(
    tmp_path: Path, texts: list[tuple[str, list[list[str]]]], order: int, complaint: str
) -> None:
    with pytest.raises(LanguageModelError, match=complaint):
        build(tmp_path / "lm", texts, Recipe(order=order))


def test_kenlms_own_tool_is_used_where_there_is_one(tmp_path: Path) -> None:
    tool = tmp_path / "lmplz"
    tool.write_text('#!/bin/sh\necho "$@" > "$0.args"\n/bin/cat > "$0.text"\necho arpa > "$8"\n')
    tool.chmod(0o755)

    build(tmp_path / "lm", [("text", LINES)], Recipe(order=2, prune_from=2))

    assert gzip.decompress((tmp_path / "lm/lm.arpa.gz").read_bytes()) == b"arpa\n"
    assert (tmp_path / "lmplz.text").read_text().startswith("a b a c\na b\n")
    assert (tmp_path / "lmplz.args").read_text().startswith("-o 2 --discount_fallback --prune 0 1 --arpa ")


def test_what_kenlms_own_tool_complains_of_is_passed_on(tmp_path: Path) -> None:
    tool = tmp_path / "lmplz"
    tool.write_text("#!/bin/sh\n/bin/cat > /dev/null\necho no room >&2\nexit 7\n")
    tool.chmod(0o755)

    with pytest.raises(LanguageModelError, match="failed with 7: no room"):
        build(tmp_path / "lm", [("text", LINES)])
