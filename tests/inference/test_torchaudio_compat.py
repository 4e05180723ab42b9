"""torchaudio's C++ extension is loaded only beside the torch that it was built for."""

import pytest

from inference.torchaudio_compat import has_extension_for


@pytest.mark.parametrize(
    ("torch_version", "torchaudio_version", "cuda", "expected"),
    [
        ("2.11.0", "2.11.0", "13.0", True),
        ("2.11.1+cu130", "2.11.0", "13.0", True),
        ("2.13.0", "2.11.0", "13.0", False),
        ("2.11.0+cpu", "2.11.0", None, False),
    ],
)
def test_it_belongs_to_a_torch_with_cuda_of_the_same_release(
    torch_version: str, torchaudio_version: str, cuda: str | None, expected: bool
) -> None:
    assert has_extension_for(torch_version, torchaudio_version, cuda) is expected
