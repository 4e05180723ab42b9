"""Which model takes a stream, and who takes over from one that goes: tables, no loop."""

import pytest
from msgspec import structs

from inference.engines.fake import FakeEngine, Faults
from inference.errors import FullError, ModelNeededError, UnknownModelError, UnsupportedLanguageError
from inference.lineup import Lineup
from inference.messages import StreamOptions


def model(name: str, *languages: str) -> FakeEngine:
    """`languages` empty: any, and it detects them."""
    engine = FakeEngine.called(name, Faults())
    engine.info = structs.replace(engine.info, languages=languages, multilingual=not languages)
    return engine


@pytest.fixture
def lineup() -> Lineup:
    return Lineup([model("english", "en"), model("small"), model("large")])


def taken(lineup: Lineup, name: str | None = None, *languages: str) -> str:
    return lineup.engine_for(StreamOptions(model=name, languages=languages)).info.name


@pytest.mark.parametrize(
    ("name", "languages", "expected"),
    [(None, ("en",), "english"), (None, ("de",), "small"), (None, (), "small"), ("large", ("en",), "large")],
)
def test_the_first_that_knows_the_languages_serves_or_the_one_that_is_named(
    name: str | None, languages: tuple[str, ...], expected: str, lineup: Lineup
) -> None:
    assert taken(lineup, name, *languages) == expected


def test_a_model_that_was_added_comes_last_and_is_told_of(lineup: Lineup) -> None:
    lineup.add(model("german", "de"))

    assert taken(lineup, None, "de") == "small"
    assert taken(lineup, "german", "de") == "german"
    assert [info.name for info in lineup.infos()] == ["english", "small", "large", "german"]


def test_a_model_that_goes_takes_no_new_streams_and_says_so(lineup: Lineup) -> None:
    lineup.retire("small", "", {("de",)})

    assert taken(lineup, None, "de") == "large"
    assert [info.name for info in lineup.infos() if info.is_draining] == ["small"]
    with pytest.raises(UnknownModelError, match=r"no model 'small' here; loaded models: english, large\."):
        taken(lineup, "small", "de")


def test_whoever_asks_for_a_model_that_goes_or_is_gone_gets_its_successor(lineup: Lineup) -> None:
    lineup.retire("small", "large", set())
    while_going = taken(lineup, "small")
    lineup.remove("small")

    assert (while_going, taken(lineup, "small")) == ("large", "large")
    assert {info.name: info.replaces for info in lineup.infos()} == {"english": (), "large": ("small",)}
    assert lineup.infos()[1].takes(StreamOptions(model="small"))


def test_successors_of_successors_take_over(lineup: Lineup) -> None:
    lineup.retire("small", "large", set())
    lineup.remove("small")
    lineup.add(model("huge"))
    lineup.retire("large", "huge", set())

    assert taken(lineup, "small") == "huge"
    assert lineup.infos()[-1].replaces == ("small", "large")


def test_a_model_that_comes_back_is_itself_again(lineup: Lineup) -> None:
    lineup.retire("small", "large", set())
    lineup.remove("small")
    lineup.add(model("small"))
    lineup.retire("large", "small", set())

    assert (taken(lineup, "small"), taken(lineup, "large")) == ("small", "small")


def test_a_model_may_stay_after_all(lineup: Lineup) -> None:
    lineup.retire("small", "large", set())

    lineup.restore("small")

    assert taken(lineup, "small") == "small"
    assert not any(info.is_draining or info.replaces for info in lineup.infos())


@pytest.mark.parametrize(
    ("name", "successor", "languages", "expected"),
    [
        ("small", "english", ("en",), "english"),
        ("small", "english", ("de",), "large"),
        ("small", "", ("en",), "english"),
        ("small", "", (), "large"),
    ],
)
def test_the_successor_goes_on_with_a_stream_or_another_that_knows_its_languages(
    name: str, successor: str, languages: tuple[str, ...], expected: str, lineup: Lineup
) -> None:
    lineup.retire(name, successor, set())

    assert lineup.heir_of(name, languages) == expected


