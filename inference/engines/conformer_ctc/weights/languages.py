"""Which languages a model knows, told by what its author calls them, or by its name."""

import re
from collections.abc import Iterable
from typing import Final

from inference.engines.conformer_ctc.weights.checkpoint import DEFAULT_LANGUAGES

AUTO: Final = "auto"
LOCALE: Final = re.compile(r"([a-z]{2,3})-[A-Z]{2}")
TRADITIONAL: Final = frozenset({"zh-TW", "zh-HK"})
OF_NAME: Final = re.compile(r"(?:^|[_-])(?:stt|asr|streaming)[_-]([a-z]{2})(?:[._-]|$)")
"""Published models are called so: stt_en_fastconformer_…, nemotron-speech-streaming-en-0.6b."""


def tag_of(locale: str) -> str | None:
    """The tag of what a model calls `zh-CN` or `de`; None where it is no language."""
    if locale in TRADITIONAL:
        return "zh-hant"
    found = LOCALE.fullmatch(locale)
    if found is not None:
        return found[1]
    return locale if re.fullmatch(r"[a-z]{2,3}", locale) else None


def languages_of_prompts(prompts: Iterable[str]) -> tuple[str, ...]:
    """Tags of all languages among `prompts`, each once, in their order."""
    tags = (tag_of(prompt) for prompt in prompts if prompt != AUTO)
    return tuple(dict.fromkeys(tag for tag in tags if tag is not None))


def languages_of_name(name: str) -> tuple[str, ...]:
    """English, where the name does not say another language."""
    found = OF_NAME.search(name)
    return (found[1],) if found else DEFAULT_LANGUAGES
