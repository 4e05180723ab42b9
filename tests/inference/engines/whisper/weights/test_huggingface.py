"""Hugging Face folders: read as they are, refused with a sentence where they are something else."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.engines.whisper.tokenizer import read_tokenizer
from inference.engines.whisper.weights.alignment_heads import HEADS
from inference.engines.whisper.weights.huggingface import HuggingFaceFiles
from inference.engines.whisper.weights.layout import Weights
from inference.engines.whisper.weights.standard import base_folder, standard_tokenizer
from inference.errors import WeightsError
from tests.inference.engines.whisper.weights.layouts import random_weights, small, write_hugging_face, write_json
from tests.inference.engines.whisper.weights.listening import assert_same, heard


@pytest.fixture
def model(tmp_path: Path, english_tokenizer: Path) -> HuggingFaceFiles:
    """A small random model as a Hugging Face folder."""
    return HuggingFaceFiles("m", write_hugging_face(tmp_path / "m", random_weights(small()), english_tokenizer))


def configure(files: HuggingFaceFiles, changes: Mapping[str, object], file_name: str = "config.json") -> None:
    """`files` with some settings changed; None: left out."""
    path = files.folder / file_name
    config = (json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}) | dict(changes)
    write_json(path, {name: value for name, value in config.items() if value is not None})


@pytest.mark.parametrize("num_shards", [1, 3])
def test_tiny_en_in_this_form_is_the_same_to_the_bit_and_writes_the_same(
    tmp_path: Path, tiny_en: Weights, tiny_en_text: str, english_tokenizer: Path, num_shards: int
) -> None:
    folder = write_hugging_face(tmp_path / "m", tiny_en, english_tokenizer, num_shards=num_shards, dtype=torch.float16)
    files = HuggingFaceFiles("mine", folder)

    assert_same(files.load(), tiny_en)
    assert heard(files).text == tiny_en_text
    assert tuple(files.vocabulary().alignment_heads) == HEADS["tiny.en"][1]


def test_bfloat16_is_read(tmp_path: Path, english_tokenizer: Path) -> None:
    weights = random_weights(small())
    folder = write_hugging_face(tmp_path / "m", weights, english_tokenizer, dtype=torch.bfloat16)

    found = HuggingFaceFiles("m", folder).load().parameters["encoder.conv1.weight"]

    assert torch.equal(found, weights.parameters["encoder.conv1.weight"].bfloat16().float())


def test_a_large_v3_with_128_mels_and_cantonese_listens_and_writes(tmp_path: Path) -> None:
    standard_tokenizer(51866).save(str(tmp_path / "v3.json"))
    weights = random_weights(small(num_tokens=51866, num_mels=128))
    files = HuggingFaceFiles("v3", write_hugging_face(tmp_path / "m", weights, tmp_path / "v3.json"))

    assert {"yue", "zh", "zh-hant", "en"} <= set(files.vocabulary().tags)
    assert heard(files, "yue").language == "yue"


def test_embeddings_stored_twice_are_read_once(model: HuggingFaceFiles) -> None:
    path = model.folder / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"proj_out.weight": tensors["model.decoder.embed_tokens.weight"].clone()}, path)

    assert_same(model.load(), random_weights(small()))


def test_other_embeddings_for_writing_are_refused(model: HuggingFaceFiles) -> None:
    path = model.folder / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"proj_out.weight": tensors["model.decoder.embed_tokens.weight"] * 2}, path)

    with pytest.raises(WeightsError, match="writes with other embeddings than it reads"):
        model.load()


def test_a_model_saved_without_its_head_is_read(model: HuggingFaceFiles) -> None:
    path = model.folder / "model.safetensors"
    save_file({name.removeprefix("model."): tensor for name, tensor in load_file(path).items()}, path)

    assert_same(model.load(), random_weights(small()))


def test_what_the_model_says_about_its_text_is_heeded(model: HuggingFaceFiles) -> None:
    configure(model, {"alignment_heads": [[0, 0]], "suppress_tokens": [7, 8], "begin_suppress_tokens": [3]})
    configure(model, {"alignment_heads": [[1, 1]], "suppress_tokens": [9, -1]}, "generation_config.json")

    rules = model.vocabulary().rules

    assert rules.alignment_heads == ((1, 1),)
    assert (rules.suppressed, rules.suppressed_first) == ((9,), (3,))


def test_an_empty_list_suppresses_nothing(model: HuggingFaceFiles) -> None:
    configure(model, {"suppress_tokens": []})

    assert model.vocabulary().rules.suppressed == ()


def test_what_the_model_does_not_say_is_as_in_the_published_ones(model: HuggingFaceFiles) -> None:
    rules = model.vocabulary().rules

    assert rules.alignment_heads == ((1, 0), (1, 1))
    assert rules.suppressed_first == (220, 50256)
    assert {1, 2, 7, 49146} <= set(rules.suppressed)
    assert max(rules.suppressed) < 50256


def test_heads_of_another_model_are_not_believed(model: HuggingFaceFiles) -> None:
    configure(model, {"alignment_heads": [[1, 0], [7, 0]]}, "generation_config.json")

    assert model.vocabulary().rules.alignment_heads == ((1, 0), (1, 1))


@pytest.mark.parametrize("has_added", [True, False])
def test_an_older_tokenizer_in_three_files_is_read(model: HuggingFaceFiles, has_added: bool) -> None:
    tokenizer = read_tokenizer(model.folder / "tokenizer.json")
    content = json.loads(tokenizer.to_str())
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in content["model"]["merges"]]
    (model.folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    added = {token["content"]: token["id"] for token in content["added_tokens"] if token["content"] != "<|endoftext|>"}
    own = content["model"]["vocab"]
    write_json(model.folder / "vocab.json", own if has_added else own | added)
    if has_added:
        write_json(model.folder / "added_tokens.json", added)
    (model.folder / "tokenizer.json").unlink()

    vocabulary = model.vocabulary()

    text = " It's naïve, 怎么 71%!"
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    assert vocabulary.tokenizer.encode(text, add_special_tokens=False).ids == tokens
    assert vocabulary.text([vocabulary.start, *tokens, vocabulary.end]) == text
    assert (vocabulary.end, vocabulary.without_timestamps) == (50256, 50362)


def test_added_tokens_that_do_not_follow_the_vocabulary_are_refused(model: HuggingFaceFiles) -> None:
    (model.folder / "tokenizer.json").unlink()
    write_json(model.folder / "vocab.json", {"a": 0, "<|endoftext|>": 1})
    (model.folder / "merges.txt").write_text("#version: 0.2\n")
    write_json(model.folder / "added_tokens.json", {"<|startoftranscript|>": 50257})

    with pytest.raises(WeightsError, match=r"added_tokens.json gives <\|startoftranscript\|> a number that vocab.json does not"):
        model.vocabulary()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": "wav2vec2"}, r"config.json says model_type is 'wav2vec2'; this server reads .* 'whisper'"),
        ({"activation_function": "relu"}, "says activation_function is 'relu'; this server reads Whisper models with 'gelu'"),
        ({"scale_embedding": True}, "says scale_embedding is True"),
        ({"quantization_config": {"load_in_8bit": True}}, "is stored quantised; give the float32, float16 or bfloat16 model"),
        ({"vocab_size": None}, "does not say vocab_size; expected numbers"),
        ({"decoder_layers": "2"}, "does not say decoder_layers"),
        ({"encoder_attention_heads": 4}, "has another number of heads in encoder and decoder"),
        ({"alignment_heads": 3}, "The configuration in .* cannot be used"),
        ({"suppress_tokens": ["x"]}, "The configuration in .* cannot be used"),
    ],
)
def test_another_configuration_is_refused(model: HuggingFaceFiles, changes: dict[str, object], sentence: str) -> None:
    configure(model, changes)

    with pytest.raises(WeightsError, match=sentence):
        model.vocabulary()


@pytest.mark.parametrize("content", ["", "{", "[1]", "version https://git-lfs.github.com/spec/v1"])
def test_an_unreadable_configuration_is_refused(model: HuggingFaceFiles, content: str) -> None:
    (model.folder / "config.json").write_text(content)

    with pytest.raises(WeightsError, match=r"config.json (cannot be read|holds a list).* Copy it from where the model came from"):
        model.load()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_named(model: HuggingFaceFiles, name: str) -> None:
    (model.folder / name).unlink()

    with pytest.raises(WeightsError, match=rf"m/{name} .*Copy it from where the model came from"):
        model.vocabulary()


def test_a_missing_shard_is_named(tmp_path: Path, english_tokenizer: Path) -> None:
    folder = write_hugging_face(tmp_path / "m", random_weights(small()), english_tokenizer, num_shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()

    with pytest.raises(WeightsError, match="model-00002-of-00002.safetensors is no safetensors file, or not complete"):
        HuggingFaceFiles("m", folder).load()


@pytest.mark.parametrize("content", [{}, {"weight_map": []}, {"weight_map": {"a": 3}}])
def test_an_index_without_shards_is_refused(model: HuggingFaceFiles, content: object) -> None:
    (model.folder / "model.safetensors").unlink()
    write_json(model.folder / "model.safetensors.index.json", content)

    with pytest.raises(WeightsError, match="lists no shards"):
        model.load()


def test_a_file_cut_anywhere_is_refused(model: HuggingFaceFiles) -> None:
    path = model.folder / "model.safetensors"
    content = path.read_bytes()

    for end in [0, 4, 100, *range(len(content) // 5, len(content), len(content) // 5), len(content) - 1]:
        path.write_bytes(content[:end])
        with pytest.raises(WeightsError, match=r"model.safetensors is no safetensors file, or not complete"):
            model.load()


def test_the_weights_of_an_adapter_alone_are_refused(model: HuggingFaceFiles) -> None:
    save_file(
        {"base_model.model.model.encoder.layers.0.q_proj.lora_A.weight": torch.zeros(2, 2)}, model.folder / "model.safetensors"
    )

    with pytest.raises(WeightsError, match=r"lacks the parameter 'decoder.embeddings'\. Give the complete model, merged"):
        model.load()


def test_the_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_hugging_face(tmp_path / "m", random_weights(small()), base_folder() / "tokenizer.json")

    with pytest.raises(WeightsError, match="writes 51864 tokens and its tokenizer has 51865: one is not of the other"):
        HuggingFaceFiles("m", folder).load()


def test_tokens_added_behind_the_time_stamps_are_allowed(tmp_path: Path, english_tokenizer: Path) -> None:
    weights = random_weights(small(num_tokens=51870))
    files = HuggingFaceFiles("m", write_hugging_face(tmp_path / "m", weights, english_tokenizer))

    assert len(files.load().parameters["decoder.embeddings"]) == 51870
    assert not files.vocabulary().is_multilingual
