"""Which model serves a stream that did not name one: by its scenario and its languages. Pure.

`RouteTable` is how the routes were when somebody last looked; who looks is `transcription.serving.routebook`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from inference.messages import ModelInfo

GENERAL: Final = "general"
"""The scenario of a stream that names none, and the one that is asked where another has no route for a language."""


@dataclass(frozen=True, slots=True)
class Route:
    """`language` empty: every one that has no route of its own. `fallback` empty: there is no lighter model."""

    key: int
    scenario: str
    language: str
    model: str
    fallback: str = ""
    is_on_fallback: bool = False
    fallback_above_ms: int = 0
    fallback_below_ms: int = 0

    @property
    def models(self) -> tuple[str, ...]:
        """What may serve, the best first."""
        if not self.fallback:
            return (self.model,)
        return (self.fallback, self.model) if self.is_on_fallback else (self.model, self.fallback)


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Those in service."""

    routes: tuple[Route, ...] = ()

    @property
    def scenarios(self) -> list[str]:
        return sorted({GENERAL, *(route.scenario for route in self.routes)})

    def complaint(self, scenario: str | None) -> str | None:
        """Why a stream cannot begin with `scenario`, or None."""
        if scenario is None or scenario in self.scenarios:
            return None
        near = get_close_matches(scenario, self.scenarios, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"scenario is {scenario!r}; this server knows {', '.join(self.scenarios)}.{hint}"

    def model_for(self, scenario: str | None, languages: Sequence[str], models: Sequence[ModelInfo]) -> str | None:
        """The model for a stream that listens for `languages` (none: detects), of those that are loaded.

        None: no route has one that is there and knows them, and the inference process chooses as it does without routes.
        """
        able = {info.name for info in models if info.can_serve(languages) and not info.is_draining}
        named = (name for route in self._asked(scenario, languages) for name in route.models)
        return next((name for name in named if name in able), None)

    def _asked(self, scenario: str | None, languages: Sequence[str]) -> Iterator[Route]:
        """Routes for such a stream, the closest first."""
        by_place = {(route.scenario, route.language): route for route in self.routes}
        for name in dict.fromkeys((scenario or GENERAL, GENERAL)):
            for language in _places(languages):
                if (name, language) in by_place:
                    yield by_place[name, language]


def _places(languages: Sequence[str]) -> list[str]:
    """For zh-hant also the route of zh; for a stream that hears several languages only the one for any."""
    if len(languages) != 1:
        return [""]
    return list(dict.fromkeys((languages[0], languages[0].partition("-")[0], "")))
