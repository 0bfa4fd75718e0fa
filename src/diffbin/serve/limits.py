"""What one request may cost."""

from dataclasses import dataclass

from diffbin.config import check_range


@dataclass(frozen=True, kw_only=True)
class Limits:
    """For a server that strangers reach. Raises `ConfigError` for a number that is none, or not above 0."""

    bytes: int = 32_000_000  # of a request's body
    pixels: int = 50_000_000  # of a picture, told by its header before it is decoded
    scans: int = 64  # of a JPEG; each is a pass over all pixels, and cameras and browsers' pictures have up to 12
    requests: int = 32  # under way, those that wait included; one more is told to come again later
    at_once: int = 2  # pictures computed at once; the second fills the pauses of the first
    seconds: float = 30.0  # to send a picture, and again to wait for its turn

    def __post_init__(self) -> None:
        check_range("above 0", self, ("bytes", "pixels", "scans", "requests", "at_once", "seconds"))
