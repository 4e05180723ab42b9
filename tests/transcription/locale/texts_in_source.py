"""What people can read of Hark, found in its source, and the compiled catalogue that says it in Chinese.

Needs none of GNU gettext's tools: templates are read as Django's own `makemessages` reads them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.utils.translation.template import templatize

PROJECT: Final = Path(__file__).parents[3]
CATALOGUE: Final = PROJECT / "transcription" / "locale" / "zh_Hans" / "LC_MESSAGES"
ASKING: Final = frozenset({"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"})
IN_TEMPLATE: Final = re.compile(r"""gettext\(u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)""")


def texts_of_project() -> dict[str, str]:
    """Each text that is looked up in the catalogue, and the file where it stands."""
    found: dict[str, str] = {}
    for folder, pattern, texts_of in (
        ("transcription", "**/*.py", texts_of_module),
        ("asr_project", "**/*.py", texts_of_module),
        ("templates", "**/*.html", texts_of_template),
    ):
        for path in sorted((PROJECT / folder).glob(pattern)):
            if "migrations" not in path.parts:
                found |= {text: str(path.relative_to(PROJECT)) for text in texts_of(path.read_text(encoding="utf-8"))}
    return found


def texts_of_module(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and name_of(node.func) in ASKING and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def name_of(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def texts_of_template(source: str) -> Iterator[str]:
    for quoted in IN_TEMPLATE.findall(templatize(source)):
        yield str(ast.literal_eval(quoted))


def written_entries(source: str) -> dict[str, str]:
    """Text and translation of a .po file; its header belongs to the empty text."""
    entries: dict[str, str] = {}
    for block in re.split(r"\n\s*\n", source):
        parts = {"msgid": "", "msgstr": ""}
        current = ""
        for line in block.splitlines():
            keyword, _blank, rest = line.partition(" ")
            if keyword in parts:
                current, line = keyword, rest
            if current and line.startswith('"'):
                parts[current] += str(ast.literal_eval(line))
        if current:
            entries[parts["msgid"]] = parts["msgstr"]
    return entries
