"""From an official checkpoint to an installed model: our own weights and ONNX, both in the cache folder."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from diffbin import recipes, zoo
from diffbin.config import Recipe
from diffbin.data.synth import Renderer, Synth
from diffbin.engines import Runtime
from diffbin.engines.onnx import OnnxEngine
from diffbin.errors import ConfigError, ModelError
from diffbin.export import export
from diffbin.files import check_file
from diffbin.image import Resize
from diffbin.model import checkpoints, official, paddle
from diffbin.published import Published
from diffbin.zoo.download import Progress, check_digest, download

BASE = "https://download.openmmlab.com/mmocr/"
RENDERED = 4  # pictures, for the statistics of a network that comes without


def get(name: str, *, part: str = "weights", base: str = "", progress: Progress = lambda *_: None) -> Path:
    """Downloads what is published for a row, and installs it if it is the row's own weights.

    Returns the installed ONNX file, or for `part` "start" and "backbone" the downloaded checkpoint to train from.
    `base` is the address that it lies below, of a mirror instead of the publisher.
    Raises `ConfigError` for an unknown row, `ModelError` if nothing is published, if it cannot be fetched or read, and
    where another file is installed under the row's name.
    """
    published = recipes.published(name) if name in recipes.names() else None
    if published is None:
        raise ConfigError(f"{name} is not a row of the zoo; `diffbin zoo list` has them.")
    path = {"weights": published.weights, "start": published.start, "backbone": published.backbone}[part]
    if not path:
        raise ModelError(f"No {part} are published for {name}; train it: diffbin train {name}.")
    if part == "weights" and name in zoo.installed_names():
        return _published(zoo.installed(name), Path(path), name)
    url = f"{(base or published.base or BASE).rstrip('/')}/{path}"
    digest = published.digest if part == "weights" else ""
    file = download(url, zoo.cache() / "downloads", digest=digest, progress=progress)
    return install(file, recipes.load(name)) if part == "weights" else file


def import_file(path: Path, *, recipe: str = "", name: str = "") -> Path:
    """Installs an official checkpoint from disk under `name` (the recipe's unless given); returns the ONNX file.

    Without `recipe`, the name of the file tells which it is of. A file with the name of a published one must be that
    one, by the digest in it. Raises `ConfigError`, `ModelError`.
    """
    chosen = recipes.load(recipe or recipe_of(path))
    if path.is_file() and path.name in (digests := _published_digests()):
        check_digest(path, digests[path.name])
    return install(path, chosen, name=name)


def _published_digests() -> dict[str, str]:
    """By the name of the file; "" where the name ends with it."""
    rows = (recipes.published(name) for name in recipes.names())
    return {Path(row.weights).name: row.digest for row in rows if row and row.weights}


def recipe_of(path: Path) -> str:
    """The row whose official file has this name. Raises `ConfigError` if there is none."""
    stem = re.sub(r"(_\d{8}_\d{6})?(-[0-9a-f]{8,})?$", "", path.stem)
    for name in recipes.names():
        published = recipes.published(name)
        if name == stem or (published and Path(published.weights).name == path.name):
            return name
    raise ConfigError(f"The name of {path} does not tell which network it is of; say so with --recipe, one of "
                      f"`diffbin recipes`.")  # fmt: skip


def install(path: Path, recipe: Recipe, *, name: str = "") -> Path:
    """Reads official weights strictly, and writes `NAME.safetensors` and `NAME.onnx`, in single precision.

    Returns the latter. Where they are refused, what was installed under the name stays. Raises `ConfigError`,
    `ModelError`, and `InputError` where the cache folder cannot be written to.
    """
    name = name or recipe.name
    if not re.fullmatch(r"[\w.+-]+", name) or name in zoo.MODELS:
        raise ConfigError(
            f"A model cannot be installed as {name!r}: use letters, digits, and . _ + -, and no own name."
        )
    weights, recipe = _read(path, replace(recipe, name=name))
    checkpoints.build(recipe, weights, source=str(path))
    native = zoo.cache() / f"{name}.safetensors"
    check_file(native)
    with tempfile.TemporaryDirectory(dir=zoo.cache()) as folder:
        unchecked = Path(folder) / native.name
        checkpoints.write_weights(unchecked, recipe, weights, halve=False)
        export(unchecked, zoo.installed(name), card=_card(path, name), halve=False)  # puts it in place once it agrees
        unchecked.replace(native)
    return zoo.installed(name)


def _read(path: Path, recipe: Recipe) -> tuple[checkpoints.Weights, Recipe]:
    if path.suffix != ".onnx":
        return official.to_native(official.read(path), recipe)
    renderer = Renderer(Synth())
    pictures = [renderer.render(seed).picture for seed in range(RENDERED)]
    resize = Resize.fit((pictures[0].shape[0], pictures[0].shape[1]), recipe.preprocess)
    inputs = [torch.from_numpy(resize.apply(picture, recipe.preprocess)) for picture in pictures]
    return paddle.weights(path, recipe, inputs), recipe


def _published(there: Path, weights: Path, name: str) -> Path:
    """What is installed, where it is of the published file."""
    of = OnnxEngine(there, Runtime(device="cpu")).card.get("summary", "")
    if of != _card(weights, name)["summary"]:
        raise ModelError(f"{there} is another file ({of}), not {weights.name}; remove it to get what is published.")
    return there


def _card(path: Path, name: str) -> dict[str, str]:
    card = {"summary": f"imported from {path.name}"}
    published: Published | None = recipes.published(name) if name in recipes.names() else None
    if published and published.hmean and Path(published.weights).name == path.name:
        card["published"] = (
            f"precision {published.precision}, recall {published.recall}, hmean {published.hmean}, best over score "
            f"thresholds, as {published.source} tells; not measured here"
        )
    return card
