"""From a checkpoint to an ONNX file that carries its own settings, checked against the network before it is written."""

import json
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from diffbin import __version__, zoo
from diffbin.config import Recipe
from diffbin.engines import Runtime
from diffbin.engines.onnx import METADATA_KEY, OnnxEngine
from diffbin.engines.torch import folded
from diffbin.errors import ModelError
from diffbin.files import check_file, write_whole
from diffbin.model import checkpoints
from diffbin.model.dbnet import DBNet
from diffbin.model.prob_path import ProbPath
from diffbin.plain import to_dict

OPSET = 19  # the first with deformable convolution
SIZES = ((1, 64, 96), (2, 320, 320), (1, 160, 416))  # (n, h, w) on which both must agree
TOLERANCE = 1e-4  # largest difference of P
OF_SETTINGS = ("validation", "int8", "published")  # entries of a card whose figures hold for the settings of then
SLACK = 4  # times the rounding error of PyTorch itself, where a network magnifies that beyond the tolerance


def export(
    checkpoint: Path, out: Path, *, card: dict[str, str], recipe: Recipe | None = None, halve: bool = True
) -> float:
    """Writes `checkpoint` as an ONNX model with dynamic batch, height and width to `out`.

    The recipe (its `preprocess` and `decode` are what detection will use; `recipe` replaces the stored one) and the
    model card travel in the file. With `halve`, weights are stored in half precision and computed with in single; the
    network that is compared has the same rounded weights. Returns the largest difference found. Raises `ModelError` and
    writes nothing when ONNX Runtime and PyTorch differ on any of three sizes by more than 1e-4, and by more than
    rounding explains: untrained networks, above all deformable ones, magnify lost bits without limit.
    """
    stored, weights = checkpoints.read_weights(checkpoint)
    recipe = recipe or stored
    check_file(out, ".onnx")
    network = checkpoints.build(recipe, halved(weights) if halve else weights, source=str(checkpoint))
    graph = to_onnx(network)
    model = add_metadata(store_halved(graph) if halve else graph, recipe, card)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        partial = Path(folder) / "model.onnx"
        onnx.save(model, str(partial))
        difference, rounding = largest_differences(network, partial)
        if not difference <= max(TOLERANCE, SLACK * rounding):
            raise ModelError(
                f"{out} was not written: ONNX Runtime and PyTorch differ by {difference:.2g}, "
                f"more than {TOLERANCE:.0e} and more than rounding explains ({rounding:.2g})."
            )
        partial.replace(out)
    return difference


def with_settings(model: str, out: Path, recipe: Recipe, *, chosen: str) -> None:
    """Writes a model, by name or file, with the settings of `recipe` to `out`: a checkpoint is exported for it.

    `chosen` says how they were found; the card tells it, and that older figures are of other settings.
    """
    path = zoo.find(model)
    if path.suffix in zoo.CHECKPOINTS:
        export(path, out, card={**former(zoo.card_of(model)), "settings": chosen}, recipe=recipe)
        return
    graph = onnx.load(str(path))
    stored = json.loads(next(entry.value for entry in graph.metadata_props if entry.key == METADATA_KEY))
    content = {**stored, "recipe": to_dict(recipe), "card": {**former(stored["card"]), "settings": chosen}}
    onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps(content)})
    write_whole(out, graph.SerializeToString())


def former(card: dict[str, str]) -> dict[str, str]:
    """The card of a model whose settings are others now."""
    return {f"{name} at former settings" if name in OF_SETTINGS else name: text for name, text in card.items()}


def halved(weights: checkpoints.Weights) -> checkpoints.Weights:
    """The weights as they are after being stored in half precision."""
    return {name: w.half().float() if checkpoints.is_halved(w) else w for name, w in weights.items()}


def to_onnx(network: DBNet) -> onnx.ModelProto:
    """The probability path as a graph: `pictures` `(n, 3, h, w)` -> `prob` `(n, 1, map_h, map_w)`; n, h, w are free."""
    try:
        return trace(ProbPath(network))
    except torch.onnx.OnnxExporterError as error:  # of an operator in a backbone of one's own
        told = re.split(r"\s*(?:\[Caused|Please|\n)", str(error))[0]
        raise ModelError(f"PyTorch cannot write this network as ONNX: {told}") from error


def trace(path: nn.Module) -> onnx.ModelProto:
    """A module in evaluation mode as a graph; see `to_onnx`."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's talk to its own developers
        torch.onnx.export(
            path,
            (torch.zeros(2, 3, 64, 96),),
            str(Path(folder) / "model.onnx"),
            input_names=["pictures"],
            output_names=["prob"],
            opset_version=OPSET,
            dynamic_axes={"pictures": {0: "n", 2: "h", 3: "w"}, "prob": {0: "n", 2: "map_h", 3: "map_w"}},
            do_constant_folding=False,  # keeps BatchNorm apart, so that rounding acts on the weights; runtimes fold it
            dynamo=False,
            autograd_inlining=False,  # a function of ours becomes the operator that it names, not what it is made of
        )
        return onnx.load(str(Path(folder) / "model.onnx"))


def store_halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Large tensors that half precision holds exactly are stored in it, with a cast that runtimes do on loading."""
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < checkpoints.HALVED_FROM:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half, values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def add_metadata(
    model: onnx.ModelProto, recipe: Recipe, card: dict[str, str], *, precision: str = "fp32", **more: Any
) -> onnx.ModelProto:
    """Puts the settings, the card, and what is told besides, where `OnnxEngine` reads them."""
    content = {"version": __version__, "precision": precision, "recipe": to_dict(recipe), "card": card, **more}
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(content)})
    return model


@torch.inference_mode()
def largest_differences(network: DBNet, path: Path) -> tuple[float, float]:
    """Over `SIZES`, on fixed noise, of P by ONNX Runtime to P by PyTorch; and of PyTorch's rounding.

    The latter is told from a second run that sums in another order: with BatchNorm folded into the convolutions, as
    far as it may be, and with the channels last.
    """
    rng, written = np.random.default_rng(0), OnnxEngine(path, Runtime(device="cpu"))
    reference, reordered = ProbPath(network), folded(ProbPath(network)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    differences, rounding = [], []
    for n, height, width in SIZES:
        batch = rng.normal(size=(n, 3, height, width)).astype(np.float32)
        expected = reference(torch.from_numpy(batch)).numpy()
        try:
            differences.append(float(np.abs(written.run(batch) - expected).max()))
        except Exception as error:  # ONNX Runtime's own classes are not public
            raise ModelError(
                f"The exported network does not run at {height} x {width} ({type(error).__name__}); a size that its "
                "code takes as a number, by int(x.shape[2]) say, stays what it was in the export."
            ) from error
        rounding.append(float(np.abs(reordered(torch.from_numpy(batch)).numpy() - expected).max()))
    return float(np.max(differences)), float(np.max(rounding))  # not a number where one of them is none
