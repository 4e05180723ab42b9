"""Which model a session asks for, and when it goes over to another one."""

import json
from typing import Any

import pytest
from msgspec import UNSET

from inference import messages as link
from transcription.protocol import CloseCode, ModelChanged, SessionError, SessionWarning, Start
from transcription.serving.routes import Route, RouteTable
from transcription.session.actions import Action, ConfigureRecognition, OpenRecognition, Send
from transcription.session.closing import CLOSE_CODES
from transcription.session.stream_session import Restored, StreamSession
from transcription.session.terms import Terms

ENGLISH = link.ModelInfo(name="english", engine="fake", languages=("en",), multilingual=False)
MANY = link.ModelInfo(name="many", engine="fake", languages=("en", "de"), multilingual=True)
PHONE = link.ModelInfo(name="phone", engine="fake", languages=("en", "de"), multilingual=False)


def table(**models: str) -> RouteTable:
    """general="many" is the route general/*, telephony_de="phone" is telephony/de."""
    places = [(*place.partition("_")[::2], model) for place, model in models.items()]
    return RouteTable(tuple(Route(key, *place) for key, place in enumerate(places)))


class Talk:
    """A session; `routes` and `models` can be exchanged while it runs."""

    def __init__(self, routes: RouteTable, *, may_choose: bool = True) -> None:
        self.routes = routes
        self.models: tuple[link.ModelInfo, ...] = (ENGLISH, MANY, PHONE)
        self.session = StreamSession(
            "s-1", Terms("en", lambda: self.models, lambda: self.routes, may_choose_model=may_choose), lambda: 0.0
        )

    def tell(self, kind: str, **fields: Any) -> list[Action]:
        return self.session.on_text(json.dumps({"type": kind} | fields))

    def start(self, **fields: Any) -> str | None:
        """The model that recognition is asked for."""
        opened = [action for action in self.tell("start", **fields) if isinstance(action, OpenRecognition)]
        return opened[0].options.model

    def begin(self, served_by: str, /, **fields: Any) -> None:
        self.start(**fields)
        self.session.on_events([link.StreamOpened(stream=0, model=served_by, language="en")])

    def moved_to(self) -> list[Any]:
        """The model that it is led to, if it is, after something has changed."""
        return [action.model for action in self.session.on_routes() if isinstance(action, ConfigureRecognition)]

    def hear(self, event: link.AnyStreamEvent) -> list[Any]:
        return [action.message for action in self.session.on_events([event]) if isinstance(action, Send)]


STARTS: list[tuple[RouteTable, dict[str, Any], str | None]] = [
    (table(), {}, None),  # as without routes
    (table(), {"model": "phone"}, "phone"),
    (table(general_en="english"), {}, "english"),
    (table(general_en="english"), {"language": "auto"}, None),
    (table(general="many"), {"language": "auto"}, "many"),
    (table(general="many", telephony="phone"), {"scenario": "telephony"}, "phone"),
    (table(general="many", telephony="phone"), {"scenario": "general"}, "many"),
    (table(general="many"), {"model": "english"}, "english"),  # what the client names stands above
    (table(general="not-loaded"), {}, None),
]


@pytest.mark.parametrize(("routes", "fields", "model"), STARTS)
def test_a_session_asks_for_this_model(routes: RouteTable, fields: dict[str, Any], model: str | None) -> None:
    assert Talk(routes).start(**fields) == model


def test_audio_without_a_start_is_served_by_the_routes_too() -> None:
    actions = Talk(table(general="many")).session.on_audio(bytes(6400))

    assert [action.options.model for action in actions if isinstance(action, OpenRecognition)] == ["many"]


def refusal(actions: list[Action]) -> SessionError:
    return next(action.message for action in actions if isinstance(action, Send) and isinstance(action.message, SessionError))


def test_a_client_that_may_not_choose_is_told_so_and_sent_away() -> None:
    error = refusal(Talk(table(), may_choose=False).tell("start", model="phone"))

    assert (error.code, CLOSE_CODES[error.code]) == ("model_not_allowed", CloseCode.FORBIDDEN)
    assert "scenario" in error.message


def test_a_client_that_may_not_choose_may_name_a_scenario() -> None:
    assert Talk(table(telephony="phone"), may_choose=False).start(scenario="telephony") == "phone"


def test_an_unknown_scenario_is_refused() -> None:
    error = refusal(Talk(table(telephony="phone")).tell("start", scenario="telefony"))

    assert (error.code, error.message) == (
        "unsupported_option",
        "scenario is 'telefony'; this server knows general, telephony. Did you mean telephony?",
    )


