"""One self-contained file a recipe: what is trained, on what, how, and how it is used afterwards."""

import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from diffbin.config import Recipe
from diffbin.errors import ConfigError, DiffbinError
from diffbin.published import Published


def names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))  # also of a package in an archive


def describe(name: str) -> str:
    """The first line of what a recipe says about itself."""
    return (importlib.import_module(f"{__name__}.{name}").__doc__ or "").strip().partition("\n")[0]


def load(name: str) -> Recipe:
    """The recipe of this name, or of a Python file of one's own that defines `RECIPE` (the file is run)."""
    if name.endswith(".py"):
        module = run(Path(name))
    elif name in names():
        module = importlib.import_module(f"{__name__}.{name}")
    else:
        model = f"a model is trained further with --from {name}; " if name.startswith("diffbin-") else ""
        raise ConfigError(f"There is no recipe {name}; {model}give a .py file, or one of: {', '.join(names())}.")
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise ConfigError(f"{name} does not define RECIPE = Recipe(...).")
    return recipe


def published(name: str) -> Published | None:
    """What the authors of a recipe that comes with the package tell of it, where it is theirs."""
    found = getattr(importlib.import_module(f"{__name__}.{name}"), "PUBLISHED", None)
    return found if isinstance(found, Published) else None


def run(path: Path) -> ModuleType:
    """Runs a Python file of one's own, as it stands. Raises `ConfigError` where it is missing or fails."""
    file = path.resolve()
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise ConfigError(f"There is no Python file {path}.")
    module = importlib.util.module_from_spec(spec)
    folder, before = str(file.parent), set(sys.modules)
    sys.modules.setdefault(file.stem, module)  # where dataclasses look for it
    sys.path.insert(0, folder)  # as when Python runs it: it may import what lies beside it
    try:
        spec.loader.exec_module(module)
    except DiffbinError:
        raise
    except Exception as error:  # whatever a person's own code raises
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else "?"
        raise ConfigError(f"{path} fails in line {line}: {type(error).__name__}: {error}.") from error
    finally:
        with suppress(ValueError):  # it may have changed the list itself
            sys.path.remove(folder)
        for other in set(sys.modules) - before:  # another recipe may have one of that name beside it
            if str(getattr(sys.modules[other], "__file__", None) or "").startswith(folder + os.sep):
                del sys.modules[other]
    return module
