"""The commands `diffbin zoo ...`, `diffbin models` and `diffbin info`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from diffbin import recipes, zoo
from diffbin.config import Recipe
from diffbin.errors import DependencyError, ModelError
from diffbin.terminal import need_torch

app = typer.Typer(no_args_is_help=True, help="Published models: list, get, import.")
BASE_HELP = "Address below which the official files lie, for mirrors."


@app.command("list")
def list_rows() -> None:
    """List the published models, their published hmean, and which are installed."""
    rows = [(name, found) for name in recipes.names() if (found := recipes.published(name))]
    width = max(len(name) for name, _ in rows)
    installed = zoo.installed_names()
    print(f"{'name':{width}}  published hmean  state")
    for name, published in rows:
        state = "installed" if name in installed else "to get" if published.weights else "no weights published"
        print(f"{name:{width}}  {f'{published.hmean:.4f}' if published.hmean else '-':15}  {state}")
    own = [name for name in installed if name not in dict(rows)]
    print("".join(f"{name:{width}}  {'-':15}  installed\n" for name in own), end="")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="A row of `diffbin zoo list`.")],
    part: Annotated[
        Literal["weights", "start", "backbone"],
        typer.Option(help="weights: the model. start, backbone: what its training starts from; prints the file."),
    ] = "weights",
    base_url: Annotated[str, typer.Option(envvar="DIFFBIN_ZOO_URL", help=BASE_HELP)] = "",
) -> None:
    """Download a published model, check it, and install it: afterwards `--model NAME` works."""
    need_torch("Importing a checkpoint")
    from diffbin.zoo import install

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        path = install.get(
            name,
            part=part,
            base=base_url,
            progress=lambda done, total: bar.update(task, completed=done, total=total or None),
        )
    print(path if part != "weights" else f"Installed {path}; use it with: diffbin detect PICTURE --model {name}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An official checkpoint: .pth, or .onnx of PP-OCRv6's small detector.")],
    recipe: Annotated[str, typer.Option(help="Whose network it is; told from the file's name unless given.")] = "",
    name: Annotated[str, typer.Option(help="Install under this name; the recipe's unless given.")] = "",
) -> None:
    """Install a checkpoint of MMOCR, of the paper's repository or of PaddleOCR from disk."""
    need_torch("Importing a checkpoint")
    from diffbin.zoo import install

    path = install.import_file(file, recipe=recipe, name=name)
    print(f"Installed {path}; use it with: diffbin detect PICTURE --model {path.stem}")


def list_models() -> None:
    """List the models that come with the package, with their cards."""
    for name in zoo.MODELS:
        print(name)
        for key, text in zoo.load(name).card.items():
            print(f"    {key}: {text}")


def info(
    model: Annotated[str, typer.Argument(help="A name of `diffbin models` or `diffbin zoo list`, or a file.")],
) -> None:
    """Print a model's card, its settings (as --set takes them), and its layers."""
    from diffbin.overrides import to_assignments
    from diffbin.zoo.layers import layers

    path = zoo.find(model)
    engine = zoo.load(path)
    print(f"{model}: {path} ({path.stat().st_size / 1e6:.1f} MB)\n")
    for key, text in engine.card.items():
        print(f"{key}: {text}")
    print()
    for assignment in to_assignments(engine.recipe):
        print(assignment)
    print()
    try:
        found = layers(path)
    except DependencyError as error:
        print(f"diffbin: {error}", file=sys.stderr)
        return
    for layer in found:
        print(f"{layer.name:45} {layer.kind:20} {'x'.join(map(str, layer.shape)):16} {layer.parameters:>10,}")
    print(f"{len(found)} layers, {sum(layer.parameters for layer in found):,} stored values")
    _print_cost(engine.recipe)


def _print_cost(recipe: Recipe) -> None:
    from diffbin.image import Resize

    size = Resize.ordinary(recipe.preprocess).padded
    try:
        from diffbin.model.cost import cost
    except ModuleNotFoundError:  # the layers of an ONNX file can be listed without torch
        return
    try:
        parameters, multiply_adds = cost(recipe.model, size)
    except ModelError as error:  # its backbone is its maker's own
        print(f"diffbin: {error}", file=sys.stderr)
        return
    print(f"{parameters:,} parameters in training; {multiply_adds / 1e9:.1f} GMAC for a picture of 1280 x 720, "
          f"which goes in as {size[1]} x {size[0]}")  # fmt: skip
