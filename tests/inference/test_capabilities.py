import re
from pathlib import Path

import pytest

from inference import engines
from inference.capabilities import USED_BY, unwritable, uses
from inference.engines.conformer_ctc.transducing import ENGINE


def test_every_engine_says_what_it_makes_use_of() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(engines.__path__[0]).rglob("*.py")]

    assert {name for source in sources for name in re.findall(r'engine="(\w+)"', source)} | {ENGINE} == USED_BY.keys()


def test_transducers_take_neither_hotwords_nor_language_models_and_whisper_no_language_models() -> None:
    assert not uses("conformer_rnnt", "hotwords")
    assert not uses("emformer_rnnt", "language_model")
    assert (uses("whisper", "hotwords"), uses("whisper", "language_model")) == (True, False)
    assert uses("conformer_ctc", "language_model")


def test_an_engine_that_is_not_known_is_given_the_benefit_of_the_doubt() -> None:
    assert uses("of-a-newer-release", "hotwords")


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("abcdefghijklmnopqrstuvwxyz", ["42nd street", "Zu\u0308rich", "\u5f20\u4f1f"]),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", ["Zu\u0308rich", "\u5f20\u4f1f"]),
        ("abcdefghijklmnopqrstuvwxyz0123456789\u00fc", ["\u5f20\u4f1f"]),
        ("", []),
    ],
)
def test_hotwords_with_letters_that_a_model_does_not_have_are_named_whatever_their_case_and_marks(
    letters: str, expected: list[str]
) -> None:
    hotwords = ["Hark", "O\u2019Brien & Co.", "\uff28ARK", "42nd street", "Zu\u0308rich", "\u5f20\u4f1f"]

    assert unwritable(hotwords, letters) == expected
