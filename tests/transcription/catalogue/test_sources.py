"""Which files make up a model, by their names, and what its folder says of its licence."""

import json
from pathlib import Path

import pytest

from inference.engines.conformer_ctc import config
from inference.engines.emformer_rnnt import weights
from transcription.catalogue.errors import CatalogueError
from transcription.catalogue.sources import EMFORMER, OWN_FORMAT, files_of, licence_of, name_for

INDEX = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}})


def folder_of(path: Path, *names: str, **contents: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_text(contents.get(name.partition(".")[0], "{}"))
    return path


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (
            ["config.json", "model.safetensors", "tokenizer.json", "flax_model.msgpack", "pytorch_model.bin", "README.md"],
            ["config.json", "model.safetensors", "tokenizer.json"],
        ),
        (["model.bin", "vocabulary.txt", "config.json", "LICENSE"], ["LICENSE", "config.json", "model.bin", "vocabulary.txt"]),
        (["model.safetensors", "model.bin", "licence.txt"], ["licence.txt", "model.safetensors"]),
        (["stt_de.nemo", "README.md", "notes.txt"], ["stt_de.nemo"]),
        ([*EMFORMER, "notes.txt"], sorted(EMFORMER)),
    ],
)
def test_what_does_not_belong_to_the_model_stays_behind(tmp_path: Path, there: list[str], taken: list[str]) -> None:
    folder = folder_of(tmp_path / "m", *there)

    assert [file.name for file in files_of(folder)] == taken


def test_of_our_own_checkpoints_the_language_model_and_the_clips_come_along(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path / "m", "model.safetensors", "tokens.txt", "config.json", config='{"format": "hark-conformer-ctc"}'
    )
    folder_of(folder / "lm", "lm.json", "lexicon.txt")
    folder_of(folder / "reference", "manifest.jsonl")
    folder_of(folder / "drafts", "old.safetensors")

    assert [str(file.relative_to(folder)) for file in files_of(folder)] == [
        "config.json",
        "lm/lexicon.txt",
        "lm/lm.json",
        "model.safetensors",
        "reference/manifest.jsonl",
        "tokens.txt",
    ]


def test_what_the_web_side_and_the_engines_call_by_a_name_has_the_same_name() -> None:
    assert set(weights.FILES) == set(EMFORMER)
    assert OWN_FORMAT == config.FORMAT


def test_two_nemo_files_in_a_folder_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="expected .* or one `.nemo` file"):
        files_of(folder_of(tmp_path / "m", "a.nemo", "b.nemo"))


def test_all_shards_are_taken(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", "model-1.safetensors", "model-2.safetensors", "model-3.safetensors")
    (folder / "model.safetensors.index.json").write_text(INDEX)

    assert [file.name for file in files_of(folder)] == [
        "model-1.safetensors",
        "model-2.safetensors",
        "model.safetensors.index.json",
    ]


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(INDEX)

    with pytest.raises(CatalogueError, match="lacks model-2.safetensors"):
        files_of(folder)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"weight_map": {"a": "../../etc/passwd"}}', "names files that are no .safetensors beside it"),
        ('{"weight_map": {"a": "/x.safetensors"}}', "names files that are no .safetensors beside it"),
        ('{"weight_map": {}}', "names files that are no .safetensors beside it"),
        ('{"weight_map": {"a": 1}}', "lists no files"),
        ("[]", "lists no files"),
        ("{", "lists no files"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    folder = folder_of(tmp_path / "m")
    (folder / "model.safetensors.index.json").write_text(content)

    with pytest.raises(CatalogueError, match=sentence):
        files_of(folder)


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ([], "holds nothing; expected model.safetensors"),
        (["notes.txt"], "holds notes.txt; expected model.safetensors"),
        (["pytorch_model.bin"], "pickles are not read"),
    ],
)
def test_a_folder_without_a_model_is_refused(tmp_path: Path, there: list[str], sentence: str) -> None:
    with pytest.raises(CatalogueError, match=sentence):
        files_of(folder_of(tmp_path / "m", *there))


def test_a_path_where_nothing_is_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=f"There is no {tmp_path}/m"):
        files_of(tmp_path / "m")


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Model", "apache-2.0"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("---\nlanguage: en\n---\nlicense: mit\n", ""),
        ("license: mit", ""),
        ("# A model", ""),
    ],
)
def test_the_licence_is_what_the_head_of_the_card_says(tmp_path: Path, card: str, licence: str) -> None:
    folder = folder_of(tmp_path / "m", "README.md", README=card)

    assert licence_of(folder) == licence


def test_without_a_card_the_licence_is_not_known(tmp_path: Path) -> None:
    assert licence_of(tmp_path) == ""


@pytest.mark.parametrize(
    ("path", "name"), [("whisper-small-de", "whisper-small-de"), ("my model (2)", "my-model-2"), ("_x", "x"), ("v1.2", "v1.2")]
)
def test_a_folder_gives_its_name_without_what_a_name_may_not_hold(tmp_path: Path, path: str, name: str) -> None:
    (tmp_path / path).mkdir()

    assert name_for(tmp_path / path) == name


def test_a_file_gives_its_name_without_its_ending(tmp_path: Path) -> None:
    (tmp_path / "large-v3.pt").write_bytes(b"")

    assert name_for(tmp_path / "large-v3.pt") == "large-v3"
