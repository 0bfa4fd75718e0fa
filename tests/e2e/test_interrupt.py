"""A command that is broken off at the keyboard ends, at once and with its own exit code."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def test_ctrl_c_ends_the_command(model_file: Path, tmp_path: Path) -> None:
    picture = np.full((96, 128, 3), 200, np.uint8)
    for i in range(300):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    command = [sys.executable, "-m", "diffbin.cli", "detect", str(tmp_path), "--model", str(model_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline().startswith('{"image": "0.png"')
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in err
