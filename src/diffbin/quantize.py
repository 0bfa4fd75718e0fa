"""From a checkpoint to an ONNX file of eight-bit integers, kept only where it is as good and faster."""

import logging
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from diffbin.config import Preprocess, Recipe, Source
from diffbin.detector import Detector
from diffbin.engines import Runtime
from diffbin.engines.onnx import OnnxEngine
from diffbin.errors import InputError, ModelError
from diffbin.export import add_metadata, to_onnx
from diffbin.files import check_file, write_whole
from diffbin.image import SUFFIXES, Resize, load
from diffbin.layout import lay_out
from diffbin.metrics.evaluate import evaluate
from diffbin.model import checkpoints

LARGEST_LOSS = 0.005  # of hmean
PICTURES = 64  # to calibrate on; more change the ranges hardly
TURNS = 9  # of timing
EIGHT_BITS = {"axis": 0, "quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": False}  # an output channel


@dataclass(frozen=True)
class Report:
    """What eight bits cost and bring, both by ONNX Runtime on this machine."""

    pictures: int  # scored
    hmean_fp32: float  # at the model's own thresholds
    hmean_int8: float
    ms_fp32: float  # of the network alone, median by turns
    ms_int8: float
    calibrated_on: int  # pictures

    @property
    def sentence(self) -> str:
        """For people, and for the model card."""
        return (
            f"hmean {self.hmean_int8:.4f} instead of {self.hmean_fp32:.4f} on {self.pictures} pictures, "
            f"{self.ms_int8:.0f} ms instead of {self.ms_fp32:.0f}; calibrated on {self.calibrated_on} pictures"
        )


def export_int8(
    checkpoint: Path,
    out: Path,
    *,
    card: dict[str, str],
    calibration: Path,
    judge: Source,
    recipe: Recipe | None = None,
) -> Report:
    """Writes `checkpoint` with int8 weights and uint8 activations to `out`; the report goes into its metadata.

    Ranges of activations are taken from pictures of the folder `calibration`. Weights use seven of the eight bits, so
    that CPUs whose integer sums saturate answer the same as the others; those of depthwise convolutions, where no two
    products are summed in sixteen bits and the last bit counts, all eight. Raises `ModelError` and writes nothing when
    the result loses more than 0.005 hmean on `judge`, or is not faster; `InputError` for folders without pictures.
    """
    stored, weights = checkpoints.read_weights(checkpoint)
    recipe = recipe or stored
    pictures = _pictures(calibration)
    check_file(out, ".onnx")
    network = checkpoints.build(recipe, weights, source=str(checkpoint))
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(add_metadata(to_onnx(network), recipe, card), str(plain))
        _quantize(plain, small, pictures, recipe.preprocess)
        model = add_metadata(lay_out(onnx.load(str(small))), recipe, card, precision="int8")
        onnx.save(model, str(small))
        report = replace(_compare(plain, small, judge, pictures[0]), calibrated_on=len(pictures))
    _check(report, out)
    told = {**card, "int8": report.sentence}
    final = add_metadata(model, recipe, told, precision="int8", quantization=asdict(report))
    write_whole(out, final.SerializeToString())
    return report


def _pictures(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise InputError(f"There is no picture to calibrate on in {folder}.")
    return [found[i] for i in np.linspace(0, len(found) - 1, min(len(found), PICTURES), dtype=int)]


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # untyped
    """The network's input for each picture, one after the other."""

    def __init__(self, pictures: Sequence[Path], config: Preprocess) -> None:
        self._batches = (_batch(path, config) for path in pictures)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"pictures": batch}


def _batch(path: Path, config: Preprocess) -> NDArray[np.float32]:
    picture = load(path)
    return Resize.fit((picture.shape[0], picture.shape[1]), config).apply(picture, config)


def _quantize(source: Path, target: Path, pictures: Sequence[Path], config: Preprocess) -> None:
    folded = source.with_name("folded.onnx")
    with _silence():
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded),
            str(target),
            _Batches(pictures, config),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            extra_options={"TensorQuantOverrides": {name: [EIGHT_BITS] for name in _depthwise(onnx.load(str(folded)))}},
        )


def _depthwise(model: onnx.ModelProto) -> list[str]:
    """Names of the kernels of depthwise convolutions."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.input[1] for node in convolutions if any(a.name == "group" and a.i > 1 for a in node.attribute)]


@contextmanager
def _silence() -> Iterator[None]:
    """Without the quantiser's talk on the root logger."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _compare(plain: Path, small: Path, judge: Source, picture: Path) -> Report:
    engines = [OnnxEngine(path, Runtime(device="cpu")) for path in (plain, small)]  # what eight bits are for
    reports = [evaluate(Detector(engine, tile="off"), [judge], "") for engine in engines]
    batch = _batch(picture, engines[0].recipe.preprocess)
    seconds: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for engine, times in zip(engines, seconds, strict=True):
            start = time.perf_counter()
            engine.run(batch)
            times.append(time.perf_counter() - start)
    ms = [1000 * statistics.median(times) for times in seconds]
    hmeans = [report.fixed.hmean if report.fixed.hits else 0.0 for report in reports]  # of a set without text it is 1
    return Report(reports[0].pictures, hmeans[0], hmeans[1], ms[0], ms[1], calibrated_on=0)


def _check(report: Report, out: Path) -> None:
    if not report.hmean_fp32:
        raise ModelError(
            f"{out} was not written: the model finds nothing that is labelled: there is nothing to compare."
        )
    if report.hmean_fp32 - report.hmean_int8 > LARGEST_LOSS:
        raise ModelError(f"{out} was not written: it would lose more than {LARGEST_LOSS} hmean ({report.sentence}).")
    if report.ms_int8 >= report.ms_fp32:
        raise ModelError(f"{out} was not written: it would not be faster on this machine ({report.sentence}).")
