"""Text of many scripts: `python -m benchmarks.scripts FONTS BACKGROUNDS [MODEL...]`.

Pictures that `diffbin synth` renders of one script each, with the fonts of one folder, on the photographs of another:
for each model and script, precision, recall and hmean at the model's own thresholds, at an IoU over 0.5. Signs in
photographs are harder than these, so what they tell is how a script does beside Latin. Models of lines, those with
"lines" in their name, get pictures with lines labelled.
"""

import sys

from diffbin import Detector
from diffbin.data.synth import Renderer
from diffbin.data.synth.fonts import FontBook
from diffbin.data.synth.settings import Scripts, Synth
from diffbin.metrics.iou import compare, score
from diffbin.plain import from_dict

PICTURES = 16  # of each script
FIRST_SEED = 7_700_000
MODELS = ("diffbin-words", "diffbin-lines")
PLAIN = {  # nothing that is hard in any script
    "height_min_px": 14.0,
    "height_max_px": 80.0,
    "words_min": 4,
    "empty_ratio": 0.0,
    "faint_ratio": 0.05,
    "hidden_ratio": 0.0,
    "curved_ratio": 0.0,
    "spaced_ratio": 0.0,
}


def measure(model: str, script: str, fonts: str, backgrounds: str) -> list[str]:
    """Precision, recall and hmean of one model on one script."""
    detector, unit = Detector(model, tile="off"), "line" if "lines" in model else "word"
    weights = {name: float(name == script) for name in vars(Scripts())}
    config = {"fonts": fonts, "backgrounds": backgrounds, "unit": unit, "scripts": weights, **PLAIN}
    renderer, matches = Renderer(from_dict(Synth, config)), []
    for seed in range(FIRST_SEED, FIRST_SEED + PICTURES):
        sample = renderer.render(seed)
        found = detector(sample.picture)
        matches.append(compare(sample.polygons, sample.ignored, found.polygons, found.scores))
    result = score(matches, detector.decode.score_threshold)
    return [f"{value:.3f}" for value in (result.precision, result.recall, result.hmean)]


def main(fonts: str, backgrounds: str, *models: str) -> None:
    """Prints a table."""
    models = models or MODELS
    print(f"| script | families of fonts | {' | '.join(f'{model}: P, R, hmean' for model in models)} |")
    print("|---|---|" + "---|" * len(models))
    book = FontBook(fonts)
    for script in vars(Scripts()):
        if families := len(book.families(script)):
            cells = [", ".join(measure(model, script, fonts, backgrounds)) for model in models]
            print(f"| {script} | {families} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
