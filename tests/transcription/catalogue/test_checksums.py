"""One SHA-256 for all files of a model."""

import subprocess
from pathlib import Path

from transcription.catalogue import checksums


def test_that_of_a_single_file_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"abc")

    assert checksums.of_files([tmp_path / "a.pt"]) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_that_of_several_can_be_made_with_sha256sum(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "a b.txt"):
        (tmp_path / name).write_text(name)
    by_hand = subprocess.run(
        ["/bin/sh", "-c", "export LC_ALL=C; sha256sum * | sha256sum"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()[0]

    assert checksums.of_files(sorted(tmp_path.iterdir())) == by_hand
    assert checksums.of_files(sorted(tmp_path.iterdir(), reverse=True)) == by_hand


def test_a_byte_that_changed_is_seen_and_so_is_a_file_that_was_renamed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    before = checksums.of_files([tmp_path / "a", tmp_path / "b"])

    (tmp_path / "b").write_bytes(b"3")
    assert checksums.of_files([tmp_path / "a", tmp_path / "b"]) != before

    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "b").rename(tmp_path / "c")
    assert checksums.of_files([tmp_path / "a", tmp_path / "c"]) != before


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    for folder in ("lm", "reference"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_bytes(b"1")
    files = [tmp_path / "lm" / "a", tmp_path / "reference" / "a"]
    before = checksums.of_files(files)

    files[0].write_bytes(b"2")

    assert checksums.of_files(files) != before
