"""Ctrl-C, and the SIGTERM by which schedulers take a machine back: the step at hand is done and saved first."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch

from diffbin.train import devices

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Within which a second signal is the same wish. A terminal's Ctrl-C comes from there and, much later on a busy machine,
# from torchrun once more, which kills its processes after 30 s.
ECHO_S, ECHO_OF_TORCHRUN_S = 1.0, 25.0


class Stop:
    """Whether a signal asks the run to end; see `stopping`."""

    def __init__(self) -> None:
        self.asked = 0  # the signal's number
        self._at_once = False
        self._since = 0.0
        self._echo_s = ECHO_OF_TORCHRUN_S if "TORCHELASTIC_RUN_ID" in os.environ else ECHO_S
        self._before: dict[int, Any] = {}

    def everywhere(self, device: torch.device) -> bool:
        """Whether any of the processes that train together was asked to: they decide alike."""
        if float(devices.total(torch.tensor(float(self.asked), device=device))) and not self.asked:
            self._note(signal.SIGTERM)  # its own signal is still to come
        return bool(self.asked)

    @contextmanager
    def let_through(self) -> Iterator[None]:
        """While something goes on that can be done again: signals act at once, also one that has come already."""
        self._at_once = True
        try:
            if self.asked:
                self._act(self.asked)
            yield
        finally:
            self._at_once = False

    def hold(self) -> None:
        """Takes the signals, but for those that this process ignores, as under `nohup`."""
        kept = {number: signal.getsignal(number) for number in SIGNALS}
        self._before = {number: handler for number, handler in kept.items() if handler not in (signal.SIG_IGN, None)}
        for number in self._before:
            signal.signal(number, self._receive)

    def release(self) -> None:
        """Gives them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self._at_once:
            self._act(number)
        elif not self.asked:
            self._note(number)
        elif time.monotonic() - self._since > self._echo_s:
            self._act(number)

    def _note(self, number: int) -> None:
        self.asked, self._since = number, time.monotonic()
        if devices.is_first():
            print("diffbin: The run ends after this step; once more ends it now.", file=sys.stderr)

    def _act(self, number: int) -> None:
        self.release()
        signal.raise_signal(number)


@contextmanager
def stopping() -> Iterator[Stop]:
    """Signals that end the process only note it, for the loop to save and leave; then they act as they would have.

    A second one acts at once. In threads other than the main one, where Python has no signals, nothing is held back.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    stop.hold()
    try:
        yield stop
    finally:
        stop.release()
    if stop.asked:
        signal.raise_signal(stop.asked)
