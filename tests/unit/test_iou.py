"""Scoring beyond parity."""

from math import inf
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import DarkIsText
from diffbin import Detector
from diffbin.config import Source
from diffbin.metrics.deteval import credits
from diffbin.metrics.evaluate import evaluate
from diffbin.metrics.iou import (
    PictureMatch,
    Score,
    best,
    compare,
    greedy_pairs,
    interval,
    maximum_pairs,
    recall_by_height,
    score,
    sweep,
)

CHAIN = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]], np.bool_)


def matched(iou: NDArray[np.float64], scores: NDArray[np.float64]) -> PictureMatch:
    return PictureMatch(iou, scores.astype(np.float32), iou, iou, np.ones(len(iou), np.float32))


def test_maximum_matching_finds_what_greedy_misses() -> None:
    assert (len(greedy_pairs(CHAIN)), len(maximum_pairs(CHAIN))) == (2, 3)
    assert all(CHAIN[pair] for pair in maximum_pairs(CHAIN))
    assert greedy_pairs(np.zeros((0, 3), np.bool_)) == [] == maximum_pairs(np.zeros((3, 0), np.bool_))


def test_recall_is_told_by_height() -> None:
    def text(y: float, height: float) -> NDArray[np.float32]:  # askew: the height is not that of the upright box
        return np.array(
            [[0, y], [80, y + 60], [80 - 0.6 * height, y + 60 + 0.8 * height], [-0.6 * height, y + 0.8 * height]],
            np.float32,
        )

    regions = [text(0, 9), text(200, 9), text(400, 20), text(600, 70), text(900, 70)]
    ignored = np.array([False] * 4 + [True])
    found, scores = [regions[0], regions[3], regions[2]], np.array([0.9, 0.9, 0.1], np.float32)
    match = compare(regions, ignored, found, scores)
    told = recall_by_height([match, match], 0.5)
    assert [(part.from_px, part.below_px, part.hits, part.regions) for part in told] == [
        (8, 12, 2, 4),
        (16, 24, 0, 2),
        (60, inf, 2, 2),
    ]
    assert [str(part) for part in told] == ["8 to 12: 0.50 of 4", "16 to 24: 0.00 of 2", "from 60: 1.00 of 2"]
    assert recall_by_height([match], 0.5, matching="maximum")[0].hits == 1
    assert recall_by_height([match], 0.5, matching="deteval") == [] == recall_by_height([], 0.5)
    assert recall_by_height([compare([], np.zeros(0, np.bool_), found, scores)], 0.5) == []


def test_interval_holds_the_score_and_repeats() -> None:
    rng = np.random.default_rng(1)
    pictures = [matched(np.eye(4) * (rng.random((4, 4)) > 0.4), rng.random(4))] * 3
    pictures += [
        matched(np.zeros((2, 3)), np.ones(3)),
        matched(np.eye(3), np.ones(3)),
    ]
    low, high = interval(pictures, 0.3)
    assert low <= score(pictures, 0.3).hmean <= high and (low, high) == interval(pictures, 0.3)
    assert interval([], 0.3) == (0.0, 0.0)


def test_best_is_the_first_of_equals() -> None:
    pictures = [matched(np.eye(2), np.array([0.9, 0.95]))]
    assert best(sweep(pictures)) == Score(0.3, 2, 2, 2, 2)
    assert Score(0.5, 1, 2, 4, 1).hmean == pytest.approx(1 / 3)


def box(left: float, right: float) -> NDArray[np.float32]:
    return np.array([[left, 0], [right, 0], [right, 10], [left, 10]], np.float32)


def test_half_an_overlap_is_no_match() -> None:
    for right, hits in ((20, 0), (19, 1)):
        match = compare([box(0, 10)], np.zeros(1, np.bool_), [box(0, right)], np.ones(1, np.float32))
        assert score([match], 0.5).hits == hits


@pytest.mark.parametrize(
    ("regions", "predictions", "found", "right"),
    [
        ([(0, 100)], [(0, 100)], 1, 1),
        ([(0, 100)], [(0, 60)], 0, 0),  # of the region too little
        ([(0, 100)], [(0, 180)], 0, 0),  # of the prediction too little
        ([(0, 100)], [(0, 50), (50, 100)], 0.8, 1.6),  # in parts
        ([(0, 100)], [(0, 50), (50, 100), (300, 400)], 0.8, 1.6),
        ([(0, 100)], [(0, 80), (95, 130)], 1, 1),  # what merely touches is no part
        ([(0, 100), (110, 200)], [(0, 200)], 1.6, 0.8),  # as one
        ([(0, 100), (110, 200)], [(0, 100), (110, 200)], 2, 2),
        ([(0, 100)], [], 0, 0),
        ([], [(0, 100)], 0, 0),
    ],
)
def test_deteval_counts_parts_and_lines_in_part(
    regions: list[tuple[float, float]], predictions: list[tuple[float, float]], found: float, right: float
) -> None:
    match = compare(
        [box(*r) for r in regions],
        np.zeros(len(regions), np.bool_),
        [box(*p) for p in predictions],
        np.ones(len(predictions), np.float32),
    )
    result = score([match], 0.5, matching="deteval")
    assert [result.hits, result.right] == pytest.approx([found, right])
    assert (result.regions, result.predictions) == (len(regions), len(predictions))
    assert result.recall == (pytest.approx(found / len(regions)) if regions else 1)


def test_deteval_agrees_with_the_program_of_total_text() -> None:
    """What that gives for tables of shares that random numbers fill, read off it."""
    theirs = [
        (3.6, 5.2), (1.6, 4.0), (1.8, 5.0), (4.8, 5.6), (2.6, 5.0), (2.8, 5.2),
        (0.8, 4.8), (2.8, 5.2), (2.8, 4.4), (2.6, 5.0), (3.8, 5.4), (2.6, 5.0),
    ]  # fmt: skip
    for seed, expected in enumerate(theirs):
        rng = np.random.default_rng(seed)
        of_regions = rng.choice([0, 0, 0.3, 0.65, 0.7, 0.75, 1.0], (6, 6))
        of_predictions = np.where(of_regions > 0, rng.choice([0.2, 0.35, 0.6, 0.65, 0.9], (6, 6)), 0)
        assert credits(of_regions, of_predictions) == pytest.approx(expected)


def test_deteval_of_a_set(tmp_path: Path) -> None:
    sheet = np.full((300, 400, 3), 255, np.uint8)
    sheet[100:140, 40:190] = sheet[100:140, 200:360] = 0
    cv2.imwrite(str(tmp_path / "a.png"), sheet)
    found = Detector(DarkIsText())(sheet)
    whole = np.array([found.boxes()[:, :2].min(axis=0), found.boxes()[:, 2:].max(axis=0)]).ravel().tolist()
    left, top, right, bottom = whole
    (tmp_path / "a.txt").write_text(f"{left},{top},{right},{top},{right},{bottom},{left},{bottom},LINE\n")
    source = Source(images=str(tmp_path), labels=str(tmp_path))
    report = evaluate(Detector(DarkIsText()), [source], "", matching="deteval").to_dict()
    assert report["fixed"]["hits"] == 0.8 and report["fixed"]["right"] == 1.6 and report["matching"] == "deteval"
    assert report["fixed"]["hmean"] == 0.8
    alone = evaluate(Detector(DarkIsText()), [source], "").to_dict()["fixed"]
    assert alone["hits"] == alone["right"] and isinstance(alone["hits"], int)
