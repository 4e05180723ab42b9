from pathlib import Path

import pytest

from inference.decoding.artefact import LmFiles
from inference.errors import LanguageModelError
from tests.inference.decoding.lm_of import folder_of


def files_with(folder: Path, lexicon: bytes) -> LmFiles:
    (folder_of(folder, "a b") / "lexicon.txt").write_bytes(lexicon)
    return LmFiles.in_folder(folder)


@pytest.mark.parametrize("lexicon", [b"a\r\nb\r\n", b"\xef\xbb\xbfa\nb\n", b"a\nb"])
def test_the_lexicon_is_read_as_any_editor_writes_it(tmp_path: Path, lexicon: bytes) -> None:
    assert files_with(tmp_path / "lm", lexicon).words() == ["a", "b"]


@pytest.mark.parametrize(
    ("lexicon", "complaint"),
    [
        (b"", "holds nothing"),
        (b"a\n\nb\n", "'' in line 2, which is no word"),
        (b"a\nb c\n", "'b c' in line 2, which is no word"),
        (b"<unk>\na\n", "'<unk>' in line 1, which is no word"),
        (b"a\nb\na\n", "'a' once more in line 3"),
        (b"caf\xe9\n", "in UTF-8"),
    ],
)
def test_a_lexicon_that_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, lexicon: bytes, complaint: str) -> None:
    with pytest.raises(LanguageModelError, match=complaint):
        files_with(tmp_path / "lm", lexicon).words()
