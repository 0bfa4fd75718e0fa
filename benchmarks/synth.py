"""How many pictures a second one core renders: `python -m benchmarks.synth [backgrounds] [count]`."""

import sys
import time

import cv2

from diffbin.data.synth import Renderer, Synth


def main(backgrounds: str = "", count: str = "200") -> None:
    """Prints pictures per second of processor time, after a warm-up that fills the caches of fonts and photographs."""
    cv2.setNumThreads(1)
    config = Synth(backgrounds=backgrounds)
    renderer, pictures = Renderer(config), int(count)
    words = 0
    for seed in range(pictures):
        renderer.render(seed)
    start = time.process_time()
    for seed in range(pictures, 2 * pictures):
        words += len(renderer.render(seed).polygons)
    seconds = time.process_time() - start
    h, w = config.size_px
    print(f"{pictures / seconds:.1f} pictures of {w} x {h} a second and core, {words / pictures:.1f} words each")


if __name__ == "__main__":
    main(*sys.argv[1:])
