"""docs/settings.md lists every environment variable that the code reads, with its default, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT_DIR = Path(__file__).resolve().parents[2]
PAGE = PROJECT_DIR / "docs" / "settings.md"
READERS = {"read_str", "read_bool", "read_int", "read_choice", "read_list", "read_networks", "getenv", "get", "setdefault", "pop"}
OTHERS = {
    "DJANGO_SETTINGS_MODULE": "Django's own, and always the same",
    "REMOTE_ADDR": "read from a request, not from the environment",
}


def documented() -> dict[str, list[str]]:
    """Variable → the defaults that the page gives it, one for each table it stands in."""
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \| (.+?) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: dict[str, list[str]] = {}
    for name, default in rows:
        found.setdefault(name, []).append(default)
    return found


def calls(path: Path) -> Iterator[tuple[str, list[ast.expr], dict[str | None, ast.expr]]]:
    """Variable, other arguments and keywords of each call in `path` that looks like reading the environment."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        function, name = node.func, node.args[0].value
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if called in READERS and isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", name):
            yield name, node.args[1:], {keyword.arg: keyword.value for keyword in node.keywords}


def sources() -> list[Path]:
    return [path for folder in ("asr_project", "transcription", "inference") for path in (PROJECT_DIR / folder).rglob("*.py")]


def literal_defaults() -> dict[str, str]:
    """Defaults in settings.py that are written out there, as an operator would type them."""
    found: dict[str, str] = {}
    for name, arguments, keywords in calls(PROJECT_DIR / "asr_project" / "settings.py"):
        default = arguments[0] if arguments else keywords["default"]
        if isinstance(default, ast.Constant):
            found[name] = str(default.value).lower() if isinstance(default.value, bool) else str(default.value)
        elif isinstance(default, ast.List):
            found[name] = ",".join(ast.literal_eval(default))
    return found


def test_every_variable_that_is_read_is_documented_and_no_other() -> None:
    read = {name for path in sources() for name, *_rest in calls(path)} - set(OTHERS)

    assert set(documented()) == read


def test_the_search_for_variables_finds_the_known_ones() -> None:
    read = {name for path in sources() for name, *_rest in calls(path)}

    assert read >= {"SECRET_KEY", "DEBUG", "HARK_ANONYMOUS", "HARK_MODELS", "PORT"}


@pytest.mark.parametrize(("name", "default"), sorted(literal_defaults().items()))
def test_the_documented_default_is_the_one_in_the_code(name: str, default: str) -> None:
    assert (f"`{default}`" if default else "empty") in documented()[name]
