#!/usr/bin/env python3
"""Whether a stage has become slower: two builds of the command by turns, on random checkpoints of published widths.

    benchmarks/stages.py DIRECTORY NEW [OLD] [--fail-above 1.03]

Writes the checkpoints into DIRECTORY (kept there; 1 to 3 GB each) unless they exist, 2 layers of each stack:
t5, vicuna: InstructBLIP (ViT 1408 wide, 224 px; Q-Former 768) with Flan-T5 (2048/5120) and with Vicuna (4096/11008)
blip2_opt: BLIP-2 with OPT (2560/10240)
Each round runs both builds, greedily and with 5 beams, in processes of their own, and takes the times of a few answers
after one to warm up. Prints for each stage the medians in milliseconds, new over old, and the spread: half the distance
between the quartiles as a share of the median, of the build where it is larger. A ratio says something where it is further
from 1 than the spread; on a machine that does something else, none does. Both builds must give the same tokens.

Exit status: 1 where a ratio is above --fail-above, 2 where answers differ. Needs what tests/golden/requirements.txt names.
"""

import argparse
import pathlib
import statistics
import sys

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
sys.path.insert(0, str(GOLDEN / "checkpoint_tools"))

import full_width  # noqa: E402
from binary import Binary  # noqa: E402
from requests_table import INSTRUCTIONS  # noqa: E402

IMAGES = GOLDEN.parent / "data" / "images"
SETTINGS = {"1 row": {}, "5 rows": {"num_beams": 5}}
# What is printed: where its times are, and in which settings it does the same work.
STAGES = {
    "vision encoder": ("vision", SETTINGS),
    "Q-Former, projection": ("qformer", SETTINGS),
    "prompt, first token": ("prefill", SETTINGS),
    "a step of 1 row": ("per_token", ["1 row"]),
    "a step of 5 rows": ("per_token", ["5 rows"]),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("builds", nargs="+", metavar="BINARY", help="the new one, then the old one")
    parser.add_argument("--kinds", default="t5,vicuna,blip2_opt", help="as tests/golden/published_widths.py has them")
    parser.add_argument("--dtype", default="F32", choices=("F32", "F16", "BF16"), help="of the files")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--answers", type=int, default=2, help="that are timed in each process")
    parser.add_argument("--new-tokens", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fail-above", type=float, metavar="RATIO")
    options = parser.parse_args()
    if len(options.builds) > 2:
        parser.error("expected one or two binaries")
    return options


def answers(build, path, setting, options):
    """Answers of one process, the first one left out."""
    count = options.new_tokens
    request = {"image": "coffee.jpg", "instruction": INSTRUCTIONS["unusual"],
               "options": {"max_new_tokens": count, "min_new_tokens": count, **SETTINGS[setting]}}  # fmt: skip
    return Binary(build, IMAGES, options.threads).timed(path, request, 1 + options.answers)[1:]


def measure(path, options):
    """{build: {setting: answers of all rounds}}"""
    found = {build: {setting: [] for setting in SETTINGS} for build in options.builds}
    for number in range(options.rounds):
        for setting in SETTINGS:
            # First the one, then the other, so that a machine that warms up favours neither.
            for build in options.builds[:: -1 if number % 2 else 1]:
                found[build][setting] += answers(build, path, setting, options)
    for setting in SETTINGS:
        if len({tuple(answer["ids"]) for build in found.values() for answer in build[setting]}) > 1:
            print(f"{path}, {setting}: answers differ, so that their times say nothing", file=sys.stderr)
            sys.exit(2)
    return found


def spread(times):
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / 2 / statistics.median(times)


def report(kind, found, options):
    """Prints a table; the stages that are slower than allowed."""
    print(f"\n{kind}: {options.layers} layers of each stack, {options.dtype}, {options.threads} threads, {options.rounds} "
          f"rounds of {options.answers}, {options.new_tokens} tokens; ms")  # fmt: skip
    heads = ("old", "new", "ratio", "spread") if len(found) == 2 else ("new", "spread")
    print(f"{'':22}" + "".join(f"{head:>9}" for head in heads))
    slower = []
    for stage, (key, settings) in STAGES.items():
        columns = [[answer[key] for setting in settings for answer in build[setting]] for build in found.values()]
        medians = [statistics.median(times) for times in columns]
        line = f"{stage:22}" + "".join(f"{median:9.2f}" for median in reversed(medians))
        if len(medians) == 2:
            ratio = medians[0] / medians[1]
            line += f"{ratio:9.3f}"
            if options.fail_above and ratio > options.fail_above:
                slower.append(f"{kind}, {stage}: {ratio:.3f}")
        print(line + f"{max(map(spread, columns)):9.1%}", flush=True)
    return slower


def main():
    options = parse()
    options.directory.mkdir(parents=True, exist_ok=True)
    slower = []
    for kind in options.kinds.split(","):
        path = full_width.kept(kind, options.directory, 1, options.layers, options.dtype)
        slower += report(kind, measure(path, options), options)
    for line in slower:
        print(f"slower than {options.fail_above} times the old one: {line}", file=sys.stderr)
    sys.exit(1 if slower else 0)


main()