def test_nobody_goes_on_with_what_nobody_knows() -> None:
    lineup = Lineup([model("english", "en"), model("small")])
    lineup.retire("small", "", set())

    assert lineup.heir_of("small", ("de",)) is None


@pytest.mark.parametrize(
    ("names", "successor", "heard", "sentence"),
    [
        (["a"], "", set(), "a is the only model here"),
        (["a"], "b", set(), "no model 'b' here to go on with; loaded models: a"),
        (["a", "b"], "a", set(), "a is the only model"),
        (["a", "english"], "", {("de", "en")}, "a is heard by streams in de, en, which no other model here knows"),
        (["a", "english"], "english", {()}, "a is heard by streams in languages to be detected, which no other"),
    ],
)
def test_a_model_stays_where_its_streams_would_be_left_without_one(
    names: list[str], successor: str, heard: set[tuple[str, ...]], sentence: str
) -> None:
    lineup = Lineup([model(name, *(["en"] if name == "english" else [])) for name in names])

    with pytest.raises((ModelNeededError, UnknownModelError), match=sentence):
        lineup.retire("a", successor, heard)

    assert not any(info.is_draining for info in lineup.infos())
    assert taken(lineup, "a") == "a"


def test_two_models_that_go_at_once_do_not_name_each_other(lineup: Lineup) -> None:
    lineup.retire("small", "large", set())

    with pytest.raises(UnknownModelError, match="no model 'small' here"):
        lineup.retire("large", "small", set())


def test_a_model_that_is_named_must_know_the_languages(lineup: Lineup) -> None:
    with pytest.raises(UnsupportedLanguageError, match="Model english does not serve de; it knows en"):
        taken(lineup, "english", "de")


def test_while_room_is_made_whoever_asks_for_the_model_is_to_come_again(lineup: Lineup) -> None:
    lineup.retire_elsewhere("small", "")
    while_going = lineup.infos()
    with pytest.raises(FullError, match="makes room for another one"):
        taken(lineup, "small")
    lineup.remove("small")

    with pytest.raises(FullError, match="makes room for another one"):
        taken(lineup, "small")
    assert [info.name for info in while_going if info.is_draining] == ["small"]
    assert taken(lineup, None, "de") == "large"


def test_even_the_only_model_makes_room_and_the_next_one_ends_that() -> None:
    lineup = Lineup([model("small")])
    lineup.retire_elsewhere("small", "")
    lineup.remove("small")
    with pytest.raises(FullError, match="makes room for another one"):
        taken(lineup)

    lineup.add(model("large"))

    assert taken(lineup) == "large"
    with pytest.raises(UnknownModelError, match=r"no model 'small' here; loaded models: large\."):
        taken(lineup, "small")


def test_a_successor_that_comes_later_stands_for_the_model_that_made_room() -> None:
    lineup = Lineup([model("small")])
    lineup.retire_elsewhere("small", "large")
    lineup.remove("small")
    lineup.add(model("large"))

    assert taken(lineup, "small") == "large"
    assert lineup.infos()[0].replaces == ("small",)


def test_a_successor_may_be_named_when_the_model_is_gone(lineup: Lineup) -> None:
    lineup.succeed("gone", "large")
    lineup.succeed("small", "large")

    assert [taken(lineup, name) for name in ("gone", "small")] == ["large", "small"]


def test_models_that_make_room_for_each_other_and_back_do_not_stand_for_each_other() -> None:
    lineup = Lineup([model("small")])
    lineup.retire_elsewhere("small", "large")
    lineup.remove("small")
    lineup.add(model("large"))
    lineup.retire_elsewhere("large", "small")
    lineup.remove("large")
    with pytest.raises(FullError, match="makes room"):
        taken(lineup, "small")

    lineup.add(model("small"))

    assert (taken(lineup, "small"), taken(lineup, "large")) == ("small", "small")


def test_a_model_that_stays_after_all_sends_nobody_away(lineup: Lineup) -> None:
    lineup.retire_elsewhere("small", "")
    lineup.send_away("small")
    lineup.restore("small")

    assert (lineup.sends_away("small"), taken(lineup, "small")) == (False, "small")
