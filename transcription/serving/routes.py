"""Which model serves a stream that did not name one: by its scenario and its languages. Pure.

`RouteTable` is how the routes were when somebody last looked; who looks is `transcription.serving.routebook`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from inference.decoding.artefact import NO_LANGUAGE_MODEL
from inference.messages import ModelInfo

GENERAL: Final = "general"
"""The scenario of a stream that names none, and the one that is asked where another has no route for a language."""


@dataclass(frozen=True, slots=True)
class Route:
    """`language` empty: every one that has no route of its own. `partial_model` empty: `model` writes partial texts, too.
    `fallback` empty: there is no lighter model. `language_model` empty: none, or the model's own."""

    key: int
    scenario: str
    language: str
    model: str
    partial_model: str = ""
    language_model: str = ""
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
class Choice:
    """What a stream is heard with, by name. `model` None: the inference process chooses as it does without routes.
    `partial_model` None: the same model writes partial texts. `language_model` empty: the model's own, or none."""

    model: str | None = None
    partial_model: str | None = None
    language_model: str = ""


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Those in service, and the names of the language models that there are."""

    routes: tuple[Route, ...] = ()
    language_models: frozenset[str] = frozenset()

    @property
    def scenarios(self) -> list[str]:
        return sorted({GENERAL, *(route.scenario for route in self.routes)})

    def complaint(self, scenario: str | None) -> str | None:
        """Why a stream cannot begin with `scenario`, or None."""
        if scenario is None or scenario in self.scenarios:
            return None
        return f"scenario is {scenario!r}; this server knows {', '.join(self.scenarios)}.{_hint(scenario, self.scenarios)}"

    def language_model_complaint(self, name: str | None) -> str | None:
        """Why a stream cannot be heard with the language model `name`, or None."""
        if not name or self.has_language_model(name):
            return None
        known = sorted(self.language_models)
        return f"language_model is {name!r}; this server has {', '.join(known) or 'none'}.{_hint(name, known)}"

    def has_language_model(self, name: str) -> bool:
        """Whether a stream may ask for it; also for none."""
        return name in self.language_models or name == NO_LANGUAGE_MODEL

    def choice_for(self, scenario: str | None, languages: Sequence[str], models: Sequence[ModelInfo]) -> Choice:
        """What serves a stream that listens for `languages` (none: detects), of the models that are loaded.

        Without a model: no route has one that is there and knows them.
        """
        able = {info.name for info in models if info.can_serve(languages) and not info.is_draining}
        for route in self._asked(scenario, languages):
            model = next((name for name in route.models if name in able), None)
            if model is not None:
                is_pair = route.partial_model in able and route.partial_model != model
                language_model = route.language_model if self.has_language_model(route.language_model) else ""
                return Choice(model, route.partial_model if is_pair else None, language_model)
        return Choice()

    def _asked(self, scenario: str | None, languages: Sequence[str]) -> Iterator[Route]:
        """Routes for such a stream, the closest first."""
        by_place = {(route.scenario, route.language): route for route in self.routes}
        for name in dict.fromkeys((scenario or GENERAL, GENERAL)):
            for language in _places(languages):
                if (name, language) in by_place:
                    yield by_place[name, language]


def _hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _places(languages: Sequence[str]) -> list[str]:
    """For zh-hant also the route of zh; for a stream that hears several languages only the one for any."""
    if len(languages) != 1:
        return [""]
    return list(dict.fromkeys((languages[0], languages[0].partition("-")[0], "")))
