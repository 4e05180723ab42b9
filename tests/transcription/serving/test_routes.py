"""Which model serves a stream: by scenario and language, among those that are loaded."""

import pytest

from inference.messages import ModelInfo
from transcription.serving.routes import Route, RouteTable

ENGLISH = ModelInfo(name="english", engine="fake", languages=("en",), multilingual=False)
MANY = ModelInfo(name="many", engine="fake", languages=("en", "de", "zh", "zh-hant"), multilingual=True)
PHONE = ModelInfo(name="phone", engine="fake", languages=("en", "de"), multilingual=False)
LIGHT = ModelInfo(name="light", engine="fake", languages=(), multilingual=True)
LOADED = (ENGLISH, MANY, PHONE, LIGHT)
TABLE = RouteTable(
    (
        Route(1, "general", "en", "english"),
        Route(2, "general", "", "many"),
        Route(3, "telephony", "de", "phone"),
        Route(4, "telephony", "", "light"),
        Route(5, "commands", "fr", "light"),
        Route(6, "general", "zh", "light"),
    )
)
SERVES = [  # scenario, languages, model
    (None, ["en"], "english"),
    ("general", ["en"], "english"),
    (None, ["de"], "many"),
    (None, [], "many"),  # detects: only the routes for any language
    (None, ["en", "de"], "many"),
    ("telephony", ["de"], "phone"),
    ("telephony", ["en"], "light"),  # the scenario's own route for any language before general's for English
    ("telephony", ["de", "en"], "light"),  # hears several: not the route of one of them, even if its model knows both
    ("commands", ["fr"], "light"),
    ("commands", ["en"], "english"),  # no route of its own: as general
    (None, ["zh-hant"], "light"),  # no route of its own: as zh
    (None, ["xx"], None),  # `many` does not know it
]


@pytest.mark.parametrize(("scenario", "languages", "model"), SERVES)
def test_this_model_serves(scenario: str | None, languages: list[str], model: str | None) -> None:
    assert TABLE.model_for(scenario, languages, LOADED) == model


def test_without_routes_nothing_is_chosen() -> None:
    assert RouteTable().model_for(None, ["en"], LOADED) is None


NOT_THERE = [
    ("it is not loaded", (MANY, LIGHT)),
    ("it is being unloaded", (ModelInfo(name="english", engine="f", languages=(), multilingual=True, is_draining=True), MANY)),
    ("it does not know the language", (ModelInfo(name="english", engine="f", languages=("fr",), multilingual=False), MANY)),
]


@pytest.mark.parametrize(("why", "loaded"), NOT_THERE)
def test_a_route_whose_model_cannot_serve_is_passed_over(why: str, loaded: tuple[ModelInfo, ...]) -> None:
    assert TABLE.model_for(None, ["en"], loaded) == "many", why


FALLBACK = [
    (False, (ENGLISH, LIGHT), "english"),
    (True, (ENGLISH, LIGHT), "light"),
    (True, (ENGLISH,), "english"),  # the lighter one is not there
    (False, (LIGHT,), "light"),  # the heavier one is not there
]


@pytest.mark.parametrize(("is_on", "loaded", "model"), FALLBACK)
def test_the_lighter_model_serves_while_there_is_too_much_to_do(is_on: bool, loaded: tuple[ModelInfo, ...], model: str) -> None:
    table = RouteTable((Route(1, "general", "en", "english", fallback="light", is_on_fallback=is_on),))

    assert table.model_for(None, ["en"], loaded) == model


def test_an_unknown_scenario_is_refused_with_those_that_there_are() -> None:
    assert TABLE.complaint("telefony") == (
        "scenario is 'telefony'; this server knows commands, general, telephony. Did you mean telephony?"
    )
    assert RouteTable().complaint("telephony") == "scenario is 'telephony'; this server knows general."


@pytest.mark.parametrize("scenario", [None, "general", "telephony"])
def test_a_known_scenario_is_taken(scenario: str | None) -> None:
    assert TABLE.complaint(scenario) is None
