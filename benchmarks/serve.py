"""The server under load: `python -m benchmarks.serve [--seconds 10] [--engine openvino] [--json]`.

`diffbin serve` runs in a process of its own, and clients, threads of this one, send the example pictures, each the next
as soon as it has an answer. Told are answers a second and their time, beside what a detector does in a loop in this
process on the same bytes, before and after; and the server's memory at the end. The clients share the cores with it.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from benchmarks.stream import EXAMPLES
from diffbin import Detector

CLIENTS = (1, 2, 4, 16)
PICTURES = [path.read_bytes() for path in EXAMPLES]


@contextmanager
def server(*options: str) -> Iterator[int]:
    """The port of a `diffbin serve` that runs in this block."""
    command = [sys.executable, "-m", "diffbin", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            told = process.stderr.readline()
            found = re.search(r":(\d+)$", told)
            assert found, told + process.stderr.read()
            threading.Thread(target=process.stderr.read, daemon=True).start()  # what it logs must not fill the pipe
            yield int(found[1])
        finally:
            process.terminate()


def under_load(port: int, clients: int, seconds: float) -> dict[str, float]:
    """Answers a second, and milliseconds from a request to its answer, with so many clients."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    def client(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for picture in cycle(PICTURES[first:] + PICTURES[:first]):
            begun = time.perf_counter()
            if begun > until:
                break
            connection.request("POST", "/detect", picture)
            reply = connection.getresponse()
            reply.read()
            assert reply.status == 200, reply.status
            times.append(1000 * (time.perf_counter() - begun))
        connection.close()

    threads = [threading.Thread(target=client, args=(i % len(PICTURES),)) for i in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _figures(times, time.perf_counter() - begun)


def loop(detector: Detector, seconds: float) -> dict[str, float]:
    """The same without a server, one picture after the other."""
    times: list[float] = []
    start = time.perf_counter()
    for picture in cycle(PICTURES):
        begun = time.perf_counter()
        if begun - start > seconds:
            break
        detector(picture)
        times.append(1000 * (time.perf_counter() - begun))
    return _figures(times, time.perf_counter() - start)


def _figures(times: list[float], seconds: float) -> dict[str, float]:
    middle, late = np.percentile(times, (50, 95))
    return {
        "pictures_per_s": round(len(times) / seconds, 1),
        "median_ms": round(float(middle), 1),
        "late_ms": round(float(late), 1),  # 95 of 100 come earlier
    }


def memory_mb(port: int) -> float:
    """What the server says it holds."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    found = re.search(rb"process_resident_memory_bytes ([\d.]\S*)", connection.getresponse().read())
    connection.close()
    return round(float(found[1]) / 2**20) if found else float("nan")


def measure(engine: str, seconds: float) -> dict[str, object]:
    """A row a number of clients."""
    detector = Detector(engine=engine)
    loop(detector, 1)  # warms up
    rows = {"in a loop, no server": loop(detector, seconds)}
    with server("--engine", engine) as port:
        under_load(port, 2, 1)
        rows |= {
            f"{clients} clients" if clients > 1 else "1 client": under_load(port, clients, seconds)
            for clients in CLIENTS
        }
        memory = memory_mb(port)
    rows["in a loop, again"] = loop(detector, seconds)
    return {"engine": detector.describe(), "rows": rows, "memory_mb": memory}


def main() -> None:
    """Prints a line a row, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each row")
    parser.add_argument("--engine", default="auto", help="onnx or openvino; auto = the fastest that is there")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    result = measure(options.engine, options.seconds)
    if options.json:
        print(json.dumps(result))
        return
    print(result["engine"], f"{result['memory_mb']} MB", sep="\n")
    for name, row in result["rows"].items():  # type: ignore[attr-defined]
        print(f"{name}: {row}")


if __name__ == "__main__":
    main()
