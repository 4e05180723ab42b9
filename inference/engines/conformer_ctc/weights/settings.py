"""Looks things up in a model's configuration, as YAML or JSON holds it, and says in a sentence what is not as it must be."""

import re
from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import Any, Final

from inference.errors import WeightsError

REFERENCE: Final = re.compile(r"\$\{([\w.]+)\}")
MAX_REFERENCES: Final = 8
"""One may lead to another; more than these go in a circle."""


class Absent:
    """What a setting is that is not there: something else than null."""

    def __repr__(self) -> str:
        return "missing"


ABSENT: Final = Absent()
SHORT: Final = Repr()
SHORT.maxlevel, SHORT.maxstring, SHORT.maxother = 2, 80, 80
"""Of a setting in a sentence: what a file refers to again and again may be longer than memory."""
Allowed = Sequence[object]


def shown(value: object) -> str:
    return SHORT.repr(value)


class Settings:
    """source: what sentences call it."""

    def __init__(self, content: Mapping[str, Any], source: str) -> None:
        self.content = content
        self.source = source

    def get(self, path: str) -> object:
        """The setting at `path`, such as `encoder.d_model`; `${a.b}` is what stands there. ABSENT where there is none."""
        value = self._plain(path)
        for _ in range(MAX_REFERENCES):
            reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if reference is None:
                return value
            value = self._plain(reference[1])
        raise WeightsError(f"{self.source}: {path} refers to itself. Copy it anew.")

    def number(self, path: str, default: int | None = None) -> int:
        """A whole number above 0. Raises WeightsError where it is none."""
        value = self.get(path)
        if value is ABSENT and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise WeightsError(f"{self.source}: {path} is {shown(value)}; expected a whole number above 0. Copy it anew.")
        return value

    def flag(self, path: str, *, default: bool) -> bool:
        """Raises WeightsError where it is something else than true or false."""
        value = self.get(path)
        if value is ABSENT:
            return default
        if not isinstance(value, bool):
            raise WeightsError(f"{self.source}: {path} is {shown(value)}; expected true or false. Copy it anew.")
        return value

    def expect(self, allowed: Mapping[str, Allowed], what: str) -> None:
        """Raises WeightsError where a setting is not among those that are allowed for it; the first one is what is named."""
        for path, values in allowed.items():
            value = self.get(path)
            if value not in values:
                raise WeightsError(f"{self.source}: {path} is {shown(value)}; this server reads {what} with {values[0]!r}.")

    def _plain(self, path: str) -> Any:
        value: Any = self.content
        for name in path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                return ABSENT
            value = value[name]
        return value
