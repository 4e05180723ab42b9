"""docs/acceptance.md names tests and faults that exist, and every fault that tests can switch on."""

import ast
import re

import pytest

from tests.docs.pages import PROJECT_DIR, inline_code, read

PAGE = read("docs/acceptance.md")
FOLDER = PROJECT_DIR / "tests" / "acceptance"


def functions_and_classes() -> set[str]:
    """Of all tests and what they share."""
    nodes = (
        node for path in (PROJECT_DIR / "tests").rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def faults() -> set[str]:
    module = ast.parse((FOLDER / "faults.py").read_text(encoding="utf-8"))
    return {node.name for node in module.body if isinstance(node, ast.ClassDef)} - {"Faulty", "Slot"}


def mentioned() -> set[str]:
    return {code for code in inline_code(PAGE) if re.fullmatch(r"(test|assert)_\w+|[A-Z]\w+[a-z]", code)}


@pytest.fixture(scope="module")
def known() -> set[str]:
    return functions_and_classes()


@pytest.mark.parametrize("name", sorted(mentioned()))
def test_every_test_and_fault_on_the_page_exists(name: str, known: set[str]) -> None:
    assert name in known


def test_every_fault_is_on_the_page() -> None:
    assert faults() - set(inline_code(PAGE)) == set()


def test_every_check_has_its_section_and_is_shown_to_fail() -> None:
    checks = sorted({int(path.name.split("_")[1]) for path in FOLDER.glob("test_*.py")})

    assert [int(number) for number in re.findall(r"^## (\d+)\.", PAGE, flags=re.MULTILINE)] == checks
    for path in FOLDER.glob("test_*.py"):
        assert re.search(r"def test_\w+would_be_noticed", path.read_text(encoding="utf-8")), path.name
