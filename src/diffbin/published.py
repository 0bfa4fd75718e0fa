"""What is known of a published model besides its recipe."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Published:
    """What the authors of a recipe tell of it. It stands beside the recipe: a model trained by it has its own score."""

    source: Literal["MMOCR 1.0", "paper", "PaddleOCR"]
    precision: float = 0.0  # 0 = no figure was published
    recall: float = 0.0
    hmean: float = 0.0
    base: str = ""  # the publisher's address, "" = MMOCR's
    weights: str = ""  # path of the official checkpoint below that, "" = none is published
    digest: str = ""  # SHA-256 of the checkpoint, where its name does not end with the first digits of it
    start: str = ""  # of the checkpoint that training starts from
    backbone: str = ""  # of the pre-trained backbone that training starts from
