"""Scoring beyond parity."""

import numpy as np
import pytest

from diffbin.metrics.iou import PictureMatch, Score, best, greedy_hits, interval, maximum_hits, score, sweep

CHAIN = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]], np.bool_)


def test_maximum_matching_finds_what_greedy_misses() -> None:
    assert (greedy_hits(CHAIN), maximum_hits(CHAIN)) == (2, 3)
    assert greedy_hits(np.zeros((0, 3), np.bool_)) == 0 == maximum_hits(np.zeros((3, 0), np.bool_))


def test_interval_holds_the_score_and_repeats() -> None:
    rng = np.random.default_rng(1)
    pictures = [PictureMatch(np.eye(4) * (rng.random((4, 4)) > 0.4), rng.random(4).astype(np.float32))] * 3
    pictures += [
        PictureMatch(np.zeros((2, 3)), np.ones(3, np.float32)),
        PictureMatch(np.eye(3), np.ones(3, np.float32)),
    ]
    low, high = interval(pictures, 0.3)
    assert low <= score(pictures, 0.3).hmean <= high and (low, high) == interval(pictures, 0.3)
    assert interval([], 0.3) == (0.0, 0.0)


def test_best_is_the_first_of_equals() -> None:
    pictures = [PictureMatch(np.eye(2), np.array([0.9, 0.95], np.float32))]
    assert best(sweep(pictures)) == Score(0.3, 2, 2, 2)
    assert Score(0.5, 1, 2, 4).hmean == pytest.approx(1 / 3)
