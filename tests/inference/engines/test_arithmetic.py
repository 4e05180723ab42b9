"""Which arithmetic a machine gets."""

import pytest
import torch

from inference.engines import arithmetic


@pytest.mark.parametrize(("name", "dtype", "has_int8"), [("fp32", torch.float32, False), ("bf16", torch.bfloat16, False)])
def test_it_is_chosen_by_name(name: str, dtype: torch.dtype, has_int8: bool) -> None:
    chosen = arithmetic.BY_NAME[name]

    assert (chosen.name, chosen.dtype, chosen.has_int8) == (name, dtype, has_int8)


@pytest.mark.parametrize(
    ("has_int8", "has_bf16", "expected"),
    [(True, True, "int8"), (True, False, "int8"), (False, True, "bf16"), (False, False, "fp32")],
)
def test_left_open_it_is_what_the_processor_multiplies_natively(
    monkeypatch: pytest.MonkeyPatch,
    has_int8: bool,
    has_bf16: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(arithmetic, "has_fast_int8", lambda: has_int8)
    monkeypatch.setattr(arithmetic, "has_fast_bf16", lambda: has_bf16)

    assert arithmetic.choose("auto").name == expected
    assert arithmetic.choose("fp32") is arithmetic.FP32
