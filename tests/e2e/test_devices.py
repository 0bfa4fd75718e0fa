"""Training as it is run: killed and resumed, and by two processes at once."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from conftest import session, small_recipe, wait_for_end
from diffbin.model import checkpoints
from diffbin.model.checkpoints import Checkpoint
from diffbin.plain import to_dict
from diffbin.train.loggers import read_csv

pytestmark = pytest.mark.slow
DIFFBIN = ("-m", "diffbin")
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *DIFFBIN)


def command(pages: Path, *program: str, out: Path, **settings: object) -> list[str]:
    recipe = pages / "recipe.py"
    text = json.dumps(to_dict(small_recipe(pages)))
    recipe.write_text(
        "import json\nfrom diffbin.config import Recipe\nfrom diffbin.plain import from_dict\n"
        f"RECIPE = from_dict(Recipe, json.loads({text!r}))\n"
    )
    sets = [part for key, value in settings.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]
    return [sys.executable, *program, "train", str(recipe), *sets, "--out", str(out)]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}  # sums of another number of threads are rounded otherwise


def run(line: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=False)


def last(out: Path) -> Checkpoint:
    return checkpoints.load(checkpoints.checkpoints(out / "checkpoints")[-1])


def test_killed_runs_go_on_bit_for_bit(pages: Path, tmp_path: Path) -> None:
    settings = {"train__steps": 18, "train__save_every_steps": 3, "train__ema_decay": 0.9}
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    done = run(command(pages, *DIFFBIN, out=straight, **settings))
    assert done.returncode == 0, done.stderr
    line = command(pages, *DIFFBIN, out=broken, **settings)
    for kill in range(2):
        left = checkpoints.checkpoints(broken / "checkpoints")
        child = subprocess.Popen(
            line + ["--resume"] * bool(left), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ENVIRONMENT
        )
        while child.poll() is None and checkpoints.checkpoints(broken / "checkpoints") == left:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.3))
        child.kill()
        assert child.wait() == -signal.SIGKILL or kill, "it was done before it was killed"
    done = run([*line, "--resume"])
    assert done.returncode == 0, done.stderr
    first, second = last(straight), last(broken)
    assert first.step == second.step == 18 and first.ema and second.ema
    for name, value in first.network.items():
        assert torch.equal(value, second.network[name]) and torch.equal(first.ema[name], second.ema[name])
    for key, state in first.optimizer["state"].items():
        assert torch.equal(state["exp_avg_sq"], second.optimizer["state"][key]["exp_avg_sq"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
@pytest.mark.parametrize("program", [DIFFBIN, TWO])
def test_a_run_that_is_asked_to_end_saves_its_step(
    pages: Path, tmp_path: Path, program: tuple[str, ...], number: int, code: int
) -> None:
    """By a signal to the whole group, as a terminal sends it, or to the process; torchrun has exit codes of its own."""
    out = tmp_path / "out"
    settings = {"data__workers": 1, "train__steps": 100000, "train__save_every_steps": 0}
    line = command(pages, *program, out=out, **settings)
    with subprocess.Popen(line, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        while child.poll() is None and not read_csv(out):
            time.sleep(0.05)
        (os.killpg if number == signal.SIGINT else os.kill)(child.pid, number)
        _, err = child.communicate(timeout=60)
    assert child.returncode == code if program is DIFFBIN else child.returncode != 0, err
    assert err.count("The run ends after this step") == 1 and (program is TWO or "Traceback" not in err), err
    assert last(out).step >= 20


def test_a_killed_run_leaves_no_process(pages: Path, tmp_path: Path) -> None:
    line = command(pages, *DIFFBIN, out=tmp_path / "out", data__workers=1, train__save_every_steps=1)
    with subprocess.Popen(line, env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True) as child:
        while child.poll() is None and not checkpoints.checkpoints(tmp_path / "out" / "checkpoints"):
            time.sleep(0.05)
        assert len(session(child.pid)) > 1, "it had no loader"
        child.kill()
    wait_for_end(child.pid)


def test_two_processes_learn_what_one_does(pages: Path, tmp_path: Path) -> None:
    """In double precision, so that what differs is an error and not rounding, which a network magnifies."""
    settings = {"train__steps": 8, "data__batch_size": 16, "train__accumulate": 2, "train__precision": 64}
    one, two = tmp_path / "one", tmp_path / "two"
    for line in (
        command(pages, *DIFFBIN, out=one, **settings),
        command(pages, *TWO, out=two, train__sync_norm="true", **settings),
    ):
        done = run(line)
        assert done.returncode == 0, done.stderr
    first, second = last(one), last(two)
    for name, value in first.network.items():
        assert torch.allclose(value, second.network[name], rtol=1e-5, atol=1e-5), name
    rows = [read_csv(out) for out in (one, two)]
    scores = [{name: value for name, value in row[-1].items() if name != "seconds"} for row in rows]
    assert scores[0] == scores[1] and "hmean" in scores[0]  # no picture counted twice, none lost
    assert len(rows[0]) == len(rows[1])


def test_results_are_gathered_in_order(tmp_path: Path) -> None:
    """Of a number of items that does not divide: none twice, none lost, on both processes."""
    on_two_processes(tmp_path, "found = devices.gather([n * n for n in devices.mine(range(5))])", "[0, 1, 4, 9, 16]")


def test_running_averages_are_those_of_the_first(tmp_path: Path) -> None:
    norm = "norm = torch.nn.BatchNorm2d(3)\nnorm.running_mean += devices.rank() + 1\ndevices.align_buffers(norm)\n"
    on_two_processes(tmp_path, norm + "found = norm.running_mean.tolist()", "[1, 1, 1]")


def on_two_processes(folder: Path, program: str, wanted: str) -> None:
    """`found` of a program is what is wanted, on both."""
    (folder / "program.py").write_text(
        "import sys\nimport torch\nfrom diffbin.train import devices\ndevices.open_fabric('32')\n"
        f"{program}\ndevices.close()\nsys.exit(found != {wanted})\n"
    )
    done = run([sys.executable, *TWO[: -len(DIFFBIN)], str(folder / "program.py")])
    assert done.returncode == 0, done.stderr


def test_shares_must_be_equal(pages: Path, tmp_path: Path) -> None:
    done = run(command(pages, *TWO, out=tmp_path / "run", data__batch_size=3))
    assert done.returncode and "must be a multiple of 2 processes" in done.stderr


def test_a_full_disk_is_one_sentence(pages: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(pages, *DIFFBIN, out=tmp_path / "run"),
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    assert done.returncode == 2 and "is the disk full?" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "run" / "checkpoints").iterdir())
