"""Signals that ask a run to end."""

import signal
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from diffbin.train import devices
from diffbin.train.stop import Stop, stopping

CPU = torch.device("cpu")


def asked_of_another(_: Tensor) -> Tensor:
    return torch.tensor(float(signal.SIGTERM))


def test_a_signal_waits_for_the_step_and_then_acts(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), stopping() as stop:
        assert not stop.everywhere(CPU)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the same wish, by way of torchrun
        assert stop.everywhere(CPU)
    assert capfd.readouterr().err.count("The run ends after this step") == 1


def test_what_another_process_was_asked_is_told_and_ones_own_signal_is_no_second(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stop = Stop()
    stop.hold()
    try:
        monkeypatch.setattr(devices, "total", asked_of_another)
        assert stop.everywhere(CPU)
        signal.raise_signal(signal.SIGTERM)  # would end this process here, before it has saved
        assert stop.asked == signal.SIGTERM
    finally:
        stop.release()
    assert capfd.readouterr().err.count("The run ends after this step") == 1


@pytest.mark.parametrize(("by_torchrun", "seconds", "waits"), [(False, 0.5, True), (False, 2, False), (True, 20, True)])
def test_a_second_signal_acts_unless_it_is_the_echo_of_the_first(
    monkeypatch: pytest.MonkeyPatch, by_torchrun: bool, seconds: float, waits: bool
) -> None:
    """torchrun sends each signal on, and on a busy machine late."""
    if by_torchrun:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    clock, reached = [0.0], []
    monkeypatch.setattr("diffbin.train.stop.time", SimpleNamespace(monotonic=lambda: clock[0]))
    with pytest.raises(KeyboardInterrupt), stopping():
        signal.raise_signal(signal.SIGINT)
        clock[0] += seconds
        signal.raise_signal(signal.SIGINT)
        reached.append("after")
    assert bool(reached) is waits


def test_where_nothing_is_lost_a_signal_acts_at_once() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), stopping() as stop, stop.let_through():
        signal.raise_signal(signal.SIGINT)
        reached.append("after")
    assert not reached
