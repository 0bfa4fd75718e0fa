"""Processes that work for another: each computes with one thread, and ends with the one it works for."""

import multiprocessing
import os
import threading

import cv2


def begin() -> None:
    """Called first by the process itself."""
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process that is killed would leave its workers: they wait for tasks on pipes that they hold open themselves."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
