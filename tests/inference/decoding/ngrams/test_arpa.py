import gzip
from pathlib import Path

import pytest

from inference.decoding.ngrams.arpa import read_arpa
from inference.errors import LanguageModelError
from tests.inference.decoding.ngrams.arpas import PRUNED, arpa_at


def test_words_get_their_numbers_as_they_come(tmp_path: Path) -> None:
    ngrams = read_arpa(arpa_at(tmp_path / "lm.arpa", PRUNED))

    assert ngrams.vocabulary == (b"<unk>", b"<s>", b"</s>", b"a", b"b", b"c", b"d")
    assert ngrams.levels[2].words[:3].tolist() == [[1, 3, 4], [3, 4, 6], [6, 4, 5]]
    assert ngrams.levels[2].log_probs[:3] == pytest.approx([-0.2, -0.3, -0.6])
    assert ngrams.levels[2].backoffs[:3] == pytest.approx([-0.15, -0.05, 0])


def test_packed_text_is_read_as_plain_text_is(tmp_path: Path) -> None:
    plain = arpa_at(tmp_path / "lm.arpa", PRUNED)
    (tmp_path / "lm.arpa.gz").write_bytes(gzip.compress(plain.read_bytes()))

    assert read_arpa(tmp_path / "lm.arpa.gz").vocabulary == read_arpa(plain).vocabulary


def test_where_the_unknown_word_is_missing_it_is_as_good_as_impossible(tmp_path: Path) -> None:
    ngrams = read_arpa(arpa_at(tmp_path / "lm.arpa", {1: "-99 <s>|-0.9 </s>|-0.7 a"}))

    assert ngrams.vocabulary == (b"<unk>", b"<s>", b"</s>", b"a")
    assert ngrams.levels[0].log_probs.tolist() == pytest.approx([-100, -99, -0.9, -0.7])


@pytest.mark.parametrize("written", ["-inf", "-1e300"])
def test_what_is_next_to_impossible_is_as_good_as_impossible(tmp_path: Path, written: str) -> None:
    ngrams = read_arpa(arpa_at(tmp_path / "lm.arpa", {1: f"-99 <s>|-0.9 </s>|{written} a"}))

    assert ngrams.levels[0].log_probs.tolist() == pytest.approx([-100, -99, -0.9, -100])


def test_single_words_alone_have_no_backoff(tmp_path: Path) -> None:
    path = arpa_at(tmp_path / "lm.arpa", {1: "-99 <s>|-0.9 </s>|-0.7 a"})
    path.write_text(path.read_text().replace("\ta", "\ta\t-0.3"))

    with pytest.raises(LanguageModelError, match="a 1-gram has a backoff, and none is longer"):
        read_arpa(path)


@pytest.mark.parametrize(
    ("was", "becomes", "complaint"),
    [
        ("\\data\\", "data", "'data' came where .* expected"),
        ("ngram 2=6", "ngram 3=5", "'ngram 3=5' came where the number of 2-grams was expected"),
        ("ngram 2=6", "ngram 2=many", "invalid literal"),
        ("ngram 2=6", "ngram 2=5", "c a.* came where .*3-grams: was expected"),
        ("ngram 2=6", "ngram 2=7", "came where a 2-gram was expected"),
        ("a b\t-0.6", "a e\t-0.6", "'e' is in a 2-gram, and not among the single words"),
        ("-0.5\ta b", "0.5\ta b", "has a weight that cannot be"),
        ("-0.5\ta b", "nan\ta b", "has a weight that cannot be"),
        ("\ta\t-0.3", "\ta\t-1e300", "has a weight that cannot be"),
        ("\ta\t-0.3", "\tb\t-0.3", "'b' comes up twice"),
        ("\t<s>\t-0.4", "\tf\t-0.4", "it lacks <s>"),
        ("-0.45\ta b d </s>", "-0.45\ta b d </s>\t-1", "a 4-gram has a backoff, and none is longer"),
        ("\\end\\", "", "the end came where .* expected"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, was: str, becomes: str, complaint: str) -> None:
    path = arpa_at(tmp_path / "lm.arpa", PRUNED)
    assert was in path.read_text()
    path.write_text(path.read_text().replace(was, becomes, 1))

    with pytest.raises(LanguageModelError, match=complaint):
        read_arpa(path)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"\x1f\x8bnot packed", b"not an n-gram", bytes(range(256))])
def test_files_that_are_something_else_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lm.arpa.gz").write_bytes(content)

    with pytest.raises(LanguageModelError, match=r"is no ARPA file .* Build the language model again"):
        read_arpa(tmp_path / "lm.arpa.gz")
