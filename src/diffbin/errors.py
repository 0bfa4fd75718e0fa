"""The exception tree. Every error that a user can cause is one of these, with a sentence that names the way out.

DiffbinError
├── InputError        a picture, label file or folder cannot be used
│   ├── LimitError    it is larger than the limits allow (pixels, bytes)
│   └── PackageError  it may be whole, but reading it takes a package that is not installed
├── ModelError        a model or checkpoint is missing, damaged or of another architecture
├── ConfigError       a recipe, option or override is wrong
├── DependencyError   a library is missing, or does not work here
│   └── DeviceError   a GPU is there, but the library that computes on it does not start
├── OutputError       answers cannot be printed, the disk behind the output being full say
└── TrainingError     training cannot go on (non-finite loss, no text in the data)

DiffbinWarning        told and gone on with; the command line prints its text
├── SmallTextWarning  a picture is shrunk so much that its text is lost
├── EngineWarning     an engine answers as it should, but slower than it could
└── TrainingWarning   a run goes on, but something about it should be known
"""

import re
import sys
import warnings

OF_MEMORY = re.compile("allocate memory|bad_alloc|insufficient memory|out of memory", re.IGNORECASE)
PACKAGE = __name__.rpartition(".")[0] + "."


class DiffbinError(Exception):
    """Base of all errors raised on purpose; the command line prints its text and exits with code 2."""


class InputError(DiffbinError):
    """A picture, label file or folder cannot be used."""


class LimitError(InputError):
    """The input is larger than the limits allow."""


class PackageError(InputError):
    """The input may be whole, but reading it takes a package that is not installed."""


class ModelError(DiffbinError):
    """A model or checkpoint is missing, damaged or of another architecture."""


class ConfigError(DiffbinError):
    """A recipe, option or override is wrong."""


class DependencyError(DiffbinError):
    """A library is missing, or does not work here."""


class DeviceError(DependencyError):
    """A GPU is there, with its driver, but the library that computes on it does not start."""


class OutputError(DiffbinError):
    """Answers cannot be printed."""


class TrainingError(DiffbinError):
    """Training cannot go on."""


class DiffbinWarning(UserWarning):
    """Base of all warnings given on purpose; the command line prints them as sentences."""


class SmallTextWarning(DiffbinWarning):
    """A picture is shrunk so much that its text is lost."""


class EngineWarning(DiffbinWarning):
    """An engine answers as it should, but slower than it could."""


class TrainingWarning(DiffbinWarning):
    """A run goes on, but something about it should be known."""


def warn(told: str, category: type[DiffbinWarning] = DiffbinWarning) -> None:
    """Gives a warning of the line that called the package, by whichever function; of no line in a stream's thread."""
    frame, level = sys._getframe(), 1
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(told, category, stacklevel=level)


def is_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory, which libraries tell of by errors of their own."""
    return isinstance(error, MemoryError) or bool(OF_MEMORY.search(str(error)))


def way_to_install(extra: str) -> str:
    """What an error says of a missing extra: diffbin is on no package index."""
    return f"pip install '.[{extra}]' in the folder of diffbin's sources"
