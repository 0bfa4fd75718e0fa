"""HEIC, the format of many telephones, by the package pillow-heif."""

import re
from importlib.util import find_spec

from diffbin.errors import PackageError

BEGINS = re.compile(rb".{4}ftyp(?:.{4}){0,9}?(?:heic|heix|heim|heis)", re.DOTALL)  # brands of ISO 23008-12
SUFFIXES = frozenset({".heic", ".heif"} if find_spec("pillow_heif") else ())  # sought in folders


def formats(name: str) -> tuple[str, ...]:
    """What Pillow, once the package is loaded, calls it. Raises `PackageError` where it is not installed."""
    if not find_spec("pillow_heif"):
        raise PackageError(f"{name} is HEIC, which takes a package: pip install '.[heic]'; or convert it first.")
    import pillow_heif

    pillow_heif.register_heif_opener()
    return ("HEIF",)
