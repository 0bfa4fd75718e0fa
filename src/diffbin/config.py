"""Every setting of the project as frozen dataclasses; `plain` turns them into dictionaries and back.

The defaults are those of DBNet as published (arXiv 1911.08947) and as MMOCR 1.0 runs it. Suffixes give units:
`_px` pixels, `_ratio` a share, `_deg` degrees. Sizes are `(h, w)`, points `(x, y)`, colours RGB.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from diffbin.errors import ConfigError

RANGES: dict[str, Callable[[float], bool]] = {
    "above 0": lambda value: 0 < value < math.inf,
    "0 or more": lambda value: 0 <= value < math.inf,
    "from 0 to 1": lambda value: 0 <= value <= 1,
    "from 0 to 1024": lambda value: 0 <= value <= 1024,
    "from 0 to below 1": lambda value: 0 <= value < 1,
    "that 4 divides": lambda value: 0 < value < math.inf and value % 4 == 0,
    "that 32 divides": lambda value: 0 < value < math.inf and value % 32 == 0,
}
BUILT_IN = (  # backbones
    "efficientnet_lite0", "efficientnet_lite0_fused", "efficientnet_lite0_slim", "lcnetv4",
    "resnet18", "resnet18_dcnv2", "resnet18_half", "resnet50", "resnet50_dcnv2", "resnet50_oclip")  # fmt: skip


def check_range(range_: str, config: object, names: Sequence[str]) -> None:
    """Raises `ConfigError` unless these settings are numbers in a range of `RANGES`, or tuples of such."""
    for name in names:
        value = getattr(config, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(number, int | float) and RANGES[range_](number) for number in numbers):
            raise ConfigError(f"{type(config).__name__.lower()}.{name} is {value!r}; it must be a number {range_}.")


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """From a picture to the network's input: resize, normalise, pad to the right and bottom."""

    long_px: int = 1333  # the long side is at most this ...
    short_px: int = 736  # ... and the short side at most this; small pictures are scaled up
    max_ratio: float = 0.0  # by which a small picture is enlarged at most; 0 = any
    multiple_px: int = 32  # both sides are padded to a multiple, after normalisation, with zeros
    mean_rgb: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std_rgb: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        check_range("above 0", self, ("long_px", "short_px", "std_rgb"))
        check_range("that 32 divides", self, ("multiple_px",))
        check_range("0 or more", self, ("max_ratio",))

    def resized(self, short_px: int) -> "Preprocess":
        """The same shape of input, smaller or larger; a larger one enlarges small pictures more."""
        times = short_px / self.short_px
        long_px, most = round(self.long_px * times), self.max_ratio * max(times, 1.0)
        return replace(self, short_px=short_px, long_px=long_px, max_ratio=most)


@dataclass(frozen=True, kw_only=True)
class Decode:
    """From the probability map to regions. The only home of these thresholds."""

    shape: Literal["quad", "polygon"] = "quad"
    reading: Literal["ltr", "rtl", "vertical-rl"] = "ltr"  # how lines run, and so what follows what in an answer
    mask_threshold: float = 0.3  # strictly above counts as text
    score_threshold: float = 0.3  # mean probability inside a region
    unclip_ratio: float = 1.5  # r' of D' = A' r' / L'
    rim_px: float = 0.0  # added to D': contours run through the centres of the map's pixels, 0.5 inside their edge
    min_width_px: float = 5.0  # shorter side of a quad on the map
    upright_px: float = 0.0  # nearly square quads of blobs not as long on the map are set upright; 0 = none
    epsilon_ratio: float = 0.01  # contour simplification, as a share of the perimeter; 0.002 keeps long thin lines
    max_candidates: int = 3000  # contours looked at, and one more, as by the reference

    def __post_init__(self) -> None:
        check_range("from 0 to 1", self, ("mask_threshold", "score_threshold", "epsilon_ratio"))
        check_range("from 0 to 1024", self, ("unclip_ratio", "rim_px"))
        check_range("0 or more", self, ("min_width_px", "upright_px", "max_candidates"))
        for name, known in (("shape", ("quad", "polygon")), ("reading", ("ltr", "rtl", "vertical-rl"))):
            if getattr(self, name) not in known:
                raise ConfigError(f"decode.{name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}.")


@dataclass(frozen=True, kw_only=True)
class Model:
    """The network: a backbone, the feature pyramid, the head."""

    backbone: str = "resnet18"  # one of BUILT_IN, or own:NAME, see `model/backbones`
    neck: Literal["fpnc", "replkfpn"] = "fpnc"  # replkfpn is that of PP-OCRv6
    lateral_channels: int = 256  # of the pyramid's top-down path
    smooth_channels: int = 64  # of each level before concatenation; the head works in as many
    scale_fusion: bool = False  # weighs the levels place by place: DBNet++
    map_stride: Literal[1, 2] = 1  # pixels of the input for one of P, along a side; training sees stride 1

    def __post_init__(self) -> None:
        check_range("above 0", self, ("lateral_channels", "smooth_channels"))
        if self.backbone not in BUILT_IN and not str(self.backbone).startswith("own:"):
            raise ConfigError(f"model.backbone is {self.backbone!r}; it is own:NAME, or one of {', '.join(BUILT_IN)}.")
        if self.neck not in ("fpnc", "replkfpn"):
            raise ConfigError(f"model.neck is {self.neck!r}; it must be one of fpnc, replkfpn.")


