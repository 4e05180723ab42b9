"""`.nemo` files: read as NeMo saves them, and refused with a sentence where they are something else."""

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.engines.conformer_ctc.weights.checkpoint import Head
from inference.engines.conformer_ctc.weights.nemo import NemoFile
from inference.errors import WeightsError
from tests.inference.engines.conformer_ctc.weights.models import (
    PIECES,
    assert_same,
    nemo_config,
    random_checkpoint,
    small,
    write_nemo,
)

NOT_WEIGHTS = {"preprocessor.featurizer.window": torch.ones(3), "preprocessor.featurizer.fb": torch.ones(1, 2, 3)}
HYBRID: tuple[Head, ...] = ("ctc", "rnnt")


def changed(config: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """`config` with another value at `path`; None: without it."""
    name, _, rest = path.partition(".")
    if rest:
        return {**config, name: changed(config.get(name, {}), rest, value)}
    return {**config, name: value} if value is not None else {key: kept for key, kept in config.items() if key != name}


def write(path: Path, **given: Any) -> NemoFile:
    """A hybrid model."""
    return NemoFile("m", write_nemo(path, random_checkpoint(small(), HYBRID).parameters, nemo_config(small()), **given))


@pytest.mark.parametrize("subsampling", [4, 8])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_hybrid_model_comes_back_to_the_bit(tmp_path: Path, subsampling: int, mode: str) -> None:
    written = random_checkpoint(small(subsampling), HYBRID)
    parameters = {**written.parameters, **NOT_WEIGHTS}
    path = write_nemo(tmp_path / "stt_de_small.nemo", parameters, nemo_config(written.config), mode=mode)

    files = NemoFile("m", path)

    assert_same(files.load(), written)
    assert files.outline().languages == ("de",)
    assert files.num_parameters() == sum(tensor.numel() for tensor in written.parameters.values())


def test_a_model_with_a_ctc_head_only_is_read_with_the_name_that_nemo_gives_it_there(tmp_path: Path) -> None:
    written = random_checkpoint()
    parameters = {name.replace("ctc_decoder.", "decoder."): tensor for name, tensor in written.parameters.items()}

    assert_same(NemoFile("m", write_nemo(tmp_path / "m.nemo", parameters, nemo_config(written.config))).load(), written)


def test_a_transducer_without_dropout_and_without_an_embedding_of_the_beginning_is_read(tmp_path: Path) -> None:
    written = random_checkpoint(heads=("rnnt",))
    embedding = "decoder.prediction.embed.weight"
    written.parameters[embedding][-1] = 0
    parameters = {name.replace("joint_net.2.", "joint_net.1."): tensor for name, tensor in written.parameters.items()}
    parameters[embedding] = written.parameters[embedding][:-1].clone()

    assert_same(NemoFile("m", write_nemo(tmp_path / "m.nemo", parameters, nemo_config(written.config))).load(), written)


def test_a_model_that_writes_letters_lists_them_in_its_configuration(tmp_path: Path) -> None:
    letters = [" ", "a", "b", "c", "d", "'"]
    config = changed(changed(nemo_config(small()), "tokenizer", None), "decoder.vocabulary", letters)

    files = NemoFile("m", write_nemo(tmp_path / "m.nemo", random_checkpoint().parameters, config))

    assert files.load().tokens.pieces == ("▁", "a", "b", "c", "d", "'")


def test_one_context_may_stand_alone(tmp_path: Path) -> None:
    config = changed(nemo_config(small()), "encoder.att_context_size", [8, 1])

    files = NemoFile("m", write_nemo(tmp_path / "m.nemo", random_checkpoint().parameters, config))

    assert files.load().config.contexts == ((8, 1),)


def test_the_languages_that_a_model_wants_to_be_told_are_its_languages(tmp_path: Path) -> None:
    written = random_checkpoint(heads=("rnnt",), num_prompts=5)
    prompts = {"en-US": 0, "en": 0, "zh-CN": 1, "zh-TW": 3, "auto": 4}
    config = changed(nemo_config(small()), "model_defaults.prompt_dictionary", prompts)

    files = NemoFile("m", write_nemo(tmp_path / "m.nemo", written.parameters, config))

    assert_same(files.load(), written)
    assert files.outline().languages == ("en", "zh", "zh-hant")
    assert files.outline().prompts == prompts


@pytest.mark.parametrize(
    ("num_prompts", "prompts", "sentence"),
    [
        (5, {"en-US": 0, "de-DE": 5}, "one of 5 languages, and the configuration lists de-DE as number 5"),
        (5, {"en-US": -1}, "lists en-US as number -1"),
        (5, None, "one of 5 languages, and the configuration lists none of them"),
        (0, {"en-US": 0}, "one of 0 languages, and the configuration lists en-US as number 0"),
    ],
)
def test_languages_of_another_network_are_refused(
    tmp_path: Path, num_prompts: int, prompts: dict[str, int] | None, sentence: str
) -> None:
    written = random_checkpoint(heads=("rnnt",), num_prompts=num_prompts)
    config = changed(nemo_config(small()), "model_defaults.prompt_dictionary", prompts)

    with pytest.raises(WeightsError, match=sentence):
        NemoFile("m", write_nemo(tmp_path / "m.nemo", written.parameters, config)).load()


def test_members_that_point_elsewhere_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()

    files = write(folder / "m.nemo", extra={"../escaped.txt": b"x", str(tmp_path / "absolute.txt"): b"x"})

    assert files.load().tokens.pieces == PIECES
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["in", "m.nemo"]


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("encoder.att_context_style", "regular", "encoder.att_context_style is 'regular'; .* with 'chunked_limited'"),
        ("encoder.causal_downsampling", None, "encoder.causal_downsampling is missing; .* with True"),
        ("encoder.conv_norm_type", "batch_norm", "'batch_norm'; .* with 'layer_norm'"),
        ("encoder.conv_context_size", "regular", "encoder.conv_context_size is 'regular'"),
        ("encoder.att_context_size", [-1, -1], r"Contexts are \[\(-1, -1\)\]"),
        ("encoder.att_context_size", "all", "att_context_size is 'all'; expected"),
        ("encoder.att_context_size", [math.inf, 1], r"att_context_size is \[inf, 1\]; expected"),
        ("encoder.att_context_size", [10**9, 1], r"Contexts are \[\(1000000000, 1\)\]"),
        ("encoder.n_layers", 10**9, "num_layers is 1000000000; expected a whole number from 1 to"),
        ("encoder.d_model", "${model_defaults.size}", "encoder.d_model is missing; expected a whole number"),
        ("encoder.d_model", "${encoder.d_model}", "encoder.d_model refers to itself"),
        ("encoder.n_layers", 3, "lacks .* parameters: encoder.layers.2"),
        ("preprocessor.normalize", "per_feature", "preprocessor.normalize is 'per_feature'"),
        ("preprocessor.features", 24, "pre_encode.out.weight has the shape"),
        ("joint.jointnet.activation", "tanh", "joint.jointnet.activation is 'tanh'"),
        ("joint.num_extra_outputs", 5, "joint.num_extra_outputs is 5"),
        ("tokenizer.type", "wpe", "tokenizer.type is 'wpe'"),
        ("tokenizer.model_path", "nemo:other.model", "holds no other.model"),
        ("tokenizer", None, "lists no vocabulary"),
    ],
)
def test_what_is_configured_otherwise_is_refused(tmp_path: Path, path: str, value: object, sentence: str) -> None:
    config = changed(nemo_config(small()), path, value)
    files = NemoFile("m", write_nemo(tmp_path / "m.nemo", random_checkpoint(small(), HYBRID).parameters, config))

    with pytest.raises(WeightsError, match=sentence):
        files.load()


