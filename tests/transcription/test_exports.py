"""Exports: every format says all that was said, inside the limits of captions, and says what is missing."""

import json
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import a_final, a_transcript
from tests.transcription.caption_parser import BadCaptionsError, check_limits, parse_srt, parse_vtt
from transcription.exports import (
    MAX_COLUMNS,
    MAX_CUE_MS,
    TranscriptSegment,
    TranscriptWord,
    cues_of,
    file_name,
    to_json,
    to_srt,
    to_txt,
    to_vtt,
)

LONG = "We measured the same thing twice, and the second time it came out exactly as it had the first time, which was a relief."
CHINESE = "今天我们讨论一下语音识别服务器的设计，首先是音频的采集，然后是模型的推理，最后是文字的显示和保存。"


def lines_of(*segments: TranscriptSegment) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues_of(segments)]


def visible(text: str) -> str:
    """What of `text` captions must hold: everything but white space, control characters and lone surrogates."""
    return "".join(char for char in text if not char.isspace() and unicodedata.category(char) not in {"Cc", "Cs"})


def test_a_short_final_is_one_cue_with_its_times() -> None:
    srt = to_srt(a_transcript(a_final("Good morning.", 640, 2_840)))

    assert srt == "1\n00:00:00,640 --> 00:00:02,840\nGood morning.\n"


def test_vtt_has_its_header_and_numbered_cues() -> None:
    vtt = to_vtt(a_transcript(a_final("One.", 0, 1_500), a_final("Two.", 3_661_001, 3_663_000)))

    assert vtt == "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.500\nOne.\n\n2\n01:01:01.001 --> 01:01:03.000\nTwo.\n"


def test_a_transcript_without_words_has_no_cues() -> None:
    empty = a_transcript(a_final("", 0, 500))

    assert (to_srt(empty), to_vtt(empty), to_txt(empty)) == ("", "WEBVTT\n", "")


def test_a_long_final_becomes_several_cues_at_the_times_of_its_words() -> None:
    final = a_final(LONG, 0, 9_000)

    cues = cues_of([final])

    assert [word for cue in cues for line in cue.lines for word in line.split()] == LONG.split()
    starts = {word.start_ms for word in final.words}
    assert len(cues) > 1
    assert all(cue.start_ms in starts for cue in cues)


def test_a_slow_speaker_gets_cues_of_at_most_seven_seconds() -> None:
    cues = cues_of([a_final("one two three four five six", 0, 24_000)])

    assert [cue.lines for cue in cues] == [("one",), ("two",), ("three",), ("four",), ("five",), ("six",)]
    assert all(cue.end_ms - cue.start_ms <= MAX_CUE_MS for cue in cues)


def test_one_word_longer_than_seven_seconds_is_cut_short_in_time() -> None:
    (cue,) = cues_of([a_final("Hmmm", 0, 20_000)])

    assert (cue.start_ms, cue.end_ms) == (0, MAX_CUE_MS)


def test_a_sentence_that_ends_beyond_the_first_line_ends_its_cue() -> None:
    cues = lines_of(a_final("This sentence is a little longer than one line is. Next.", 0, 5_000))

    assert cues == [("This sentence is a little longer than one", "line is."), ("Next.",)]


def test_a_final_without_word_times_is_spread_by_length_of_text() -> None:
    cues = cues_of([a_final(LONG, 1_000, 9_000, has_words=False)])

    assert cues[0].start_ms == 1_000
    assert cues[-1].end_ms == 9_000
    assert 1_000 < cues[1].start_ms < 9_000


def test_words_that_do_not_match_the_text_are_not_trusted_with_it() -> None:
    final = a_final("The true text.", 0, 3_000, words=(TranscriptWord("another", 0, 100, 0.5),))

    assert lines_of(final) == [("The true text.",)]


def test_words_outside_their_segment_do_not_push_later_cues_away() -> None:
    runaway = a_final("Off", 0, 1_500, words=(TranscriptWord("Off", 9_000_000, 9_000_100, 0.5),))

    cues = cues_of([runaway, a_final("Next", 2_000, 4_000)])

    assert cues[1].start_ms == 2_000


