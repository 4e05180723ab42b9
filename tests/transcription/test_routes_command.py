"""`manage.py routes`: the list, and the example of a day and a night."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inference.decoding.lms import LanguageModels
from tests.factories import make_model, make_route, make_schedule
from transcription.models import ASRModel, ModelRoute, ModelSchedule, ModelSwap

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("routes", *words, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def shipped() -> None:
    ASRModel.objects.all().delete()
    make_model("whisper-tiny.en", languages=["en"], multilingual=False)
    make_model("whisper-base")


def test_the_example_is_written_down_and_changes_nothing_yet() -> None:
    said = run("example", "--time-zone", "Europe/Berlin")

    route, schedule = ModelRoute.objects.get(), ModelSchedule.objects.get()
    assert (str(route), route.model.name, route.is_enabled) == ("general/en", "whisper-tiny.en", False)
    assert (str(schedule), schedule.model.name, schedule.days, schedule.is_enabled) == (
        "20:00–08:00 Europe/Berlin", "whisper-base", [0, 1, 2, 3, 4, 5, 6], False,
    )  # fmt: skip
    assert "disabled" in said


REFUSED = [
    (["--time-zone", "Europe/Berln"], "Did you mean Europe/Berlin"),
    (["--night", "20:00-20:00"], "is nothing"),
    (["--night", "late"], "expected one such as 20:00-08:00"),
    (["--night-model", "nobody"], "has no model 'nobody'; it has whisper-base, whisper-tiny.en"),
    (["--language", "de"], "whisper-tiny.en knows en, not de"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED)
def test_an_example_that_does_not_fit_is_refused_and_nothing_is_written(words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run("example", *words)

    assert not ModelRoute.objects.exists()


def test_a_route_that_is_there_is_left_alone() -> None:
    make_route("whisper-base", "en")

    with pytest.raises(CommandError, match="a route general/en already"):
        run("example")

    assert not ModelSchedule.objects.exists()


def test_the_list_says_what_serves_and_what_comes_next() -> None:
    route = make_route("whisper-tiny.en", "en")
    make_schedule(route, "whisper-base", "00:00-00:00", days=[0])
    make_route("whisper-base", "de", is_enabled=False)

    lines = run("list").splitlines()

    assert lines[0] == "general/de  whisper-base  disabled"
    assert lines[1].startswith("general/en  whisper-tiny.en")
    assert " then " in lines[1]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes swaps up."""
    monkeypatch.setattr("transcription.swaps.requests.current_app.send_task", lambda *_args, **_options: None)


@pytest.mark.usefixtures("sent")
def test_a_route_is_given_a_model_of_partial_texts_which_is_loaded(settings: Any, tmp_path: Path) -> None:
    settings.HARK_LM_DIR = tmp_path
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "lm.json").write_text("{}")
    make_model("whisper-base", engine="conformer_ctc")
    make_route("whisper-base", "en")

    said = run("set", "general/en", "--partial-model", "whisper-tiny.en", "--language-model", "clinic")

    assert "general/en  whisper-base  partial texts by whisper-tiny.en  language model clinic" in said
    assert [(swap.to_name, swap.reason) for swap in ModelSwap.objects.all()] == [("whisper-tiny.en", "restore")]
    assert run("set", "general/en", "--partial-model", "", "--language-model", "") == "general/en  whisper-base\n"


def test_a_route_whose_model_makes_no_use_of_language_models_gets_none(settings: Any, tmp_path: Path) -> None:
    settings.HARK_LM_DIR = tmp_path
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "lm.json").write_text("{}")
    make_route("whisper-base", "en")

    with pytest.raises(CommandError, match="whisper-base makes no use of language models"):
        run("set", "general/en", "--language-model", "clinic")

    assert ModelRoute.objects.get().language_model == ""
    assert "language model none" in run("set", "general/en", "--language-model", "none")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["telephony/en"], "no route 'telephony/en'; there are: general/"),
        (["general/*", "--partial-model", "whisper-base"], "is the route's own model"),
        (["general/*", "--partial-model", "nobody"], "has no model 'nobody'"),
        (["general/*", "--language-model", "nobody"], "no language model 'nobody' here; there are: none"),
    ],
)
def test_what_does_not_fit_a_route_is_refused_and_changes_nothing(words: list[str], sentence: str, settings: Any) -> None:
    settings.HARK_LM_DIR = "/nowhere"
    make_route("whisper-base", "")

    with pytest.raises(CommandError, match=sentence):
        run("set", *words)

    assert ModelRoute.objects.filter(partial_model=None, language_model="").count() == 1


@pytest.mark.usefixtures("sent")
def test_the_scenarios_of_the_small_model_go_into_service_and_those_that_are_there_stay() -> None:
    make_model("conformer-edge", languages=["en"], multilingual=False)
    make_route("whisper-base", "en", scenario="digits")

    said = run("scenarios")

    routes = {str(route): (route.model.name, route.is_enabled) for route in ModelRoute.objects.all()}
    assert routes == {
        "digits/en": ("whisper-base", True),
        "spelling/en": ("conformer-edge", False),
        "commands/en": ("conformer-edge", False),
    }
    assert [(swap.route_name, swap.to_name) for swap in ModelSwap.objects.order_by("pk")] == [
        ("spelling/en", "conformer-edge"),
        ("commands/en", "conformer-edge"),
    ]
    assert "digits/en  is there already" in said


@pytest.mark.usefixtures("sent")
def test_digits_get_a_language_model_of_their_own_which_is_not_written_over(settings: Any, tmp_path: Path) -> None:
    settings.HARK_LM_DIR = tmp_path / "language-models"
    make_model("conformer-edge", languages=["en"], multilingual=False)

    run("scenarios")
    route = ModelRoute.objects.get(scenario="digits")
    model = LanguageModels(settings.HARK_LM_DIR).get("digits")
    (settings.HARK_LM_DIR / "digits" / "lm.json").write_text("of somebody else", encoding="utf-8")
    route.delete()
    run("scenarios")

    assert (route.language_model, ModelRoute.objects.get(scenario="spelling").language_model) == ("digits", "")
    assert sorted(model.words) == sorted(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    assert (settings.HARK_LM_DIR / "digits" / "lm.json").read_text(encoding="utf-8") == "of somebody else"
