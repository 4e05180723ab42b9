"""Hugging Face folders of the family: read as transformers saves them, refused with a sentence where something is wrong."""

from pathlib import Path
from typing import Any

import pytest
import torch

import inference.torchaudio_compat  # noqa: F401  # transformers imports torchaudio where it finds it, and not always can

# isort: split
from transformers.models.nemotron_asr_streaming.configuration_nemotron_asr_streaming import (
    NemotronAsrStreamingConfig,
    NemotronAsrStreamingEncoderConfig,
)
from transformers.models.nemotron_asr_streaming.modeling_nemotron_asr_streaming import NemotronAsrStreamingForRNNT

from inference.engines.conformer_ctc.rnnt import RnntHead
from inference.engines.conformer_ctc.weights.huggingface import HuggingFaceFiles
from inference.errors import WeightsError
from tests.inference.engines.conformer_ctc.weights.models import (
    PIECES,
    assert_same,
    hugging_face_config,
    random_checkpoint,
    small,
    write_hugging_face,
    write_json,
)


@pytest.mark.parametrize("subsampling", [4, 8])
def test_a_transducer_comes_back_to_the_bit(tmp_path: Path, subsampling: int) -> None:
    written = random_checkpoint(small(subsampling), ("rnnt",))
    files = HuggingFaceFiles("m", write_hugging_face(tmp_path / "stt_fr_x", written))

    assert_same(files.load(), written)
    assert files.outline().languages == ("fr",)
    assert files.num_parameters() == sum(tensor.numel() for tensor in written.parameters.values())


def test_a_model_that_wants_to_be_told_the_language_comes_with_its_languages(tmp_path: Path) -> None:
    written = random_checkpoint(heads=("rnnt",), num_prompts=5)
    folder = write_hugging_face(tmp_path / "m", written, {"model_type": "nemotron3_5_asr", "default_prompt_id": 4})
    write_json(
        folder / "processor_config.json",
        {"prompt_dictionary": {"de-DE": 2, "en-US": 0}, "supported_num_lookahead_tokens": [3, 1]},
    )

    files = HuggingFaceFiles("m", folder)

    assert_same(files.load(), written)
    assert files.outline().languages == ("de", "en")
    assert files.outline().prompts == {"auto": 4, "de-DE": 2, "en-US": 0}


def test_languages_without_numbers_are_refused(tmp_path: Path) -> None:
    written = random_checkpoint(heads=("rnnt",), num_prompts=5)
    folder = write_hugging_face(tmp_path / "m", written, {"model_type": "nemotron3_5_asr", "default_prompt_id": 4})
    write_json(folder / "processor_config.json", {"prompt_dictionary": {"de-DE": "two"}})

    with pytest.raises(WeightsError, match="prompt_dictionary is {'de-DE': 'two'}; expected numbers"):
        HuggingFaceFiles("m", folder).outline()


def test_lookaheads_of_the_published_models_are_taken_where_none_are_stated(tmp_path: Path) -> None:
    folder = write_hugging_face(tmp_path / "m", random_checkpoint(heads=("rnnt",)))
    (folder / "processor_config.json").unlink()

    assert HuggingFaceFiles("m", folder).outline().config.right_choices == (13, 6, 1, 0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": "parakeet_ctc"}, "model_type is 'parakeet_ctc'"),
        ({"blank_token_id": 3}, "the blank is 3 of 7 outputs"),
        ({"hidden_act": "tanh"}, "hidden_act is 'tanh'"),
        ({"encoder_config": {}}, "encoder_config.hidden_size is missing"),
        ({"blank_token_id": 20, "vocab_size": 21}, "has 8 pieces, and 8 is none of them; the model writes 20"),
    ],
)
def test_what_is_configured_otherwise_is_refused(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    folder = write_hugging_face(tmp_path / "m", random_checkpoint(heads=("rnnt",)), changes)

    with pytest.raises(WeightsError, match=sentence):
        HuggingFaceFiles("m", folder).load()


@pytest.mark.parametrize("content", [{}, {"model": {"vocab": 3}}, {"model": {"vocab": {"a": 0, "b": 5}}}])
def test_a_tokenizer_that_lists_no_pieces_is_refused(tmp_path: Path, content: object) -> None:
    folder = write_hugging_face(tmp_path / "m", random_checkpoint(heads=("rnnt",)))
    write_json(folder / "tokenizer.json", content)

    with pytest.raises(WeightsError, match=r"tokenizer.json .*[Cc]opy"):
        HuggingFaceFiles("m", folder).load()


def test_a_list_of_pieces_with_scores_is_read_too(tmp_path: Path) -> None:
    written = random_checkpoint(heads=("rnnt",))
    folder = write_hugging_face(tmp_path / "m", written)
    listed = [[piece, -1.5] for piece in written.tokens.pieces]
    write_json(folder / "tokenizer.json", {"model": {"type": "Unigram", "vocab": listed}})

    read = HuggingFaceFiles("m", folder).load()

    assert_same(read, written)
    assert read.tokens.scores == (-1.5,) * len(listed)
    assert not read.tokens.merges


def test_a_bias_in_one_half_of_the_layers_only_is_refused(tmp_path: Path) -> None:
    encoder = hugging_face_config(small())["encoder_config"] | {"convolution_bias": False}
    folder = write_hugging_face(tmp_path / "m", random_checkpoint(heads=("rnnt",)), {"encoder_config": encoder})

    with pytest.raises(WeightsError, match="convolution_bias is False"):
        HuggingFaceFiles("m", folder).load()


def test_what_transformers_saves_says_the_same_here(tmp_path: Path) -> None:
    config = small(8)
    sizes = hugging_face_config(config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = NemotronAsrStreamingForRNNT(
            NemotronAsrStreamingConfig(
                vocab_size=len(PIECES) + 1,
                blank_token_id=len(PIECES),
                decoder_hidden_size=12,
                num_decoder_layers=2,
                encoder_config=NemotronAsrStreamingEncoderConfig(**sizes["encoder_config"]),
            )
        ).eval()
    folder = write_hugging_face(tmp_path / "m", random_checkpoint(config, ("rnnt",)))
    theirs.save_pretrained(folder)

    read = HuggingFaceFiles("m", folder).load()

    frames, text = torch.randn(1, 1, config.d_model), torch.tensor([[len(PIECES), 2, 4]])
    head = RnntHead.from_parameters(read.of_rnnt())
    state = head.start(1)
    for token in text[0, 1:]:
        state = head.advance(token[None], state)
    expected = theirs.joint(theirs.decoder(text)[:, -1], theirs.encoder_projector(frames[:, 0]))
    assert read.config == config
    assert torch.allclose(head.logits(head.project(frames)[:, 0], state), expected, atol=1e-6)
