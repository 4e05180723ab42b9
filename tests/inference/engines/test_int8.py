"""8-bit linear layers against the float layers that they stand for."""

import pytest
import torch
from torch import Tensor, nn

from inference.engines.int8 import Int8Linear, quantise


@pytest.fixture
def linear() -> nn.Linear:
    torch.manual_seed(7)
    return nn.Linear(64, 48)


def rows(num_rows: int) -> Tensor:
    """Rows of very different size, as the states of a network are."""
    generator = torch.Generator().manual_seed(num_rows)
    return torch.randn(num_rows, 64, generator=generator) * torch.logspace(-2, 2, num_rows)[:, None]


def int8(linear: nn.Linear) -> Int8Linear:
    return Int8Linear(linear.weight, linear.bias)


@torch.inference_mode()
def test_every_row_is_close_to_the_float_layer(linear: nn.Linear) -> None:
    states = rows(9)

    difference = (int8(linear)(states) - linear(states)).norm(dim=1)

    assert float((difference / linear(states).norm(dim=1)).max()) < 0.03


@torch.inference_mode()
def test_a_row_is_the_same_to_the_bit_in_whatever_batch_it_stands(linear: nn.Linear) -> None:
    layer, states = int8(linear), rows(9)

    together = layer(states)

    assert all(torch.equal(together[index], layer(states[index : index + 1])[0]) for index in range(9))


@torch.inference_mode()
def test_the_shape_is_that_of_the_float_layer(linear: nn.Linear) -> None:
    assert int8(linear)(rows(6).view(2, 3, 64)).shape == (2, 3, 48)


@torch.inference_mode()
def test_a_row_of_zeros_gives_the_bias(linear: nn.Linear) -> None:
    assert torch.equal(int8(linear)(torch.zeros(1, 64))[0], linear.bias)


@torch.inference_mode()
def test_a_layer_without_bias() -> None:
    layer = Int8Linear(torch.eye(8), None)

    assert torch.allclose(layer(torch.ones(1, 8)), torch.ones(1, 8), atol=0.02)


def test_every_linear_layer_below_a_module_is_replaced() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2)), nn.LayerNorm(2))

    quantise(module)

    assert [type(each) for each in module.modules() if not isinstance(each, nn.Sequential)] == [
        Int8Linear,
        nn.GELU,
        Int8Linear,
        nn.LayerNorm,
    ]
