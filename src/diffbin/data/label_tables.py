"""Label files that serve a whole set: each is read once a process, and its pictures are found by the names it has."""

import os
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

from diffbin.data.instances import MALFORMED, Add, Instance, as_annotation
from diffbin.data.json_labels import COCO_FORM, MMOCR_FORM, PADDLEOCR_FORM, read_coco, read_mmocr, read_paddleocr
from diffbin.data.json_sets import (
    COCOTEXT_FORM,
    HIERTEXT_FORM,
    TEXTOCR_FORM,
    read_cocotext,
    read_hiertext,
    read_textocr,
)
from diffbin.data.labels import Annotation, Label
from diffbin.errors import InputError

Table = dict[str, Annotation]  # by the name of the picture

SETS: dict[str, tuple[Callable[[Path, Add], None], str]] = {  # by the name of the reader
    "paddleocr": (read_paddleocr, PADDLEOCR_FORM),
    "mmocr": (read_mmocr, MMOCR_FORM),
    "coco": (read_coco, COCO_FORM),
    "cocotext": (partial(read_cocotext, "train"), COCOTEXT_FORM),
    "cocotext_val": (partial(read_cocotext, "val"), COCOTEXT_FORM),
    "textocr": (read_textocr, TEXTOCR_FORM),
    "hiertext": (partial(read_hiertext, "word"), HIERTEXT_FORM),
    "hiertext_lines": (partial(read_hiertext, "line"), HIERTEXT_FORM),
}


@lru_cache(maxsize=4)
def _load(reader: str, path: Path, _state: tuple[int, int]) -> Table:
    read, form = SETS[reader]
    table: Table = {}

    def add(name: str, instances: Sequence[Instance]) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError
        if name in table:
            raise InputError(f"The label file {path} has the picture {name} twice; leave one of them.")
        try:
            table[name] = as_annotation(instances)
        except MALFORMED:
            raise InputError(f"{path}: what it has of {name} is not of the form {form}.") from None

    try:
        read(path, add)
    except MALFORMED:
        raise InputError(f"The label file {path} is not of the form {form}.") from None
    if not table:
        raise InputError(f"The label file {path} names no picture; its form is {form}.")
    return table


def table_of(reader: str, path: Path) -> Table:
    """The labels in a file that one of `SETS` reads, by the names of pictures in it. Raises `InputError`."""
    if not os.path.isfile(path):  # noqa: PTH113  # False where pathlib raises
        raise InputError(f"There is no label file {path}; of the format {reader} one file serves all pictures.")
    found = path.stat()
    return _load(reader, path, (found.st_mtime_ns, found.st_size))  # the clock of a file system is coarse


def read_entry(reader: str, label: Label | Path) -> Annotation:
    """One picture of such a file, by its name; the same object each time, not to be changed. Raises `InputError`."""
    path, name = label if isinstance(label, Label) else Label(label)
    try:
        return table_of(reader, path)[str(name)]
    except KeyError:
        raise InputError(f"{path} has changed and no longer has a label for {name}; start anew.") from None
