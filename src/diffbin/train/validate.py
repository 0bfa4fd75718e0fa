"""The score of a network in training, by the very path that users run."""

from diffbin.config import Recipe
from diffbin.detector import Detector
from diffbin.engines.torch import TorchEngine
from diffbin.metrics.evaluate import Report, list_labelled, report, try_out
from diffbin.model.dbnet import DBNet
from diffbin.train import devices


def validate(network: DBNet, recipe: Recipe) -> Report:
    """The score on `recipe.data.validation`, whose pictures the processes share; all of them get the same report.

    The network is left in the mode it came in.
    """
    training = network.training
    detector = Detector(TorchEngine(network, recipe))
    pictures = list_labelled(recipe.data.validation, recipe.data.root)
    trials = devices.gather([try_out(detector, picture) for picture in devices.mine(pictures)])
    network.train(training)
    return report(trials, detector.decode.score_threshold)
