"""Sentences that were written in English, in the reader's language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import override

from transcription.admin.sentences import KNOWN, is_known, localised, pattern_of

PROJECT = Path(__file__).parents[3]
SAYING = sorted([*(PROJECT / "transcription" / "swaps").glob("*.py"), *(PROJECT / "transcription" / "schedules").glob("*.py")])
SAID: list[tuple[str, str]] = [
    ("No window holds.", "没有时段生效。"),
    ("light serves general/en already.", "light 已在为 general/en 服务。"),
    ("inference-0: inference is none of ours", "inference-0: inference is none of ours"),
    ("The time zone 'Berln' is unknown. Did you mean Europe/Berlin?", "未知的时区 'Berln'。您是不是想写 Europe/Berlin？"),
    (
        "1.2 s, 90 MB, reference clip: 0% of the words wrong, 0.10 s for a second of audio",
        "1.2 秒，90 MB，参考录音：错词 0%，每秒音频耗时 0.10 秒",
    ),
    ("500 MB before, 410 MB after, 2 streams went on with another model", "之前 500 MB，之后 410 MB，2 个音频流改用其他模型"),
    ("No inference process answers. It loads the model when it is back.", "没有推理进程应答。恢复后它会加载该模型。"),
    (
        "inference-1: nonsense wrote '' where 'Alpha.' is said: 100% of the words are wrong, and 30% may be. "
        "Keep the model that runs, or see whether this one knows the language.",
        "inference-1: nonsense 把 'Alpha.' 听写成 ''：错词 100%，最多允许 30%。请保留当前模型，或确认此模型是否懂得该语言。",
    ),
    (
        "There is too little memory for both models, so light makes room here first; its streams go on at inference-1.",
        "内存不足以同时容纳两个模型，因此这里先由 light 腾出内存；它的音频流转到 inference-1 继续。",
    ),
    (
        "inference-0: heavy needs about 90 MB to be loaded, and 50 MB are free on this machine. Unload another model, or take a "
        "smaller one. No other inference process serves light, so none could take its streams while room is made.",
        "inference-0: 加载 heavy 约需 90 MB，而 this machine 上只有 50 MB 可用。请卸载其他模型，或选用更小的模型。"
        "没有其他推理进程用 light 服务，腾出内存期间无处接收它的音频流。",
    ),
    ("quieter at night", "quieter at night"),
    ("", ""),
]


@pytest.mark.parametrize(("english", "chinese"), SAID)
def test_a_sentence_is_said_in_the_readers_language_with_what_it_is_about(english: str, chinese: str) -> None:
    with override("zh-hans"):
        assert localised(english) == chinese
    with override("en"):
        assert localised(english) == english


def sentences_of(source: str) -> Iterator[str]:
    """Whole sentences that a module makes, an x for each value; neither what documents nor what is logged."""
    tree = ast.parse(source)
    silent = {part for node in ast.walk(tree) if is_silent(node) for part in ast.walk(node)}
    silent |= {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
    }
    for node in ast.walk(tree):
        text = said_by(node) if node not in silent else ""
        if " " in text and text.endswith((".", "?")):
            yield text


def is_silent(node: ast.AST) -> bool:
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    is_logged = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger.")
    return is_docstring or is_logged


def said_by(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "x" for part in parts)  # type: ignore[misc]
        case _:
            return ""


@pytest.mark.parametrize("path", SAYING, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_sentence_of_swaps_and_schedules_is_known(path: Path) -> None:
    assert [text for text in sentences_of(path.read_text(encoding="utf-8")) if not is_known(text)] == []


def test_the_search_for_sentences_finds_what_it_is_for() -> None:
    source = """
'A docstring.'
logger.info("It is logged.")
say(f"{name} is gone. {hint}", "Too bad.", "word.")
raise Gone(f"{a} left.")
"""
    assert set(sentences_of(source)) == {"Too bad.", "x left."}


def test_no_sentence_is_taken_for_one_that_comes_before_it() -> None:
    hidden = [(text, other) for number, text in enumerate(KNOWN) for other in KNOWN[:number] if pattern_of(other).fullmatch(text)]
    assert hidden == []
