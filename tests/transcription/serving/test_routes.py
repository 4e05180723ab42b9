"""Which model serves a stream: by scenario and language, among those that are loaded."""

import pytest

from inference.messages import ModelInfo
from transcription.serving.routes import Choice, Route, RouteTable

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
    assert TABLE.choice_for(scenario, languages, LOADED).model == model


def test_without_routes_nothing_is_chosen() -> None:
    assert RouteTable().choice_for(None, ["en"], LOADED).model is None


NOT_THERE = [
    ("it is not loaded", (MANY, LIGHT)),
    ("it is being unloaded", (ModelInfo(name="english", engine="f", languages=(), multilingual=True, is_draining=True), MANY)),
    ("it does not know the language", (ModelInfo(name="english", engine="f", languages=("fr",), multilingual=False), MANY)),
]


@pytest.mark.parametrize(("why", "loaded"), NOT_THERE)
def test_a_route_whose_model_cannot_serve_is_passed_over(why: str, loaded: tuple[ModelInfo, ...]) -> None:
    assert TABLE.choice_for(None, ["en"], loaded).model == "many", why


FALLBACK = [
    (False, (ENGLISH, LIGHT), "english"),
    (True, (ENGLISH, LIGHT), "light"),
    (True, (ENGLISH,), "english"),  # the lighter one is not there
    (False, (LIGHT,), "light"),  # the heavier one is not there
]


@pytest.mark.parametrize(("is_on", "loaded", "model"), FALLBACK)
def test_the_lighter_model_serves_while_there_is_too_much_to_do(is_on: bool, loaded: tuple[ModelInfo, ...], model: str) -> None:
    table = RouteTable((Route(1, "general", "en", "english", fallback="light", is_on_fallback=is_on),))

    assert table.choice_for(None, ["en"], loaded).model == model


def test_an_unknown_scenario_is_refused_with_those_that_there_are() -> None:
    assert TABLE.complaint("telefony") == (
        "scenario is 'telefony'; this server knows commands, general, telephony. Did you mean telephony?"
    )
    assert RouteTable().complaint("telephony") == "scenario is 'telephony'; this server knows general."


@pytest.mark.parametrize("scenario", [None, "general", "telephony"])
def test_a_known_scenario_is_taken(scenario: str | None) -> None:
    assert TABLE.complaint(scenario) is None


PAIRED = Route(1, "general", "en", "english", partial_model="light", language_model="clinic", fallback="light")
CHOICES = [  # languages, loaded, what serves
    (["en"], (ENGLISH, LIGHT), Choice("english", "light", "clinic")),
    (["en"], (ENGLISH,), Choice("english", None, "clinic")),  # the fast one is not there
    (["en"], (LIGHT,), Choice("light", None, "clinic")),  # the lighter one is the fast one
    ([], (ENGLISH, LIGHT), Choice()),
]


@pytest.mark.parametrize(("languages", "loaded", "choice"), CHOICES)
def test_a_route_of_two_models_is_served_by_those_that_are_there(
    languages: list[str], loaded: tuple[ModelInfo, ...], choice: Choice
) -> None:
    assert RouteTable((PAIRED,), frozenset({"clinic"})).choice_for(None, languages, loaded) == choice


def test_a_fast_model_that_does_not_know_the_language_writes_no_partials() -> None:
    table = RouteTable((Route(1, "general", "", "many", partial_model="english"),))

    assert table.choice_for(None, ["de"], LOADED) == Choice("many")
    assert table.choice_for(None, ["en"], LOADED) == Choice("many", "english")


def test_a_language_model_of_a_route_that_is_not_there_is_left_out_so_that_nobody_is_refused_for_it() -> None:
    assert RouteTable((PAIRED,)).choice_for(None, ["en"], (ENGLISH,)) == Choice("english")


def test_an_unknown_language_model_is_refused_with_those_that_there_are() -> None:
    table = RouteTable(language_models=frozenset({"clinic", "digits"}))

    assert (
        table.language_model_complaint("digit")
        == "language_model is 'digit'; this server has clinic, digits. Did you mean digits?"
    )
    assert RouteTable().language_model_complaint("digits") == "language_model is 'digits'; this server has none."
    assert [table.language_model_complaint(name) for name in (None, "", "clinic", "none")] == [None] * 4


def test_a_route_can_do_without_the_language_model_of_its_model() -> None:
    table = RouteTable((Route(1, "general", "", "many", language_model="none"),))

    assert table.choice_for(None, ["en"], LOADED).language_model == "none"
