"""Signals that ask a run to end."""

import signal

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


def test_where_nothing_is_lost_a_signal_acts_at_once() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), stopping() as stop, stop.let_through():
        signal.raise_signal(signal.SIGINT)
        reached.append("after")
    assert not reached