@dataclass(frozen=True, kw_only=True)
class Targets:
    """From polygons to the label maps."""

    shrink_ratio: float = 0.4  # r of D = A (1 - r^2) / L
    threshold_min: float = 0.3
    threshold_max: float = 0.7
    min_side_px: float = 8.0  # smaller regions are ignored

    def __post_init__(self) -> None:
        check_range("from 0 to 1", self, ("threshold_min", "threshold_max"))
        check_range("from 0 to below 1", self, ("shrink_ratio",))
        check_range("0 or more", self, ("min_side_px",))
        if self.threshold_min >= self.threshold_max:
            raise ConfigError(f"targets.threshold_min is {self.threshold_min}; threshold_max must be above it.")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """L = prob_weight * BCE(P) + threshold_weight * L1(T) + binary_weight * Dice(B) + distill_weight * BCE'(P)."""

    prob_weight: float = 5.0
    threshold_weight: float = 10.0
    binary_weight: float = 1.0
    distill_weight: float = 0.0  # of the cross entropy with the P of `train.teacher`
    negative_ratio: float = 3.0  # hard negatives for each positive pixel
    k: float = 50.0  # steepness of B = 1 / (1 + exp(-k (P - T)))

    def __post_init__(self) -> None:
        check_range("0 or more", self, tuple(vars(self)))
        check_range("above 0", self, ("k",))


@dataclass(frozen=True, kw_only=True)
class Augment:
    """From an annotated picture to a training crop, in one warp.

    `crop="text"` is the reference's: a window whose edges cut no word, scaled to the crop. `crop="scale"` draws the
    scale instead and cuts a window of fixed size, so that the network sees text at the sizes it will meet.
    """

    crop_px: int = 640  # side; the network's maps have it only where 4 divides it
    crop_px_min: int = 0  # each step draws its crops' side from the multiples of 32 from here to crop_px; 0 = crop_px
    crop: Literal["text", "scale"] = "text"
    flip_p: float = 0.5
    rotate_deg: float = 10.0
    quarter_p: float = 0.0  # chance of a quarter turn besides, to either side: words that run up or down
    scale_min: float = 0.5
    scale_max: float = 3.0
    min_side_ratio: float = 0.1  # smallest window of crop="text", as a share of the picture
    brightness_delta: float = 32 / 255
    saturation_delta: float = 0.5
    contrast_delta: float = 0.0
    blur_p: float = 0.0  # chance of a slight blur
    motion_p: float = 0.0  # chance of the blur of a hand that moves
    noise_p: float = 0.0  # chance of noise
    paste_p: float = 0.0  # chance that words of another picture of the source are pasted into the crop
    paste_max: int = 3  # of them

    def __post_init__(self) -> None:
        check_range("that 4 divides", self, ("crop_px",))
        check_range("above 0", self, ("scale_min", "scale_max", "min_side_ratio", "paste_max"))
        check_range("0 or more", self, ("rotate_deg", "brightness_delta", "saturation_delta", "contrast_delta"))
        check_range("from 0 to 1", self, ("flip_p", "quarter_p", "blur_p", "motion_p", "noise_p", "paste_p"))
        check_range("from 0 to 1", self, ("min_side_ratio",))
        if self.crop_px_min % 32 or not 0 <= self.crop_px_min <= self.crop_px:
            raise ConfigError(f"augment.crop_px_min is {self.crop_px_min}; it is 0 to crop_px, and 32 divides it.")
        if self.scale_min > self.scale_max:
            raise ConfigError(f"augment.scale_min is {self.scale_min}; scale_max must be no less.")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One set of annotated pictures."""

    format: Literal[
        "icdar", "icdar2013", "mlt", "td500", "totaltext", "ctw1500", "synthtext", "cocotext", "cocotext_val",
        "textocr", "hiertext", "labelme", "paddleocr", "mmocr", "coco", "shards", "synth",
    ] = "icdar"  # fmt: skip
    images: str = ""  # folder below `data.root`: pictures, shards, or backgrounds for "synth" ("" = procedural ones)
    labels: str = ""  # folder or file below `data.root`; shards hold their own
    part: str = ""  # slice in natural name order, "0:900" or "9::10"; a leading "!" takes all others
    weight: float = 1.0  # share of the samples drawn, relative to the other sources
    unit: Literal["word", "line"] = "word"  # of its labels; "hiertext", "synth" give either, "td500", "ctw1500" lines
    labels_as: Literal["", "word", "line"] = ""  # "line" joins words, see `data/lines`; "" takes the labels as they are
    min_side_px: float = 0.0  # regions narrower than this in the whole picture are ignored
    skip_unlabelled: bool = False  # leaves out, before `part` counts, pictures without a label file, else an error
    picture_weights: str = ""  # CSV file below `data.root`, see `diffbin eval --hard`: how often each picture is drawn

    def __post_init__(self) -> None:
        if self.format == "synth" and (self.min_side_px or self.skip_unlabelled or self.picture_weights):
            raise ConfigError('min_side_px, skip_unlabelled and picture_weights are not for sources of format "synth".')
        if self.format == "shards" and self.picture_weights:
            raise ConfigError("picture_weights are for pictures in folders; shards keep no list of their names.")
        if self.labels_as == "word" and self.stored_unit == "line":
            raise ConfigError(f"Lines of {self.images or self.format} are not parted into words; leave labels_as out.")

    @property
    def stored_unit(self) -> Literal["word", "line"]:
        """What one label stands for before `labels_as`."""
        return "line" if self.format in ("td500", "ctw1500") else self.unit


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is trained and validated on."""

    root: str = "data"
    train: tuple[Source, ...] = ()
    validation: tuple[Source, ...] = ()
    batch_size: int = 16  # samples of a step, on all devices together
    workers: int = 4  # loader processes a device; 0 loads in the training process

    def __post_init__(self) -> None:
        check_range("above 0", self, ("batch_size",))
        check_range("0 or more", self, ("workers",))