def test_a_session_follows_its_route_and_the_client_is_told_when_it_has() -> None:
    talk = Talk(table(general="many"))
    talk.begin("many")
    talk.routes = table(general="phone")

    assert talk.moved_to() == ["phone"]
    assert talk.hear(link.ModelChanged(stream=0, model="phone", from_segment=3)) == [ModelChanged(model="phone", from_segment=3)]
    assert talk.moved_to() == []


def test_a_route_that_changes_back_before_the_session_has_followed_leaves_it_where_it_is() -> None:
    talk = Talk(table(general="many"))
    talk.begin("many")
    talk.routes = table(general="phone")
    talk.moved_to()
    talk.routes = table(general="many")

    assert talk.moved_to() == ["many"]


def test_a_session_that_named_its_model_keeps_it() -> None:
    talk = Talk(table(general="many"))
    talk.begin("english", model="english")
    talk.routes = table(general="phone")

    assert talk.moved_to() == []


def test_a_session_without_a_route_follows_the_first_one_that_is_made() -> None:
    talk = Talk(table())
    talk.begin("english")

    assert talk.moved_to() == []
    talk.routes = table(general="many")
    assert talk.moved_to() == ["many"]


def test_a_route_that_changes_while_a_session_is_being_opened_is_followed() -> None:
    talk = Talk(table(general="many"))
    talk.start()
    talk.routes = table(general="phone")

    actions = talk.session.on_events([link.StreamOpened(stream=0, model="many", language="en")])

    assert [action.model for action in actions if isinstance(action, ConfigureRecognition)] == ["phone"]


def test_a_route_that_is_taken_away_leaves_its_sessions_where_they_are() -> None:
    talk = Talk(table(general="many"))
    talk.begin("many")
    talk.routes = table()

    assert talk.moved_to() == []


def test_a_session_whose_model_is_gone_goes_on_with_one_that_knows_its_language() -> None:
    talk = Talk(table(general="many"))
    talk.begin("many", language="de")
    talk.models = (ENGLISH, PHONE)

    assert talk.moved_to() == ["phone"]


def test_while_no_inference_process_answers_nobody_is_moved() -> None:
    talk = Talk(table(general="many"))
    talk.begin("many")
    talk.models = ()

    assert talk.moved_to() == []


def test_another_language_leads_to_the_route_of_that_language() -> None:
    talk = Talk(table(general_en="english", general_de="phone"))
    talk.begin("english")

    changes = [action for action in talk.tell("configure", language="de") if isinstance(action, ConfigureRecognition)]

    assert [(change.languages, change.model) for change in changes] == [(("de",), "phone")]


def test_another_language_leads_away_from_a_model_that_does_not_know_it() -> None:
    talk = Talk(table(general_en="english"))
    talk.begin("english")

    changes = [action for action in talk.tell("configure", language="de") if isinstance(action, ConfigureRecognition)]

    assert [(change.languages, change.model) for change in changes] == [(("de",), "many")]


def test_without_routes_a_language_that_the_model_does_not_know_is_refused() -> None:
    talk = Talk(table())
    talk.begin("english")

    warnings = [action.message for action in talk.tell("configure", language="de") if isinstance(action, Send)]

    assert [warning.code for warning in warnings if isinstance(warning, SessionWarning)] == ["unsupported_language"]


def test_a_late_start_leads_to_its_scenario() -> None:
    talk = Talk(table(general="many", telephony="phone"))
    talk.session.on_audio(bytes(6400))
    talk.session.on_events([link.StreamOpened(stream=0, model="many", language="en")])

    changes = [action for action in talk.tell("start", scenario="telephony") if isinstance(action, ConfigureRecognition)]

    assert [change.model for change in changes] == ["phone"]


def test_another_model_after_a_lost_process_is_told() -> None:
    talk = Talk(table())
    talk.begin("english")

    assert talk.hear(link.StreamOpened(stream=0, model="english", language="en")) == []
    assert talk.hear(link.StreamOpened(stream=0, model="many", language="en")) == [ModelChanged(model="many", from_segment=0)]


RESTORED = [  # routes, the model it named, the model it had, the model it asks for
    (table(), None, "many", "many"),
    (table(), None, "not-loaded", None),
    (table(general="phone"), None, "many", "phone"),
    (table(general="phone"), "many", "many", "many"),
    (table(general="phone"), "not-loaded", "not-loaded", None),
]


