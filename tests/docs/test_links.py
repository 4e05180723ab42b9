"""What a page or a comment points at is there."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, PROJECT_DIR, SOURCES


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT_DIR))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]

    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_page_that_the_code_names_is_there() -> None:
    mentioned = {
        page for path in SOURCES for page in re.findall(r"\bdocs/[\w./-]+\.(?:md|json)", path.read_text(encoding="utf-8"))
    }

    assert "docs/protocol.md" in mentioned
    assert [page for page in sorted(mentioned) if not (PROJECT_DIR / page).is_file()] == []


def test_decisions_are_numbered_without_doubles() -> None:
    numbers = [path.name[:4] for path in PAGES if path.parent.name == "decisions"]

    assert len(numbers) == len(set(numbers))
    assert all(number.isdecimal() for number in numbers)
