"""Control tokens and words, with the tokenizers of the real models."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from inference.engines import registry
from inference.engines.whisper.tokenizer import read_tokenizer, with_cantonese
from inference.engines.whisper.vocabulary import Vocabulary
from inference.errors import WeightsError


@pytest.fixture(scope="module")
def english() -> Vocabulary:
    return registry.create("whisper-tiny.en", "fp32").vocabulary  # type: ignore[attr-defined,no-any-return]  # a WhisperEngine


@pytest.fixture(scope="module")
def multilingual() -> Vocabulary:
    return registry.create("whisper-base", "fp32").vocabulary  # type: ignore[attr-defined,no-any-return]  # a WhisperEngine


def tokens_of(vocabulary: Vocabulary, text: str) -> list[int]:
    return list(vocabulary.tokenizer.encode(text, add_special_tokens=False).ids)


def texts(vocabulary: Vocabulary, text: str, language: str) -> list[str]:
    tokens = tokens_of(vocabulary, text)
    words = vocabulary.words(tokens, language)
    assert [word.first for word in words[1:]] == [word.last for word in words[:-1]]
    assert "".join(word.text for word in words) == text
    return [word.text.strip() for word in words]


def test_the_english_model_knows_english_only(english: Vocabulary) -> None:
    assert list(english.languages) == ["en"]
    assert english.prompt("en") == (english.start, english.without_timestamps)


def test_the_multilingual_model_knows_ninety_nine_languages(multilingual: Vocabulary) -> None:
    assert len(multilingual.languages) == 99
    assert {"en", "zh", "de", "yo"} <= set(multilingual.languages)
    assert multilingual.tokenizer.id_to_token(multilingual.prompt("zh")[1]) == "<|zh|>"


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (" Hello there, world.", "en", ["Hello", "there,", "world."]),
        (" It's 3.14!", "en", ["It's", "3.14!"]),
        (" naïve façade", "en", ["naïve", "façade"]),
        ("怎么会这样。", "zh", ["怎么", "会", "这样。"]),
        (" 怎么会这样。", "zh", ["怎么", "会", "这样。"]),
        (" Straße, groß", "de", ["Straße,", "groß"]),
    ],
)
def test_tokens_become_words(multilingual: Vocabulary, text: str, language: str, expected: list[str]) -> None:
    assert texts(multilingual, text, language) == expected


def test_a_space_at_the_end_is_no_word(english: Vocabulary) -> None:
    tokens = [*tokens_of(english, " Hello there"), *tokens_of(english, " ")]

    words = english.words(tokens, "en")

    assert [word.text.strip() for word in words] == ["Hello", "there"]
    assert words[-1].last == len(tokens)


def test_half_a_character_stays_with_its_word(multilingual: Vocabulary) -> None:
    tokens = tokens_of(multilingual, " 龘")

    words = multilingual.words(tokens, "zh")

    assert [(word.first, word.last) for word in words if word.text.strip()][-1][1] == len(tokens)


def test_no_control_token_may_be_written(multilingual: Vocabulary) -> None:
    mask = multilingual.forbidden(multilingual.tokenizer.get_vocab_size())

    assert not mask[multilingual.end]
    assert mask[[multilingual.start, multilingual.no_speech, multilingual.without_timestamps, multilingual.previous]].all()
    assert mask[multilingual.without_timestamps + 1 :].all()


def test_one_language_more_moves_the_control_tokens_up(multilingual: Vocabulary) -> None:
    newer = Vocabulary(with_cantonese(multilingual.tokenizer), multilingual.rules)

    assert newer.languages == multilingual.languages | {"yue": 50358}
    assert list(newer.languages)[-1] == "yue"
    assert (newer.end, newer.start) == (multilingual.end, multilingual.start)
    assert newer.translate == multilingual.translate + 1
    assert newer.without_timestamps == multilingual.without_timestamps + 1
    assert texts(newer, "怎么会这样。", "yue") == ["怎么", "会", "这样。"]


def test_an_unreadable_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"tokenizer.json is no readable tokenizer.json .*Copy it from"):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_foreign_tokenizer_is_refused(multilingual: Vocabulary) -> None:
    tokenizer = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0, "?": 1}, "unk_token": "?"}}

    with pytest.raises(WeightsError, match=r"has no <\|endoftext\|>; expected a Whisper tokenizer"):
        Vocabulary(Tokenizer.from_str(json.dumps(tokenizer)), multilingual.rules)
