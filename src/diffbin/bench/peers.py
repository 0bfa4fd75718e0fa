"""Other detectors to compare with. Each is a library of its own, imported when it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnxruntime

from diffbin.errors import ConfigError, DependencyError
from diffbin.image import load

Size = tuple[int, int]


@dataclass(frozen=True)
class Peer:
    """A detector of others, ready."""

    by: str  # what computes it
    input: str  # the size that its network sees, as far as it can be told
    count: Callable[[Path], int]  # a picture's file -> number of regions


def open_peer(name: str, size: Size | None, threads: int) -> Peer:
    """The peer, for pictures fitted into `size`, `(h, w)`, or at its own size; on the CPU, 0 threads = one a core.

    Raises `ConfigError` for a name that is not in `PEERS` or a size that it does not take, `DependencyError` if it is
    not installed or its weights are out of reach.
    """
    if name not in PEERS:
        raise ConfigError(f"There is no peer {name}; known are: {', '.join(PEERS)}.")
    try:
        return PEERS[name](size, threads)
    except ModuleNotFoundError as error:
        raise DependencyError(f"The peer {name} needs {error.name}: pip install {name}.") from None
    except OSError as error:
        raise DependencyError(f"The peer {name} cannot get its weights: {error}.") from None


def _rapidocr(size: Size | None, threads: int) -> Peer:
    """Its detector alone, with the model that it comes with.

    It scales the short side up to `limit_side_len` and rounds both sides to multiples of 32; `max_side_len` bounds the
    long one before that. So it sees what we do of pictures whose sides are in proportion to `size`.
    """
    from rapidocr import RapidOCR

    params: dict[str, object] = {
        "Global.log_level": "critical",  # it warns of pictures without text
        "Global.use_cls": False,
        "Global.use_rec": False,
        "EngineConfig.onnxruntime.intra_op_num_threads": threads or -1,
    }
    if size:
        params |= {"Det.limit_type": "min", "Det.limit_side_len": min(size), "Global.max_side_len": max(size)}
    engine = RapidOCR(params=params)

    def count(path: Path) -> int:
        boxes = getattr(engine(str(path)), "boxes", None)
        return 0 if boxes is None else len(boxes)

    return Peer(_described("rapidocr", threads), f"short side {min(size)}" if size else "its own", count)


def _onnxtr(size: Size | None, threads: int) -> Peer:
    """Its lightest DBNet, for turned text as ours; it fetches the weights on first use."""
    from onnxtr.models import EngineConfig, detection_predictor

    if size:
        raise ConfigError("The networks of onnxtr take 1024 x 1024 pixels and no other size.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    predictor = detection_predictor(
        "db_mobilenet_v3_large", assume_straight_pages=False, engine_cfg=EngineConfig(session_options=options)
    )
    return Peer(_described("onnxtr", threads), "1024x1024", lambda path: len(predictor([load(path)])[0]))


def _described(package: str, threads: int) -> str:
    library = f"{package} {version(package)}, ONNX Runtime {onnxruntime.__version__}"
    return f"{library}, cpu, {f'{threads} threads' if threads else 'a thread a core'}"


PEERS: Mapping[str, Callable[[Size | None, int], Peer]] = {"rapidocr": _rapidocr, "onnxtr": _onnxtr}
