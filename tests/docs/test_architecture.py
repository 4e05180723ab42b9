"""docs/architecture.md names functions, modules and packages that exist, and every package."""

import ast
import re

import pytest

from tests.docs.pages import PROJECT_DIR, SOURCES, inline_code, read

PAGE = read("docs/architecture.md")
ROOTS = ("asr_project", "transcription", "inference")


def names_in_code() -> set[str]:
    """Every function and class of the project, methods as `Class.method`."""
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            if isinstance(node, ast.ClassDef):
                methods = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
                found.update(f"{node.name}.{method.name}" for method in methods)
    return found


def mentioned_names() -> list[str]:
    """Names in backticks that can only be a class, a method, or a function with an underscore in its name."""
    return [
        name for name in inline_code(PAGE) if re.fullmatch(r"[A-Z]\w*[a-z]\w*(\.\w+)?|[a-z]+_\w+", name) and name not in ROOTS
    ]


def packages() -> set[str]:
    folders = {path.parent for path in SOURCES if path.name == "__init__.py"}
    names = {str(folder.relative_to(PROJECT_DIR)) for folder in folders}
    names |= {str(path.parent.relative_to(PROJECT_DIR)) for path in SOURCES if path.parent.parent.name == "engines"}
    return {name for name in names if not name.endswith(("migrations", "commands"))}


@pytest.mark.parametrize("name", sorted(set(mentioned_names())))
def test_every_name_on_the_page_is_in_the_code(name: str) -> None:
    assert name in names_in_code()


def test_the_life_of_an_utterance_names_its_functions() -> None:
    assert len(set(mentioned_names())) > 30


@pytest.mark.parametrize("path", sorted({code for code in inline_code(PAGE) if re.fullmatch(r"[\w/]+\.(py|md|toml)", code)}))
def test_every_file_on_the_page_is_there(path: str) -> None:
    assert (PROJECT_DIR / path).is_file() or (PROJECT_DIR / "inference" / path).is_file()


def test_every_package_has_its_line() -> None:
    table = PAGE.split("## Packages", 1)[1].split("\n\n", 2)[1]
    listed = {name for row in table.splitlines() for name in re.findall(r"`([\w/]+)`", row.split("|")[1])}

    assert packages() <= listed
    assert [name for name in sorted(listed) if not (PROJECT_DIR / name).is_dir()] == []
