"""How many pictures a second one core renders: `python -m benchmarks.synth [backgrounds] [count]`."""

import sys
import time

import cv2

from diffbin.data.synth import Renderer, Synth


def measure(backgrounds: str = "", count: int = 100) -> dict[str, float]:
    """Pictures of 640 x 640 a second of processor time, after a warm-up that fills the caches."""
    cv2.setNumThreads(1)
    renderer, words = Renderer(Synth(backgrounds=backgrounds)), 0
    for seed in range(count):
        renderer.render(seed)
    start = time.process_time()
    for seed in range(count, 2 * count):
        words += len(renderer.render(seed).polygons)
    seconds = time.process_time() - start
    return {"pictures_per_s_and_core": round(count / seconds, 1), "words_each": round(words / count, 1)}


def main(backgrounds: str = "", count: str = "100") -> None:
    """Prints a line."""
    print(f"rendering: {measure(backgrounds, int(count))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
