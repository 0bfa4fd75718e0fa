"""A depthwise convolution whose gradients are faster on a CPU than PyTorch's own.

PyTorch's gradients are slow where the convolution strides, where kernels are 5x5, and in bfloat16 above all. That of
the input is itself a depthwise convolution, of the kernel turned round and the gradient spread out to the stride; that
of the weights is faster in single precision where kernels are large.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NARROW = 3  # kernels up to here have fast gradients in bfloat16


class DepthwiseConv2d(nn.Conv2d):
    """One k x k kernel a channel, k odd, padded so that stride 1 keeps the size."""

    def __init__(self, channels: int, kernel: int, stride: int, *, bias: bool = False) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, c, h, w)` -> `(n, c, ceil(h / stride), ceil(w / stride))`."""
        if self.training and x.is_cpu and torch.is_grad_enabled():
            y = cast(Tensor, _Depthwise.apply(x, self.weight.to(x.dtype), self.stride[0]))  # type: ignore[no-untyped-call]
            return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]
        return super().forward(x)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return _convolve(x, weight, stride)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        wanted_x, wanted_weight, _ = ctx.needs_input_grad
        return (
            _convolve(_spread(grad, x, ctx.stride), weight.flip(2, 3), 1) if wanted_x else None,
            _of_weight(grad, x, weight, ctx.stride) if wanted_weight else None,
            None,
        )


def _convolve(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    return F.conv2d(x, weight, None, stride, weight.shape[2] // 2, groups=len(weight))


def _spread(grad: Tensor, x: Tensor, stride: int) -> Tensor:
    """The gradient at each place of `x` that a kernel was laid on, zeros between."""
    if stride == 1:
        return grad
    spread = torch.zeros_like(x, memory_format=torch.channels_last)
    spread[:, :, ::stride, ::stride] = grad
    return spread


def _of_weight(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    kernel = weight.shape[2]
    if kernel > NARROW and weight.dtype == torch.bfloat16:
        return _of_weight(grad.float(), x.float(), weight.float(), stride).to(weight.dtype)
    half = [kernel // 2] * 2
    only_weight = [False, True, False]
    steps = [stride] * 2
    _, answer, _ = torch.ops.aten.convolution_backward(
        grad, x, weight, None, steps, half, [1, 1], False, [0, 0], len(weight), only_weight
    )
    return cast(Tensor, answer)
