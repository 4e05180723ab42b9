from pathlib import Path

import pytest

from inference.decoding.decoder import open_decoder
from inference.decoding.tokens import Tokens
from tests.inference.decoding.lm_of import lm_of


def test_nothing_comes_between_the_lines_of_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = lm_of(tmp_path / "orders", "a b", "b a")
    open_decoder(Tokens(["|", "a", "b"]), 40, model)

    assert capfd.readouterr() == ("", "")


def test_a_second_pass_is_possible_after_its_folder_was_removed(tmp_path: Path) -> None:
    model = lm_of(tmp_path / "orders", "a b")
    for path in (tmp_path / "orders").iterdir():
        path.unlink()

    open_decoder(Tokens(["|", "a", "b"]), 40, model)
