"""Whisper's tokens: control tokens by name, which ones may be written, and how tokens become words."""

from dataclasses import dataclass
from functools import cached_property

import torch
from opencc import OpenCC
from tokenizers import Tokenizer

from inference.errors import WeightsError

LANGUAGES_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
SCRIPTS = {"zh": "t2s", "zh-hant": "s2t"}
"""How Chinese is written down: simplified unless traditional characters are asked for; Whisper itself mixes the two."""
TRAILING_PUNCTUATION = frozenset("\"'.。,，!！?？:：;；)]}、”’」』）")
REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class WritingRules:
    """What a model's files say about its text. Tokens by number.

    alignment_heads: (layer, head) whose attention follows the audio in time. suppressed: tokens that are never written
    (annotations). suppressed_first: tokens that may not come first.
    """

    alignment_heads: tuple[tuple[int, int], ...]
    suppressed: tuple[int, ...]
    suppressed_first: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WordTokens:
    """One written word: `text` as it stands in the sentence (with its leading space) and its tokens [first, last)."""

    text: str
    first: int
    last: int

    def followed_by(self, other: "WordTokens") -> "WordTokens":
        """Both as one word."""
        return WordTokens(self.text + other.text, self.first, other.last)


def spoken(language: str) -> str:
    """The language that is spoken, without how it is written: `zh` for `zh-hant`."""
    return language.split("-")[0]


class Vocabulary:
    """One model's tokens.

    Raises:
        WeightsError: the tokenizer lacks a control token.
    """

    def __init__(self, tokenizer: Tokenizer, rules: WritingRules) -> None:
        self.tokenizer = tokenizer
        self.rules = rules
        self.end = self.control("<|endoftext|>")
        self.start = self.control("<|startoftranscript|>")
        self.previous = self.control("<|startofprev|>")
        self.without_timestamps = self.control("<|notimestamps|>")
        self.no_speech = self.without_timestamps - 1
        self.translate = self.control("<|translate|>")
        self.transcribe = self.control("<|transcribe|>")
        self._scripts = {language: OpenCC(name) for language, name in SCRIPTS.items() if self.is_multilingual}

    def control(self, name: str) -> int:
        number = self.tokenizer.token_to_id(name)
        if number is None:
            raise WeightsError(f"The tokenizer has no {name}; expected a Whisper tokenizer.json.")
        return int(number)

    @property
    def is_multilingual(self) -> bool:
        return self.end == 50257

    @cached_property
    def languages(self) -> dict[str, int]:
        """Spoken language → token; only English in an English-only model."""
        if not self.is_multilingual:
            return {"en": self.control("<|en|>")}
        tokens = range(self.start + 1, self.translate)
        return {str(self.tokenizer.id_to_token(token)).strip("<|>"): token for token in tokens}

    @property
    def tags(self) -> tuple[str, ...]:
        """What a client may ask for: the languages, and Chinese in traditional characters."""
        return (*self.languages, *(tag for tag in self._scripts if tag not in self.languages))

    @property
    def alignment_heads(self) -> list[tuple[int, int]]:
        """(layer, head) whose attention follows the audio in time."""
        return list(self.rules.alignment_heads)

    def prompt(self, language: str) -> tuple[int, ...]:
        """Control tokens before the text."""
        if not self.is_multilingual:
            return (self.start, self.without_timestamps)
        return (self.start, self.languages[spoken(language)], self.transcribe, self.without_timestamps)

    def forbidden(self, num_logits: int) -> torch.Tensor:
        """bool (num_logits,): tokens that are never written (annotations, control tokens, time stamps)."""
        mask = torch.zeros(num_logits, dtype=torch.bool)
        mask[list(self.rules.suppressed)] = True
        mask[self.end :] = True
        mask[self.end] = False
        return mask

    def forbidden_first(self, num_logits: int) -> torch.Tensor:
        """bool (num_logits,): tokens that may not come first: a blank, and the end (silence is judged apart)."""
        mask = torch.zeros(num_logits, dtype=torch.bool)
        mask[list(self.rules.suppressed_first)] = True
        return mask

    def tokens(self, text: str) -> list[int]:
        """`text` as the model would write it; nothing if it spells out a control token."""
        tokens = list(self.tokenizer.encode(text, add_special_tokens=False).ids)
        return tokens if max(tokens, default=0) < self.end else []

    def text(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def written(self, tokens: list[int], language: str) -> str:
        """Text in the language's script. Character by character, so that more tokens never change what stands before."""
        text = self.text(tokens).strip()
        script = self._scripts.get(language)
        return text if script is None else "".join(map(script.convert, text))

    def words(self, tokens: list[int], language: str) -> list[WordTokens]:
        """Group `tokens` into words: at spaces, or by character where the language writes none."""
        words: list[WordTokens] = []
        for piece in self._characters(tokens):
            if not words or self._begins_word(piece.text, words[-1].text, language):
                words.append(piece)
            else:
                words[-1] = words[-1].followed_by(piece)
        if len(words) > 1 and words[-1].text.isspace():
            words[-2:] = [words[-2].followed_by(words[-1])]
        return words

    @staticmethod
    def _begins_word(text: str, word: str, language: str) -> bool:
        """Whether `text` begins a new word after `word`; a lone space belongs to what follows it."""
        is_mark = bool(text.strip()) and set(text.strip()) <= TRAILING_PUNCTUATION
        return not word.isspace() and not is_mark and (text.startswith(" ") or spoken(language) in LANGUAGES_WITHOUT_SPACES)

    def _characters(self, tokens: list[int]) -> list[WordTokens]:
        """The smallest runs of tokens that are whole characters."""
        pieces: list[WordTokens] = []
        first = 0
        for last in range(1, len(tokens) + 1):
            text = self.text(tokens[first:last])
            if REPLACEMENT not in text or last == len(tokens):
                pieces.append(WordTokens(text, first, last))
                first = last
        return pieces
