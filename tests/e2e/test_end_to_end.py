"""From four rendered pictures to a model that finds their text, through the commands that people type."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = """
from diffbin.config import Augment, Data, Decode, Model, Optim, Preprocess, Recipe, Source, Train

SET = Source(images="images", labels="gt")
RECIPE = Recipe(
    name="four",
    model=Model(backbone="resnet18_half", lateral_channels=64, smooth_channels=16),
    preprocess=Preprocess(long_px=160, short_px=160),
    decode=Decode(mask_threshold=0.5, score_threshold=0.5, min_width_px=3.0),
    augment=Augment(crop_px=160, crop="scale", scale_min=1.0, scale_max=1.0, rotate_deg=0.0, flip_p=0.0),
    data=Data(train=(SET,), validation=(SET,), batch_size=4, workers=0),
    optim=Optim(name="adamw", lr=4e-3, schedule="cosine", per="step", warmup_ratio=0.05, clip_norm=5.0),
    train=Train(steps=260, save_every_steps=1000, precision="32"),
)
"""


def diffbin(*arguments: object) -> str:
    command = [str(Path(sys.executable).parent / "diffbin"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_train_export_detect(tmp_path: Path) -> None:
    (tmp_path / "four.py").write_text(RECIPE)
    plain = ("size_px=160,160", "words_min=3", "words_max=3", "height_min_px=22", "height_max_px=36", "faint_ratio=0",
             "hidden_ratio=0", "curved_ratio=0", "empty_ratio=0", "clutter_ratio=0", "plate_ratio=1")  # fmt: skip
    settings = [part for text in plain for part in ("--set", text)]
    (tmp_path / "no fonts").mkdir()  # Pillow's own: the pictures are the same on every machine
    fonts = ("--fonts", tmp_path / "no fonts")
    diffbin("synth", "--out", tmp_path / "set", "--count", 4, "--seed", 60, "--workers", 1, *fonts, *settings)
    diffbin("train", tmp_path / "four.py", "--set", f"data.root={tmp_path / 'set'}", "--out", tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "step_00000260.pt"
    diffbin("export", last, "--out", tmp_path / "four.onnx")
    where = ("--images", tmp_path / "set" / "images", "--gt", tmp_path / "set" / "gt")
    report = json.loads(diffbin("eval", "--model", tmp_path / "four.onnx", *where, "--json"))
    assert report["fixed"]["hmean"] > 0.95
    answers = diffbin("detect", tmp_path / "set" / "images", "--model", tmp_path / "four.onnx").splitlines()
    assert sum(len(json.loads(answer)["regions"]) for answer in answers) >= report["fixed"]["regions"]
