"""Which recordings a model is measured with."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from inference.bench.errors import BenchError
from inference.bench.options import SHIPPED_SPEECH
from inference.bench.speech import MAX_CLIPS, MAX_SAMPLES, Recording, clips_for, recordings
from inference.engines.fake import FakeEngine
from inference.messages import ModelInfo
from tests.inference.bench.recordings import write_speech

ENGLISH = ModelInfo(name="english", engine="fake", languages=("en",), multilingual=False)
CHINESE = ModelInfo(name="chinese", engine="fake", languages=("zh",), multilingual=False)


def test_the_ones_that_come_with_the_project_are_taken_by_language() -> None:
    found = recordings(SHIPPED_SPEECH)

    english = [clip.name for clip in clips_for(ENGLISH, found)]
    chinese = [clip.name for clip in clips_for(CHINESE, found)]

    assert sorted(english + chinese) == sorted(path.name for path in SHIPPED_SPEECH.glob("*.flac"))
    assert len(chinese) == 1


def test_what_is_said_in_them_is_known_from_the_manifest() -> None:
    texts = {clip.name: clip.text for clip in clips_for(ENGLISH, recordings(SHIPPED_SPEECH))}

    assert texts["cv-en-523969.flac"] == "What else are you?"


def test_without_a_manifest_the_language_is_the_one_that_is_given_or_unknown(tmp_path: Path) -> None:
    folder = write_speech(tmp_path, "alpha")

    assert [recording.language for recording in recordings(folder)] == [""]
    assert [recording.language for recording in recordings(folder, "de")] == ["de"]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_without_recordings_is_named(tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path if is_there else tmp_path / "nowhere"

    with pytest.raises(BenchError, match=rf"no recording in {folder}: .*--audio"):
        recordings(folder)


def test_a_file_that_is_no_audio_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("not a sound")

    with pytest.raises(BenchError, match=r"a\.wav cannot be read as audio"):
        clips_for(ENGLISH, recordings(tmp_path))


def test_languages_that_the_model_does_not_know_are_told(tmp_path: Path) -> None:
    folder = write_speech(tmp_path, "alpha", "bravo")

    with pytest.raises(BenchError, match="None of the 2 recordings is in a language that chinese knows"):
        clips_for(CHINESE, recordings(folder, "en"))


def test_any_rate_and_number_of_channels_is_heard(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full((48_000, 2), [0.4, 0.2]), 48_000)

    clip = Recording(tmp_path / "a.wav", "en").read()

    assert clip.audio.dtype == np.float32
    assert (clip.audio.shape, clip.seconds) == ((16_000,), 1.0)
    assert np.median(clip.audio) == pytest.approx(0.3, abs=0.01)


def test_a_long_recording_is_heard_as_far_as_a_segment_goes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(MAX_SAMPLES + 1), 16_000)

    clip = Recording(tmp_path / "a.wav", "en", "all that is said").read()

    assert len(clip.audio) == MAX_SAMPLES
    assert clip.text == "", "what is said in the rest is not heard"


def test_of_many_recordings_some_are_taken_evenly(tmp_path: Path) -> None:
    folder = write_speech(tmp_path, *["alpha"] * (2 * MAX_CLIPS))
    found = recordings(folder)

    taken = [clip.name for clip in clips_for(FakeEngine().info, found)]

    assert taken == [recording.path.name for recording in found[::2]]
