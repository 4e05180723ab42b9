"""`manage.py routes`: the list, and the example of a day and a night."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_model, make_route, make_schedule
from transcription.models import ASRModel, ModelRoute, ModelSchedule

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
