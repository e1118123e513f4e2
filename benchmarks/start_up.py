#!/usr/bin/env python3
"""Time and peak memory of the command from its start to its end, as docs/performance.md quotes them.

    benchmarks/start_up.py build/bin/instructblip [OLDER_BINARY]

Medians of 11 runs after one to warm up, by turns where two binaries are given. Needs GNU time (Debian's package `time`).
"""

import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNS = 11
CALLS = {
    "--version": ["--version"],
    "run --help": ["run", "--help"],
    "a wrong option": ["run", "--modle", "x"],
    "run, models/tiny-t5": ["run", "--model", ROOT / "models/tiny-t5", "--image", ROOT / "models/scene.png",
                            "--instruction", "What color is the circle?"],
}  # fmt: skip


def once(binary, arguments):
    """Milliseconds and megabytes."""
    start = time.perf_counter()
    done = subprocess.run(["/usr/bin/time", "-q", "-f", "%M", binary, *map(str, arguments)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    return (time.perf_counter() - start) * 1e3, int(done.stderr.splitlines()[-1]) / 1e3


def main():
    binaries = sys.argv[1:]
    if not binaries:
        sys.exit(__doc__)
    for name, arguments in CALLS.items():
        runs = {binary: [] for binary in binaries}
        for _ in range(RUNS + 1):
            for binary in binaries:
                runs[binary].append(once(binary, arguments))
        for binary, values in runs.items():
            ms, mb = (statistics.median(column) for column in zip(*values[1:]))
            print(f"{name:20} {ms:7.1f} ms {mb:7.1f} MB  {binary}", flush=True)


main()
