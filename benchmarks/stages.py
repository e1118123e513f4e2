#!/usr/bin/env python3
"""Whether a stage has become slower: `instructblip bench` of two builds by turns, at published widths with random weights.

    benchmarks/stages.py NEW [OLD] [--fail-above 1.03]

Each round runs both builds, one model after the other, in processes of their own. Prints for each stage the medians in
milliseconds, new over old, and the spread: half the distance between the quartiles as a share of the median, of the build
where it is larger. A ratio says something where it is further from 1 than the spread; on a machine that does something
else, none does. Both builds must answer with the same tokens.

Exit status: 1 where a ratio is above --fail-above, 2 where answers differ.
"""

import argparse
import json
import statistics
import subprocess
import sys

MODELS = "instructblip-flan-t5-xl,instructblip-vicuna-7b,blip2-opt-2.7b"
SAME = ("model", "layers", "stage", "weights", "rows", "prompt", "new_tokens", "threads", "device")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs="+", metavar="BINARY", help="the new one, then the old one")
    parser.add_argument("--models", default=MODELS, help="as `instructblip bench --synthetic` has them")
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--layers", default="2")
    parser.add_argument("--rows", default="1,5")
    parser.add_argument("--new-tokens", default="12")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", default="2", help="of each stage in a round")
    parser.add_argument("--more", default="", help="further options of `bench`")
    parser.add_argument("--fail-above", type=float, metavar="RATIO")
    options = parser.parse_args()
    if len(options.builds) > 2:
        parser.error("expected one or two binaries")
    return options


def rows_of(build, model, options):
    command = [build, "bench", "--json", "--quiet", f"--synthetic={model}", f"--layers={options.layers}",
               f"--dtype={options.dtype}", f"--rows={options.rows}", f"--new-tokens={options.new_tokens}",
               f"--threads={options.threads}", f"--repetitions={options.samples}", "--read-size=64MB",
               *options.more.split()]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {tuple(row[key] for key in SAME): row for row in json.loads(done.stdout)["rows"]}


def measure(options):
    """{row: {build: medians of all rounds}}"""
    found = {}
    for number in range(options.rounds):
        # First the one, then the other, so that a machine that warms up favours neither.
        order = options.builds[:: -1 if number % 2 else 1]
        for model in options.models.split(","):
            runs = {build: rows_of(build, model, options) for build in order}
            for key in runs[options.builds[0]]:
                if len({tuple(run[key].get("answer", ())) for run in runs.values()}) > 1:
                    print(f"{model}: answers differ, so that their times say nothing", file=sys.stderr)
                    sys.exit(2)
                for build, run in runs.items():
                    found.setdefault(key, {}).setdefault(build, []).append(run[key]["median_ms"])
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return found


def spread(times):
    if len(times) == 1:
        return 0.0
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
    return (high - low) / 2 / middle


def main():
    options = parse()
    slower, model = [], None
    for key, times in measure(options).items():
        row = dict(zip(SAME, key))
        if row["model"] != model:
            model = row["model"]
            print(f"\n{model}, layers of each stack: {row['layers'] or 'all'}, {row['weights']}, threads: "
                  f"{row['threads']}; ms, medians of {options.rounds} rounds")  # fmt: skip
            heads = ("old", "new", "ratio", "spread") if len(options.builds) == 2 else ("new", "spread")
            print(f"{'':24}" + "".join(f"{head:>9}" for head in heads))
        medians = [statistics.median(times[build]) for build in options.builds]
        name = f"{row['stage']}, rows: {row['rows']}"
        line = f"{name:24}" + "".join(f"{median:9.2f}" for median in reversed(medians))
        if len(medians) == 2:
            ratio = medians[0] / medians[1]
            line += f"{ratio:9.3f}"
            if options.fail_above and ratio > options.fail_above:
                slower.append(f"{model}, {name}: {ratio:.3f}")
        print(line + f"{max(map(spread, times.values())):9.1%}")
    for line in slower:
        print(f"slower than {options.fail_above} times the old one: {line}", file=sys.stderr)
    sys.exit(1 if slower else 0)


main()