@pytest.mark.parametrize(("routes", "named", "had", "asked"), RESTORED)
def test_a_session_from_elsewhere_goes_on_with(routes: RouteTable, named: str | None, had: str, asked: str | None) -> None:
    restored = Restored(Start(reliable=True, model=named), had, link.Checkpoint(), (), ())

    actions = Talk(routes).session.restore(restored)

    assert [action.options.model for action in actions if isinstance(action, OpenRecognition)] == [asked]


def pair(fast: str = "english", language_model: str = "clinic", model: str = "many") -> RouteTable:
    return RouteTable(
        (Route(1, "general", "en", model, partial_model=fast, language_model=language_model),), frozenset({"clinic", "phone"})
    )


def asked(actions: list[Action]) -> tuple[Any, ...]:
    """Of the first action that asks recognition for anything: models of finals and of partials, and language model."""
    for action in actions:
        options = action.options if isinstance(action, OpenRecognition) else action
        if isinstance(options, link.StreamOptions | ConfigureRecognition):
            return options.model, options.partial_model, options.language_model
    return ()


def test_a_session_of_a_route_of_two_models_asks_for_both_and_for_its_language_model() -> None:
    assert asked(Talk(pair()).tell("start")) == ("many", "english", "clinic")


def test_who_names_a_model_gets_it_for_all_texts() -> None:
    assert asked(Talk(pair()).tell("start", model="phone")) == ("phone", None, "")


@pytest.mark.parametrize(
    ("of_key", "named", "expected"), [("", "phone", "phone"), ("phone", None, "phone"), ("phone", "clinic", "clinic")]
)
def test_the_language_model_of_the_client_stands_above_that_of_its_key_and_that_above_the_routes(
    of_key: str, named: str | None, expected: str
) -> None:
    talk = Talk(pair())
    talk.session.terms.steering.language_model = of_key

    assert asked(talk.tell("start", language_model=named))[2] == expected


def test_a_language_model_of_a_key_that_is_gone_is_left_out() -> None:
    talk = Talk(pair(language_model=""))
    talk.session.terms.steering.language_model = "gone"

    assert asked(talk.tell("start"))[2] == ""


def test_an_unknown_language_model_is_refused_at_the_start() -> None:
    error = refusal(Talk(pair()).tell("start", language_model="clinics"))

    assert (error.code, CLOSE_CODES.get(error.code)) == ("unknown_language_model", None)
    assert error.message == "language_model is 'clinics'; this server has clinic, phone. Did you mean clinic?"


def test_an_unknown_language_model_in_a_running_session_changes_nothing_and_is_told() -> None:
    talk = Talk(pair())
    talk.begin("many")

    actions = talk.tell("configure", language_model="clinics", endpoint_ms=300)

    warnings = [action.message for action in actions if isinstance(action, Send)]
    assert [warning.code for warning in warnings if isinstance(warning, SessionWarning)] == ["unknown_language_model"]
    assert asked(actions) == (UNSET, UNSET, UNSET)


def test_a_session_changes_its_language_model_and_goes_back_to_the_routes() -> None:
    talk = Talk(pair())
    talk.begin("many")

    there = asked(talk.tell("configure", language_model="phone"))
    back = asked(talk.tell("configure", language_model=None))

    assert (there, back) == ((UNSET, UNSET, "phone"), (UNSET, UNSET, "clinic"))


def test_a_session_follows_what_becomes_of_its_route_part_by_part() -> None:
    talk = Talk(pair())
    talk.begin("many")
    moves = []
    for routes in (
        pair(fast="phone"),
        pair(fast="phone", language_model="phone"),
        pair("many", "", "phone"),
        pair("", "", "phone"),
    ):
        talk.routes = routes
        moves.append(asked(talk.session.on_routes()))
        talk.hear(link.ModelChanged(stream=0, model=talk.session.terms.steering.asked.model or "", from_segment=1))

    assert moves == [
        (UNSET, "phone", UNSET),
        (UNSET, UNSET, "phone"),
        ("phone", "many", ""),
        (UNSET, None, UNSET),
    ]
    assert talk.session.on_routes() == []


def test_partials_are_the_accurate_models_own_while_the_fast_one_is_not_loaded() -> None:
    talk = Talk(pair())
    talk.begin("many")
    talk.models = (MANY,)
    without = asked(talk.session.on_routes())
    talk.models = (MANY, ENGLISH)

    assert (without, asked(talk.session.on_routes())) == ((UNSET, None, UNSET), (UNSET, "english", UNSET))


def test_a_session_from_elsewhere_asks_for_both_models_again() -> None:
    restored = Restored(Start(reliable=True, language_model="phone"), "english", link.Checkpoint(), (), ())

    assert asked(Talk(pair()).session.restore(restored)) == ("many", "english", "phone")
