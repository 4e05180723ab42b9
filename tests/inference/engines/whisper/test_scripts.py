"""Chinese is written in the script that was asked for, whatever mixture Whisper writes."""

from collections.abc import Sequence

import pytest

from inference.engines.registry import Placement, whisper_base
from inference.engines.whisper.engine import WhisperEngine
from inference.engines.whisper.vocabulary import Vocabulary

MIXED = "他也認為这是兼复傳承文化"


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    engine = whisper_base("whisper-base", Placement("fp32"))
    assert isinstance(engine, WhisperEngine)
    return engine.vocabulary


def tokens_of(vocabulary: Vocabulary, text: str) -> list[int]:
    return list(vocabulary.tokenizer.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize(
    ("language", "written"), [("zh", "他也认为这是兼复传承文化"), ("zh-hant", "他也認為這是兼復傳承文化"), ("ja", MIXED)]
)
def test_a_language_has_its_script(vocabulary: Vocabulary, language: str, written: str) -> None:
    assert vocabulary.written(tokens_of(vocabulary, MIXED), language) == written


def test_more_text_never_changes_how_its_beginning_is_written(vocabulary: Vocabulary) -> None:
    groups: Sequence[int] = [word.last for word in vocabulary.words(tokens_of(vocabulary, MIXED), "zh")]
    tokens = tokens_of(vocabulary, MIXED)
    whole = vocabulary.written(tokens, "zh")

    assert all(whole.startswith(vocabulary.written(tokens[:last], "zh")) for last in groups)


def test_both_scripts_are_the_same_spoken_language(vocabulary: Vocabulary) -> None:
    assert vocabulary.prompt("zh") == vocabulary.prompt("zh-hant")
    assert {"zh", "zh-hant", "en"} <= set(vocabulary.tags)
