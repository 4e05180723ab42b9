"""Language tags as clients give them and as models know them. Pure."""

from collections.abc import Sequence
from typing import Final

from inference.messages import ModelInfo

TRADITIONAL_CHINESE: Final = frozenset({"hant", "tw", "hk", "mo"})


def language_tag(tag: str) -> str:
    """The tag by which models know a language: the primary one, and `zh-hant` for traditional characters."""
    primary, *others = tag.replace("_", "-").lower().split("-")
    return "zh-hant" if primary == "zh" and TRADITIONAL_CHINESE & set(others) else primary


def language_tags(language: str | list[str] | None, default: str) -> tuple[str, ...]:
    """Tags to listen for; empty for "auto"."""
    given = default if language is None else language
    tags = [given] if isinstance(given, str) else given
    return () if "auto" in tags else tuple(dict.fromkeys(map(language_tag, tags)))


def language_complaint(languages: Sequence[str], model: str, models: Sequence[ModelInfo]) -> str | None:
    """Why `model` cannot hear `languages`, or None."""
    info = next((info for info in models if info.name == model), None)
    if info is None:
        return None
    if not languages and not info.multilingual:
        return f"language is auto, but {info.name} cannot detect languages. The language stays as it was."
    missing = sorted(set(languages) - set(info.languages)) if info.languages else []
    if missing:
        return f"language is {', '.join(missing)}, which {info.name} does not know. The language stays as it was."
    return None
