"""The mean of two trainings of one network, which often holds on to what either has learned (arXiv:2203.05482):

    python examples/average_weights.py FIRST SECOND SHARE OUT.safetensors

FIRST and SECOND are checkpoints or .safetensors files; SHARE, from 0 to 1, is how much of the second goes in. Both have
to come from the same weights: of two that began apart the mean is of no use. OUT has the second's recipe.
"""

import sys
from pathlib import Path

from diffbin.model.checkpoints import read_weights, write_weights


def main(first: str, second: str, share: str, out: str) -> None:
    """See above."""
    part = float(share)
    (one, old), (recipe, new) = read_weights(Path(first)), read_weights(Path(second))
    if one.model != recipe.model:
        sys.exit(f"{first} and {second} are not of one network: {one.model} and {recipe.model}.")
    mean = {
        name: old[name].lerp(weight, part) if weight.is_floating_point() else weight for name, weight in new.items()
    }
    write_weights(Path(out), recipe, mean, halve=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
