"""Processes that train together, one a device, as `torchrun` starts them: their shares, and sums over all of them.

A global loss is written with `total`: each process computes the same value, its gradient reaches every process's part,
and the mean of gradients that DistributedDataParallel takes is then exactly the gradient of the global loss.
"""

import os
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import Tensor, distributed

from diffbin.errors import ConfigError

T = TypeVar("T")
PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "64": "64-true"}
LOST = object()  # fills the shorter shares


def open_fabric(precision: str) -> Fabric:
    """A GPU by CUDA or else the CPU; or under `torchrun` one of each of its processes, joined into a group."""
    every, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    together = TorchElasticEnvironment.detect()
    environment: ClusterEnvironment = TorchElasticEnvironment() if together else LightningEnvironment()
    fabric = Fabric(
        # Left to itself it takes Apple's GPU, where BatchNorm with channels last broke off until 2026 (pytorch#188371).
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=here if together else 1,
        num_nodes=every // here if together else 1,
        strategy="ddp" if together else "auto",
        plugins=[environment],
        precision=PRECISIONS[precision],
    )
    fabric.launch()
    return fabric


def has_bf16() -> bool:
    """Whether the device computes in bfloat16 by itself; emulated, it is slower than single precision."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    abilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(abilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def close() -> None:
    """Leaves the group."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def is_first() -> bool:
    """Whether this is the process that writes and speaks for all."""
    return os.environ.get("RANK", "0") == "0"


def count() -> int:
    """Processes that train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """The number of this one, 0 and up."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def share(batch_size: int, accumulate: int) -> int:
    """Samples of a step that one process takes at a time. `ConfigError` unless all shares are equal."""
    parts = count() * accumulate
    if batch_size % parts:
        raise ConfigError(
            f"data.batch_size is {batch_size}, the samples of a step on all devices together; it must be a multiple of "
            f"{count()} processes x {accumulate} (train.accumulate)."
        )
    return batch_size // parts


def seed(run_seed: int, step: int) -> None:
    """Random numbers of a step depend on the run, the process and the step alone, so that a run resumes exactly."""
    torch.manual_seed(int(np.random.SeedSequence([run_seed, rank(), step]).generate_state(1)[0]))


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        value = value.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(value)
        return value

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient


def total(value: Tensor) -> Tensor:
    """The sum over all processes; differentiable."""
    summed: Tensor = _Total.apply(value) if count() > 1 else value  # type: ignore[no-untyped-call]
    return summed


def largest(values: Tensor, number: int) -> Tensor:
    """Those of `values` `(n,)` that are among the `number` largest of all processes, falling; differentiable."""
    own = torch.topk(values, min(number, values.numel())).values
    if count() == 1 or not number:
        return own
    everyones = [torch.empty_like(own) for _ in range(count())]
    distributed.all_gather(everyones, own.detach())
    chosen = torch.topk(torch.cat(everyones), number).indices
    return own[: int((chosen // own.numel() == rank()).sum())]


def align_buffers(network: torch.nn.Module) -> None:
    """Gives every process the buffers of the first, those that are saved: BatchNorm's running averages are its own."""
    for buffer in network.buffers() if count() > 1 else ():
        distributed.broadcast(buffer, 0)


def mine(items: Sequence[T]) -> Sequence[T]:
    """This process's share of the work; `gather` puts the results together."""
    return items[rank() :: count()]


def gather(results: list[T]) -> list[T]:
    """What the processes made of their shares, see `mine`, in the order of the items: none twice, none lost."""
    if count() == 1:
        return results
    shares: list[Any] = [None] * count()
    distributed.all_gather_object(shares, results)
    return [result for turn in zip_longest(*shares, fillvalue=LOST) for result in turn if result is not LOST]
