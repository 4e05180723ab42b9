"""OpenAI's `.pt` files: read as they are, refused with a sentence where they are something else."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.engines.whisper.weights.alignment_heads import HEADS
from inference.engines.whisper.weights.layout import Weights
from inference.engines.whisper.weights.openai_pt import OpenAIFile
from inference.errors import WeightsError
from tests.inference.engines.whisper.weights.layouts import openai_checkpoint, random_weights, small, write_openai
from tests.inference.engines.whisper.weights.listening import assert_same, heard

DIMS = ("n_vocab", "n_audio_head", "n_text_head", "n_text_layer")


def test_tiny_en_in_this_form_is_the_same_to_the_bit_and_writes_the_same(
    tmp_path: Path, tiny_en: Weights, tiny_en_text: str
) -> None:
    files = OpenAIFile("mine", write_openai(tmp_path / "mine.pt", tiny_en, torch.float16))

    assert_same(files.load(), tiny_en)
    assert heard(files).text == tiny_en_text
    assert tuple(files.vocabulary().alignment_heads) == HEADS["tiny.en"][1]


def test_a_file_from_before_zip_archives_is_read(tmp_path: Path) -> None:
    weights = random_weights(small())
    torch.save(openai_checkpoint(weights), tmp_path / "old.pt", _use_new_zipfile_serialization=False)

    assert_same(OpenAIFile("old", tmp_path / "old.pt").load(), weights)


def test_a_large_v3_with_128_mels_and_cantonese_listens_and_writes(tmp_path: Path) -> None:
    files = OpenAIFile("v3", write_openai(tmp_path / "v3.pt", random_weights(small(num_tokens=51866, num_mels=128))))

    vocabulary = files.vocabulary()

    assert len(vocabulary.languages) == 100
    assert vocabulary.languages["yue"] == 50358
    assert (vocabulary.translate, vocabulary.transcribe, vocabulary.no_speech) == (50359, 50360, 50363)
    assert heard(files, "yue").language == "yue"


def test_a_model_of_no_published_size_times_words_by_the_upper_half_of_its_layers(tmp_path: Path) -> None:
    files = OpenAIFile("mine", write_openai(tmp_path / "mine.pt", random_weights(small(num_decoder_layers=4))))

    assert files.vocabulary().alignment_heads == [(2, 0), (2, 1), (3, 0), (3, 1)]


def test_buffers_that_are_no_parameters_are_passed_over(tmp_path: Path) -> None:
    weights = random_weights(small())
    checkpoint = openai_checkpoint(weights)
    checkpoint["model_state_dict"] |= {"decoder.mask": torch.zeros(2, 2)}
    torch.save(checkpoint, tmp_path / "a.pt")

    assert_same(OpenAIFile("a", tmp_path / "a.pt").load(), weights)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    content = write_openai(tmp_path / "whole.pt", random_weights(small()), torch.float16).read_bytes()
    path = tmp_path / "cut.pt"

    for end in [0, 1, 2, 100, *range(len(content) // 7, len(content), len(content) // 7), len(content) - 1]:
        path.write_bytes(content[:end])
        with pytest.raises(WeightsError, match=r"cut.pt is no torch checkpoint or is damaged"):
            OpenAIFile("cut", path).load()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"state_dict": {}}, "is no OpenAI Whisper checkpoint; expected `dims` and `model_state_dict` in it"),
        (torch.zeros(3), "is no OpenAI Whisper checkpoint"),
        ({"dims": 3, "model_state_dict": {}}, "is no OpenAI Whisper checkpoint"),
        ({"dims": dict.fromkeys(DIMS, 2), "model_state_dict": {"a": 1}}, "a is no tensor of real numbers"),
        ({"dims": dict.fromkeys(DIMS, 2), "model_state_dict": {"a": torch.zeros(2, dtype=torch.int8)}}, "a is no tensor of real"),
        (
            {"dims": {"n_vocab": 51864}, "model_state_dict": {}},
            "does not say n_audio_head, n_text_head, n_text_layer in its `dims`",
        ),
    ],
)
def test_another_checkpoint_is_refused(tmp_path: Path, content: object, sentence: str) -> None:
    torch.save(content, tmp_path / "other.pt")

    with pytest.raises(WeightsError, match=sentence):
        OpenAIFile("other", tmp_path / "other.pt").load()


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_damaged_file_is_refused_or_read_but_never_breaks_the_reader(tmp_path: Path, is_zip: bool) -> None:
    checkpoint = {"dims": dict.fromkeys(DIMS, 2), "model_state_dict": {"a": torch.zeros(2)}}
    torch.save(checkpoint, tmp_path / "whole.pt", _use_new_zipfile_serialization=is_zip)
    content, path = (tmp_path / "whole.pt").read_bytes(), tmp_path / "damaged.pt"
    rng = np.random.default_rng(0)

    for place in rng.integers(len(content), size=600):
        path.write_bytes(content[:place] + rng.bytes(1) + content[place + 1 :])
        with pytest.raises(WeightsError):  # also undamaged: it lacks most of a model
            OpenAIFile("damaged", path).load()


class Command:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.folder),))


def test_nothing_in_the_file_is_executed(tmp_path: Path) -> None:
    torch.save({"dims": Command(tmp_path / "made"), "model_state_dict": {}}, tmp_path / "evil.pt")

    with pytest.raises(WeightsError, match="is no torch checkpoint or is damaged"):
        OpenAIFile("evil", tmp_path / "evil.pt").load()

    assert not (tmp_path / "made").exists()


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.pt").write_text("version https://git-lfs.github.com/spec/v1")

    with pytest.raises(WeightsError, match=r"notes.pt is no torch checkpoint or is damaged .*; expected a `.pt` file") as refused:
        OpenAIFile("notes", tmp_path / "notes.pt").vocabulary()

    assert "weights_only" not in refused.value.message  # torch advises to switch the protection off


def changed(tmp_path: Path, name: str, tensor: torch.Tensor | None) -> OpenAIFile:
    """A small model with one parameter replaced or left out."""
    checkpoint = openai_checkpoint(random_weights(small()))
    state = checkpoint["model_state_dict"]
    state.pop(name, None)
    if tensor is not None:
        state[name] = tensor
    torch.save(checkpoint, tmp_path / "changed.pt")
    return OpenAIFile("changed", tmp_path / "changed.pt")


@pytest.mark.parametrize(
    ("name", "tensor", "sentence"),
    [
        ("decoder.token_embedding.weight", None, "lacks the parameter 'decoder.embeddings'"),
        ("decoder.blocks.1.attn.value.bias", None, "lacks the parameter 'decoder.layers.1.self_attention.value.bias'"),
        ("encoder.blocks.0.mlp.0.bias", None, "lacks 1 parameters: encoder.layers.0.ffn.linear_0.bias"),
        ("decoder.adapter.weight", torch.zeros(1), "has besides a Whisper model 1 parameters: decoder.adapter.weight"),
        ("encoder.conv2.bias", torch.zeros(5), r"encoder.conv2.bias has the shape \(5,\); expected \(16,\)"),
        (
            "decoder.positional_embedding",
            torch.zeros(100, 16),
            r"decoder.positions has the shape \(100, 16\); expected \(448, 16\)",
        ),
        ("encoder.positional_embedding", torch.zeros(750, 16), "hears 750 audio positions; expected 1500, which are 30 s"),
        ("decoder.token_embedding.weight", torch.zeros(51865, 16), "writes 51865 tokens and its tokenizer has 51864"),
    ],
)
def test_an_incomplete_or_foreign_model_is_refused(tmp_path: Path, name: str, tensor: torch.Tensor | None, sentence: str) -> None:
    with pytest.raises(WeightsError, match=rf"changed.pt.* {sentence}|changed.pt: {sentence}"):
        changed(tmp_path, name, tensor).load()


def test_a_vocabulary_that_nobody_published_is_refused(tmp_path: Path) -> None:
    files = OpenAIFile("mine", write_openai(tmp_path / "mine.pt", random_weights(small(num_tokens=52000))))

    with pytest.raises(
        WeightsError, match=r"The model writes 52000 tokens; the published ones write 51864, 51865 or 51866\. Give"
    ):
        files.vocabulary()


@pytest.mark.parametrize(("num_heads", "sentence"), [(3, "3 heads for 16 states; these do not divide"), (0, "0 heads")])
def test_heads_that_do_not_divide_are_refused(tmp_path: Path, num_heads: int, sentence: str) -> None:
    weights = random_weights(small())
    files = OpenAIFile("mine", write_openai(tmp_path / "mine.pt", Weights(weights.parameters, num_heads)))

    with pytest.raises(WeightsError, match=sentence):
        files.load()


def test_different_heads_in_encoder_and_decoder_are_refused(tmp_path: Path) -> None:
    checkpoint = openai_checkpoint(random_weights(small()))
    checkpoint["dims"] |= {"n_audio_head": 4}
    torch.save(checkpoint, tmp_path / "a.pt")

    with pytest.raises(WeightsError, match="has 4 and 2 heads; expected the same number"):
        OpenAIFile("a", tmp_path / "a.pt").load()
