"""What a client is told when the model that serves it makes no use of its language model or its hotwords."""

from string import ascii_lowercase
from typing import Any

import pytest

from inference import messages as link
from tests.transcription.session.test_stream_session import Talk, opened
from transcription.protocol import Ready, SessionWarning
from transcription.serving.routes import RouteTable
from transcription.session.actions import ConfigureRecognition
from transcription.session.stream_session import StreamSession
from transcription.session.terms import Terms


def info(name: str, engine: str, letters: str = "") -> link.ModelInfo:
    return link.ModelInfo(name=name, engine=engine, languages=("en",), multilingual=False, letters=letters)


MODELS = (
    info("streaming", "conformer_ctc"),
    info("small", "conformer_ctc", ascii_lowercase),
    info("mandarin", "conformer_ctc", "".join(map(chr, range(0x4E00, 0x5000)))),
    info("transducer", "conformer_rnnt", ascii_lowercase),
    info("whisper", "whisper"),
)
TABLE = RouteTable(language_models=frozenset({"orders", "names"}))
WISHES: dict[str, Any] = {"language_model": "orders", "hotwords": ["Hark", "Al-Fayoum"]}


@pytest.fixture
def talk() -> Talk:
    talk = Talk(MODELS)
    talk.session = StreamSession("s-1", Terms("en", lambda: MODELS, lambda: TABLE), lambda: talk.now_s)
    return talk


def warnings(talk: Talk) -> list[str]:
    assert set(talk.codes) <= {"option_not_available"}
    return [warning.message for warning in talk.sent(SessionWarning)]


@pytest.mark.parametrize(
    ("model", "start", "expected"),
    [
        (
            "transducer",
            WISHES,
            ["language_model is 'orders', but transducer makes no use", "hotwords has 2 entries, but transducer"],
        ),
        ("whisper", WISHES, ["language_model is 'orders', but whisper makes no use"]),
        ("streaming", WISHES, []),
        ("transducer", {}, []),
        ("transducer", {"language_model": "none", "hotwords": []}, []),
        ("of another process", WISHES, []),
    ],
)
def test_a_wish_without_effect_is_told_of_behind_ready(
    talk: Talk, model: str, start: dict[str, Any], expected: list[str]
) -> None:
    talk.tell("start", **start)
    talk.hear(opened(model))

    assert len(talk.sent(Ready)) == 1
    said = warnings(talk)
    assert len(said) == len(expected)
    assert all(sentence.startswith(wanted) for sentence, wanted in zip(said, expected, strict=True))


def test_it_is_told_of_when_it_is_made_later_and_only_then(talk: Talk) -> None:
    talk.tell("start", language_model="orders")
    talk.hear(opened("transducer"))

    *_warnings, action = talk.tell("configure", hotwords=["Hark"])
    talk.tell("configure", endpoint_ms=400)

    assert isinstance(action, ConfigureRecognition)
    assert [sentence.partition(" ")[0] for sentence in warnings(talk)] == ["language_model", "hotwords"]


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["streaming", "transducer"], ["language_model", "hotwords"]),
        (["whisper", "transducer"], ["language_model", "hotwords"]),
        (["transducer", "streaming", "whisper"], ["language_model", "hotwords", "language_model"]),
    ],
)
def test_it_is_told_of_when_another_model_goes_on_and_it_is_news(talk: Talk, models: list[str], expected: list[str]) -> None:
    talk.tell("start", **WISHES)
    talk.hear(opened(models[0]))
    for model in models[1:]:
        talk.hear(link.ModelChanged(stream=0, model=model, from_segment=1))

    assert [sentence.partition(" ")[0] for sentence in warnings(talk)] == expected


def test_hotwords_that_the_model_cannot_write_are_named_with_what_it_writes(talk: Talk) -> None:
    talk.tell("start", hotwords=["Hark", "42", "O'Brien", "caf\u00e9"])
    talk.hear(opened("small"))

    assert warnings(talk) == [
        f"hotwords holds '42', 'caf\u00e9', but small writes only {ascii_lowercase}, so it does not listen for them. "
        "Spell them as they are said, with letters that it has."
    ]


def test_of_many_five_are_named_and_no_thousands_of_letters_listed(talk: Talk) -> None:
    talk.tell("start", hotwords=list("abcdefg"))
    talk.hear(opened("mandarin"))

    (sentence,) = warnings(talk)
    assert sentence.startswith("hotwords holds 'a', 'b', 'c', 'd', 'e' and 2 more, but mandarin writes no such letters,")


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["small", "transducer"], ["hotwords holds '42'", "hotwords has 2 entries"]),
        (["small", "mandarin"], ["hotwords holds '42'", "hotwords holds 'Hark', '42'"]),
        (["streaming", "small", "streaming", "small"], ["hotwords holds '42'", "hotwords holds '42'"]),
    ],
)
def test_what_another_model_cannot_write_is_told_where_it_is_news(talk: Talk, models: list[str], expected: list[str]) -> None:
    talk.tell("start", hotwords=["Hark", "42"])
    talk.hear(opened(models[0]))
    for model in models[1:]:
        talk.hear(link.ModelChanged(stream=0, model=model, from_segment=1))

    assert [sentence.partition(", but")[0] for sentence in warnings(talk)] == expected


def test_hotwords_that_are_changed_are_looked_at_again(talk: Talk) -> None:
    talk.tell("start", hotwords=["42"])
    talk.hear(opened("small"))
    talk.tell("configure", hotwords=["forty two"])
    talk.tell("configure", endpoint_ms=400)
    talk.tell("configure", hotwords=["43"])

    assert [sentence.partition(", but")[0] for sentence in warnings(talk)] == ["hotwords holds '42'", "hotwords holds '43'"]
