"""Linear layers in 8-bit integers on the CPU: weights scaled per output channel, activations per row while running.

Every row of the input is scaled by itself and the products are summed in whole numbers, so that a row's result is the same to
the bit in whatever batch it stands.
"""

import torch
from torch import Tensor, nn

MAX_INT8 = 127
TINY = 1e-8


def has_fast_int8() -> bool:
    """Whether the processor multiplies 8-bit integers natively, so that they are faster than floats."""
    return bool(torch.cpu._is_vnni_supported())


class Int8Linear(nn.Module):
    """Stands for a `nn.Linear`; takes float32 and answers in float32.

    Args:
        weight: (outputs, inputs). bias: (outputs,) or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        exact = weight.detach().float()
        self.scales = exact.abs().amax(dim=1).clamp(min=TINY) / MAX_INT8
        self.weight = (exact / self.scales[:, None]).round().to(torch.int8)
        self.bias = None if bias is None else bias.detach().float()

    def forward(self, states: Tensor) -> Tensor:
        """(…, inputs) → (…, outputs)."""
        rows = states.reshape(-1, states.shape[-1])
        scales = rows.abs().amax(dim=1, keepdim=True).clamp_(min=TINY) / MAX_INT8
        quantised = (rows / scales).round_().to(torch.int8)
        output = torch._int_mm(quantised, self.weight.t()).float().mul_(scales).mul_(self.scales)
        if self.bias is not None:
            output.add_(self.bias)
        return output.view(*states.shape[:-1], -1)


def quantise(module: nn.Module) -> None:
    """Replace every `nn.Linear` below `module` by its 8-bit form."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child.weight, child.bias))
        else:
            quantise(child)