def test_overlapping_finals_give_cues_that_do_not_overlap() -> None:
    first, second = cues_of([a_final("One", 0, 3_000), a_final("Two", 2_000, 4_000)])

    assert first.end_ms == 3_000 == second.start_ms


def test_a_very_short_final_stays_readable_where_there_is_room() -> None:
    first, second, third = cues_of([a_final("Yes", 0, 200), a_final("No", 600, 700), a_final("So", 9_000, 9_100)])

    assert (first.end_ms, second.end_ms, third.end_ms) == (600, 1_600, 10_000)


def test_chinese_breaks_between_characters_and_takes_two_columns_each() -> None:
    cues = lines_of(a_final(CHINESE, 0, 12_000, has_words=False))

    assert "".join(line for cue in cues for line in cue) == CHINESE
    assert max(len(line) for cue in cues for line in cue) == MAX_COLUMNS // 2


def test_no_line_of_chinese_begins_with_closing_punctuation() -> None:
    text = "一二三四五六七八九十一二三四五六七八九十一，一二三"

    ((first, second),) = lines_of(a_final(text, 0, 5_000, has_words=False))

    assert first == "一二三四五六七八九十一二三四五六七八九十"
    assert second == "一，一二三"


def test_chinese_words_join_without_spaces() -> None:
    words = (TranscriptWord("今天", 0, 400, 0.9), TranscriptWord("很", 400, 600, 0.9), TranscriptWord("好。", 600, 1_200, 0.9))

    assert lines_of(a_final("今天很好。", 0, 1_200, words=words)) == [("今天很好。",)]


def test_a_punctuation_mark_that_is_a_word_of_its_own_stays_with_the_character_before_it() -> None:
    texts = [*"一二三四五六七八九十一二三四五六七八九十一", "，", *"二三"]
    words = tuple(TranscriptWord(text, number * 100, number * 100 + 100, 0.9) for number, text in enumerate(texts))

    ((first, second),) = lines_of(a_final("".join(texts), 0, 2_400, words=words))

    assert (len(first), second) == (20, "一，二三")


def test_pieces_of_one_word_are_not_parted() -> None:
    pieces = ["a" * 18, "b" * 18, "don", "'t", "cut"]
    words = tuple(TranscriptWord(piece, number * 200, number * 200 + 200, 0.9) for number, piece in enumerate(pieces))

    ((first, second),) = lines_of(a_final(f"{pieces[0]} {pieces[1]} don't cut", 0, 1_000, words=words))

    assert (first, second) == (f"{pieces[0]} {pieces[1]}", "don't cut")


def test_korean_breaks_at_spaces() -> None:
    ((first, second),) = lines_of(a_final("안녕하세요 " * 3 + "반갑습니다 오늘", 0, 4_000, has_words=False))

    assert first == "안녕하세요 안녕하세요 안녕하세요"
    assert second == "반갑습니다 오늘"


def test_an_emoji_sequence_is_not_torn_apart() -> None:
    family = "👨\u200d👩\u200d👧"

    assert any(family in line for cue in lines_of(a_final("好" * 20 + family, 0, 3_000, has_words=False)) for line in cue)


def test_a_word_longer_than_a_line_is_cut() -> None:
    ((first, second),) = lines_of(a_final("x" * 50, 0, 2_000))

    assert (len(first), len(second)) == (42, 8)


def test_vtt_escapes_markup_and_srt_replaces_arrows() -> None:
    transcript = a_transcript(a_final("a --> b & <i>c</i>", 0, 2_000))

    assert "a --&gt; b &amp; &lt;i&gt;c&lt;/i&gt;\n" in to_vtt(transcript)
    assert "a → b & <i>c</i>\n" in to_srt(transcript)
    assert parse_vtt(to_vtt(transcript)).cues[0].lines == ["a --> b & <i>c</i>"]


def test_line_ends_inside_a_final_never_make_an_empty_line() -> None:
    (cue,) = parse_srt(to_srt(a_transcript(a_final("one\n\n two\r\n\u2028three", 0, 2_000))))

    assert cue.lines == ["one two three"]


def test_plain_text_is_the_finals_joined_by_newlines() -> None:
    assert to_txt(a_transcript(a_final("One."), a_final(""), a_final("Two."))) == "One.\nTwo."


