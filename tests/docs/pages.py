"""The project's pages and what stands in them: code blocks, links, names in backticks."""

import re
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT_DIR.glob("*.md"), *(PROJECT_DIR / "docs").rglob("*.md"), *(PROJECT_DIR / "changelog").glob("*.md")])
SOURCES = sorted(
    path for folder in ("asr_project", "transcription", "inference") for path in (PROJECT_DIR / folder).rglob("*.py")
)


def read(name: str) -> str:
    """Text of a page, by its path in the project."""
    return (PROJECT_DIR / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def inline_code(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
