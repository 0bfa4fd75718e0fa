"""The one array type of the renderer."""

from typing import Any

from numpy.typing import NDArray

Picture = NDArray[Any]
"""uint8 `(h, w, 3)` RGB, or `(h, w)` for what covers a picture, 0 to 255. OpenCV's annotations name no type."""