@pytest.mark.parametrize(
    ("status", "sentence"), [("live", "Not finished"), ("incomplete", "Incomplete"), ("failed", "Incomplete")]
)
def test_every_format_of_an_unfinished_session_says_so(status: str, sentence: str) -> None:
    transcript = a_transcript(a_final("One."), status=status)

    assert to_txt(transcript).split("\n")[0].startswith(f"[{sentence}")
    assert parse_vtt(to_vtt(transcript)).notes[0].startswith(sentence)
    assert to_json(transcript)["complete"] is False
    assert to_json(transcript)["notice"].startswith(sentence)
    assert file_name(transcript, "srt").endswith(f"-{status}.srt")


def test_a_complete_transcript_carries_no_notice() -> None:
    transcript = a_transcript(a_final("One."))

    assert to_txt(transcript) == "One."
    assert parse_vtt(to_vtt(transcript)).notes == []
    assert to_json(transcript)["notice"] == ""
    assert "complete" not in file_name(transcript, "srt")


def test_json_has_words_with_times_language_confidence_gap_and_completeness() -> None:
    exported = json.loads(json.dumps(to_json(a_transcript(a_final("Good morning", 0, 2_000, number=3)))))

    assert exported["complete"] is True
    assert exported["gap_ms"] == 500
    assert exported["text"] == "Good morning"
    assert exported["segments"][0] == {
        "segment": 3,
        "text": "Good morning",
        "start_ms": 0,
        "end_ms": 2_000,
        "confidence": 0.9,
        "language": "en",
        "model": "whisper-tiny.en",
        "words": [
            {"text": "Good", "start_ms": 0, "end_ms": 1_000, "confidence": 0.9},
            {"text": "morning", "start_ms": 1_000, "end_ms": 2_000, "confidence": 0.9},
        ],
    }


@pytest.mark.parametrize(
    "broken",
    [
        "1\n00:00:00.000 --> 00:00:01,000\nx\n",
        "2\n00:00:00,000 --> 00:00:01,000\nx\n",
        "1\n00:00:00,000 --> 00:00:01,000\n\n",
        "1\n00:00:00,000 --> 00:00:01,000\na --> b\n",
        "1\n00:00:00,000 --> 00:00:01,000\nx",
        "1\n00:00:61,000 --> 00:01:02,000\nx\n",
    ],
)
def test_the_strict_reader_refuses_broken_files(broken: str) -> None:
    with pytest.raises(BadCaptionsError):
        parse_srt(broken)


TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="ab-> &<\n\u3000\u200b今天，。「é\u0301👩\u200d한", max_size=200),
    st.lists(st.sampled_from(["hello", "I", "incomprehensibilities,", "-->", "今天", "ok."]), max_size=40).map(" ".join),
)


@st.composite
def finals(draw: st.DrawFn) -> TranscriptSegment:
    """A final with any text, and times that need not make sense."""
    text = draw(TEXTS)
    start_ms = draw(st.integers(0, 5_000_000))
    end_ms = start_ms + draw(st.integers(0, 40_000))
    final = a_final(text, start_ms, end_ms, has_words=draw(st.booleans()))
    if draw(st.booleans()):
        return final
    words = tuple(
        TranscriptWord(word.text, draw(st.integers(0, 6_000_000)), draw(st.integers(0, 6_000_000)), 0.5)
        for word in final.words[:50]
    )
    return a_final(text, start_ms, end_ms, words=words)


# The first draw builds Hypothesis's table of Unicode, which alone takes seconds.
@settings(deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(finals(), max_size=6))
def test_any_finals_give_captions_that_keep_every_rule_and_every_character(segments: list[TranscriptSegment]) -> None:
    transcript = a_transcript(*segments)
    said = "".join(visible(segment.text) for segment in segments)

    srt, vtt = parse_srt(to_srt(transcript)), parse_vtt(to_vtt(transcript)).cues

    check_limits(srt)
    check_limits(vtt)
    assert visible("".join(line for cue in vtt for line in cue.lines)) == said
    assert [(cue.start_ms, cue.end_ms) for cue in srt] == [(cue.start_ms, cue.end_ms) for cue in vtt]