@dataclass(frozen=True, kw_only=True)
class Optim:
    """Optimiser and learning-rate schedule."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.007
    momentum: float = 0.9  # of sgd
    weight_decay: float = 1e-4
    schedule: Literal["poly", "cosine"] = "poly"
    power: float = 0.9  # of poly
    min_lr: float = 1e-7
    warmup_ratio: float = 0.0  # share of the run spent in linear warm-up
    per: Literal["epoch", "step"] = "epoch"  # when the rate changes
    clip_norm: float = 0.0  # 0 = gradients are not clipped
    layer_decay: float = 1.0  # rate of each backbone stage as a share of the next one's, head to stem; 1 = one rate
    trainable_layers: Literal[0, 1, 2, 3, 4, 5] = 5  # how many of the backbone's stem and four stages learn, the last

    def __post_init__(self) -> None:
        check_range("above 0", self, ("lr", "layer_decay"))
        check_range("0 or more", self, ("weight_decay", "power", "min_lr", "clip_norm"))
        check_range("from 0 to 1", self, ("momentum", "warmup_ratio", "layer_decay"))


@dataclass(frozen=True, kw_only=True)
class Train:
    """The run. Exactly one of `epochs` and `steps` is positive."""

    epochs: int = 0
    steps: int = 0
    epoch_samples: int = 0  # samples that count as an epoch; 0 = the size of the training set
    eval_every_steps: int = 0  # 0 = only at the end
    save_every_steps: int = 1000
    precision: Literal["32", "bf16", "64"] = "bf16"  # "64" tells rounding from error when runs are compared
    ema_decay: float = 0.0  # 0 = no moving average of the weights
    frozen_norm: bool = False  # the backbone's BatchNorm keeps its running statistics
    sync_norm: bool = False  # BatchNorm sees the batch of all devices
    accumulate: int = 1  # parts that a step is computed in, one after another; the loss is the mean of theirs
    teacher: str = ""  # a model to learn from besides the labels: a name or a file, as of --weights
    max_bad_steps: int = 10  # of 100 in a row that may be skipped, their loss or gradient not finite; one more stops
    preflight: bool = True  # before the first step: does the loss of one batch fall, and what will the run take
    patience_evals: int = 0  # the run ends after so many validations without a better hmean; 0 = never
    loggers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)  # besides log.csv
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("epochs", "steps", "epoch_samples", "eval_every_steps", "save_every_steps", "max_bad_steps")
        check_range("0 or more", self, (*counts, "patience_evals", "seed"))
        check_range("above 0", self, ("accumulate",))
        check_range("from 0 to 1", self, ("ema_decay",))
        if (self.epochs > 0) == (self.steps > 0):
            raise ConfigError("Set exactly one of train.epochs and train.steps to a positive number.")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that is needed to train a model and to use it afterwards; stored in every checkpoint and exported model."""

    name: str
    model: Model = field(default_factory=Model)
    preprocess: Preprocess = field(default_factory=Preprocess)
    decode: Decode = field(default_factory=Decode)
    targets: Targets = field(default_factory=Targets)
    loss: Loss = field(default_factory=Loss)
    augment: Augment = field(default_factory=Augment)
    data: Data = field(default_factory=Data)
    optim: Optim = field(default_factory=Optim)
    train: Train = field(default_factory=lambda: Train(epochs=1200))

    def __post_init__(self) -> None:
        if self.train.patience_evals and not (self.data.validation and self.train.eval_every_steps):
            raise ConfigError("train.patience_evals needs data.validation, and train.eval_every_steps above 0.")
        if bool(self.train.teacher) != (self.loss.distill_weight > 0):
            given = f'train.teacher is "{self.train.teacher}" and loss.distill_weight is {self.loss.distill_weight}'
            raise ConfigError(f"{given}; set both, or neither.")
