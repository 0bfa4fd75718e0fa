"""Exported models through OpenVINO: the fastest engine on x86 CPUs, for the extra `diffbin[openvino]`."""

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbin.engines import Runtime
from diffbin.engines.onnx import METADATA_KEY, choose_precision, read_metadata
from diffbin.errors import ConfigError, DependencyError, ModelError

# By this package OpenVINO tells its maker of each process that imports it. It raises for a user without a home folder,
# and sends by a process of its own, which on macOS begins the caller's program once more. OpenVINO does without it.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as Python marks what is not there

import openvino  # noqa: E402
import openvino.opset13 as operators  # noqa: E402

# Both at import, which one thread does. A core, once it computes, gives signals a stack of its own, and as it ends puts
# back the one before: of two that end in the order they were made in, the second puts back what is gone with the first,
# and the next signal, Ctrl-C or the end of a child, kills the process. So there is one core, and it stays. The first
# look at a type makes a table, and two threads that make it at once wait for each other for ever.
CORE = openvino.Core()
openvino.Type.f32.to_dtype()

IR_VERSION = b"\x08"  # the tag of the first field of an ONNX file
# What `layout` writes: what its pad puts behind n, c, h and w, and its chains, from their ends.
FOURTH_CHANNEL = [0, 1, 0, 0]
SHUFFLED = ("Transpose", "Reshape", "Transpose", "Reshape", "Transpose")
COPIED = ("Transpose", "Reshape", "Concat", "Concat", "Reshape", "Transpose")


class OpenVinoEngine:
    """A model exported by `diffbin export`, on the CPU.

    Raises `ModelError` for a file that cannot be used, one with deformable convolution among them, which OpenVINO does
    not know; `ConfigError` for a precision, `DependencyError` for a device that is not there.
    """

    def __init__(self, path: Path, runtime: Runtime = Runtime()) -> None:  # noqa: B008  # frozen
        if not path.is_file():
            raise ModelError(f"There is no model {path}.")
        if runtime.device not in ("auto", "cpu"):
            raise DependencyError(
                f"OpenVINO runs on the CPU here, not on {runtime.device}; take --engine onnx or torch."
            )
        model = _read(path)
        self.recipe, self.card, stored = read_metadata(_metadata(model), path)
        self.precision = choose_precision(runtime.precision, stored, path, others=("bf16",))
        if stored == "int8":
            _take_back_layout(model)
        if self.precision == "bf16" and "BF16" not in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ConfigError("This CPU does not compute in bf16; leave --precision out.")
        self._compiled = _compile(model, self.precision, runtime.threads)
        self._path, self._runtime = path.absolute(), runtime
        self._idle: list[Any] = []  # requests; each runs one batch at a time, and outlives the thread that made it
        self._lock = threading.Lock()  # of `_idle`, and of making requests

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.run`."""
        with self._lock:
            request = self._idle.pop() if self._idle else self._compiled.create_infer_request()
        try:
            request.infer([batch], share_inputs=True)
            prob: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
            return prob
        finally:
            with self._lock:
                self._idle.append(request)

    def __reduce__(self) -> tuple[type["OpenVinoEngine"], tuple[Path, Runtime]]:
        """For another process, which reads the file itself."""
        return OpenVinoEngine, (self._path, self._runtime)

    def describe(self) -> str:
        """See `Engine.describe`."""
        threads = f"{self._runtime.threads} threads" if self._runtime.threads else "a thread a core"
        return f"OpenVINO {openvino.__version__.partition('-')[0]}, cpu, {self.precision}, {threads}"


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        if file.read(1) != IR_VERSION:  # OpenVINO would ask its readers of other formats, who complain at length
            raise ModelError(f"{path} is not an ONNX model.")
    try:
        return CORE.read_model(path)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelError(f"OpenVINO cannot run {path} ({reason}); take --engine onnx.") from None


def _take_back_layout(model: Any) -> None:
    """Undoes, in place, what `layout` does for ONNX Runtime, and what OpenVINO does faster by operators of its own."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Pad":
            _drop_fourth_channel(node)
        elif start := _start_of(node, SHUFFLED):
            node.output(0).replace(operators.depth_to_space(start[-1], "blocks_first", 2).output(0))
        elif start := _start_of(node, COPIED):
            times = np.full(2, start[2].get_node().get_input_size(), np.float32)
            rule = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            new = operators.interpolate(start[-1], times, "nearest", "scales", axes=np.array([2, 3]), **rule)
            node.output(0).replace(new.output(0))
    model.validate_nodes_and_infer_types()


def _drop_fourth_channel(pad: Any) -> None:
    """Takes the fourth channel from pictures and from the kernels that multiply it by zero; other pads stay."""
    behind = pad.input_value(2).get_node()
    if behind.get_type_name() != "Constant" or behind.data.tolist() != FOURTH_CHANNEL:
        return
    node = pad
    while node.get_type_name() != "Convolution":
        node = next(iter(node.output(0).get_target_inputs())).get_node()
    kernel = node.input_value(1).get_node()
    while kernel.get_type_name() != "Constant":
        kernel = kernel.input_value(0).get_node()
    kernel.output(0).replace(operators.constant(kernel.data[:, :3].copy()).output(0))
    pad.output(0).replace(pad.input_value(0))


def _start_of(last: Any, kinds: tuple[str, ...]) -> list[Any]:
    """What each operator of such a chain reads, from the last one back; empty where it is another."""
    read: list[Any] = []
    for kind in kinds:
        node = read[-1].get_node() if read else last
        if node.get_type_name() != kind:
            return []
        read.append(node.input_value(0))
    return read


def _metadata(model: Any) -> dict[str, str]:
    """What the ONNX file says of itself."""
    place = ["framework", METADATA_KEY]
    return {METADATA_KEY: model.get_rt_info(place).astype(str)} if model.has_rt_info(place) else {}


def _compile(model: Any, precision: str, threads: int) -> Any:
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
    }
    return CORE.compile_model(model, "CPU", settings)
