"""The score of a network in training, by the very path that users run."""

from diffbin.config import Recipe
from diffbin.detector import Detector
from diffbin.engines.torch import TorchEngine
from diffbin.metrics.evaluate import evaluate
from diffbin.model.dbnet import DBNet


def validate(network: DBNet, recipe: Recipe) -> dict[str, float]:
    """hmean on `recipe.data.validation` at the recipe's score threshold, and the best over a sweep of thresholds.

    The network is left in the mode it came in.
    """
    training = network.training
    report = evaluate(Detector(TorchEngine(network, recipe)), recipe.data.validation, recipe.data.root)
    network.train(training)
    return {"hmean": report.fixed.hmean, "best_hmean": report.best.hmean}