def without(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in random_checkpoint(small(), HYBRID).parameters.items() if key != name}


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layers.0.norm_conv.weight",
        "ctc_decoder.decoder_layers.0.bias",
        "joint.enc.weight",
        "joint.pred.bias",
        "decoder.prediction.dec_rnn.lstm.bias_hh_l1",
    ],
)
def test_a_parameter_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    files = NemoFile("m", write_nemo(tmp_path / "m.nemo", without(name), nemo_config(small())))

    with pytest.raises(WeightsError, match=name):
        files.load()


@pytest.mark.parametrize("num_bytes", [0, 1000, 20_000, -2000])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, num_bytes: int, mode: str) -> None:
    files = write(tmp_path / "m.nemo", mode=mode)
    content = files.path.read_bytes()
    files.path.write_bytes(content[: num_bytes if num_bytes >= 0 else len(content) + num_bytes - (len(content) // 2)])

    with pytest.raises(WeightsError, match="m.nemo"):
        files.load()


@dataclass
class Evil:
    target: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_nothing_in_the_weights_is_executed(tmp_path: Path) -> None:
    attack: dict[str, Any] = {"encoder.x": Evil(tmp_path / "executed")}
    path = write_nemo(tmp_path / "m.nemo", attack, nemo_config(small()))

    with pytest.raises(WeightsError, match=r"model_weights.ckpt in .* is no torch checkpoint"):
        NemoFile("m", path).load()
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickle.dumps(attack))  # noqa: S301  # the attack would work
    assert (tmp_path / "executed").exists()


def test_yaml_that_wants_to_make_objects_is_refused(tmp_path: Path) -> None:
    files = write(tmp_path / "m.nemo", extra={"model_config.yaml": b"a: !!python/object/apply:os.system ['true']"})

    with pytest.raises(WeightsError, match="no plain YAML"):
        files.outline()


@pytest.mark.parametrize("line", [b"since: 2024-13-45", b"x: !!int abc", b"x: " + b"[" * 5000 + b"]" * 5000])
def test_yaml_that_its_reader_stumbles_over_is_refused(tmp_path: Path, line: bytes) -> None:
    files = write(tmp_path / "m.nemo", extra={"model_config.yaml": line})

    with pytest.raises(WeightsError, match="no plain YAML"):
        files.outline()


def test_what_refers_to_itself_again_and_again_is_not_written_out(tmp_path: Path) -> None:
    """Nine lists of nine lists, and so on: millions of marks, which a sentence must not hold."""
    lists = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 7))
    bomb = f"a0: &a0 [x, x, x, x, x, x, x, x, x]\n{lists}encoder: {{subsampling: *a6}}\n"
    files = write(tmp_path / "m.nemo", extra={"model_config.yaml": bomb.encode()})

    with pytest.raises(WeightsError, match=r"encoder.subsampling is \[\[") as found:
        files.outline()
    assert len(found.value.message) < 1000


def test_weights_that_find_no_room_to_be_unpacked_are_refused_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1000))

    with pytest.raises(WeightsError, match="0.0 GB are free in .* Set TMPDIR"):
        write(tmp_path / "packed.nemo", mode="w:gz").load()
    assert write(tmp_path / "plain.nemo").load().tokens.pieces == PIECES
