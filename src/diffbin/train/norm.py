"""BatchNorm in training: frozen, or with the statistics of all processes."""

import torch
from torch import Tensor, nn

from diffbin.config import Recipe
from diffbin.errors import ConfigError
from diffbin.train import devices
from diffbin.train.optimizer import depth_of


def freeze_norm(network: nn.Module, recipe: Recipe) -> None:
    """BatchNorm uses its running statistics and leaves them as they are: in the whole backbone if `frozen_norm` says
    so, where its scale and shift still learn, or else in its layers that do not learn at all."""
    learning = 0 if recipe.train.frozen_norm else recipe.optim.trainable_layers
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and depth_of(name) > learning:
            module.eval()


def synchronise_norm(network: nn.Module, device: torch.device) -> None:
    """Each BatchNorm sees the batch of all processes, as one process would; the names of the weights stay.

    On a GPU by PyTorch's own class, which does not know CPUs. Raises `ConfigError` for a BatchNorm that does more.
    """
    for parent in list(network.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, nn.BatchNorm2d):
                if type(norm) is not nn.BatchNorm2d:  # as timm's, with an activation inside
                    raise ConfigError(f"train.sync_norm does not know the {type(norm).__name__} in this backbone.")
                kind = nn.SyncBatchNorm if device.type == "cuda" else SyncNorm
                synchronised = kind(norm.num_features, norm.eps, norm.momentum).to(norm.weight)
                synchronised.load_state_dict(norm.state_dict())
                setattr(parent, name, synchronised)


class SyncNorm(nn.BatchNorm2d):
    """BatchNorm over the batches of all processes: `(n, c, h, w)` to the same."""

    def forward(self, input: Tensor) -> Tensor:
        """In evaluation the running statistics; in training those of the global batch, taken in float32."""
        if not self.training:
            return super().forward(input)
        x = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        values = devices.total(x.new_tensor(x.numel() // x.shape[1]))
        mean = devices.total(x.sum((0, 2, 3))) / values
        centred = x - mean[:, None, None]
        variance = devices.total(centred.square().sum((0, 2, 3))) / values
        self._remember(mean.detach(), variance.detach() * values / (values - 1))
        scaled = centred * torch.rsqrt(variance + self.eps)[:, None, None]
        normed: Tensor = scaled * self.weight[:, None, None] + self.bias[:, None, None]
        return normed.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)
