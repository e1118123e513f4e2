#!/usr/bin/env python3
"""How time grows: per picture, per token and per candidate, on one thread and on several.

    growth.py build/bin/instructblip --model instructblip-flan-t5-xl --layers 2 --svg docs/growth.svg
    growth.py build/bin/instructblip --candidates CHECKPOINT_DIR [--picture FILE]

The first times `bench --synthetic`: vision of 1 to 16 pictures together, and decoding of 16 to 512 new tokens behind a
prompt of 64 rows (a step is the mean of all of them, so that later ones, which look back further, count). The second runs
`rank` with 10 to 1,000 candidates; a process with one candidate is run beside each, and its time taken off, so that
loading and the picture do not count. Prints tables; --svg draws them; --json keeps the rows for a later --svg.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORDS = ["red", "green", "blue", "large", "small", "round", "square", "old", "new", "wooden"]
THINGS = ["car", "house", "tree", "dog", "cat", "chair", "table", "cup", "book", "boat"]
PLACES = ["outside", "inside", "on grass", "in water", "at night", "by day", "in snow", "in sand", "above", "below"]


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout


def bench(options, stage, *more):
    rows = json.loads(run(options.binary, "bench", "--json", "--quiet", "--synthetic", options.model, "--layers",
                          options.layers, "--weights", options.weights, "--numerics", options.numerics, "--threads",
                          options.threads, "--repetitions", options.repetitions, "--read-size", "64MiB", "--stages",
                          stage, *more))["rows"]  # fmt: skip
    return rows


def name(row):
    threads = f"{row['threads']} thread" + ("s" if row["threads"] > 1 else "")
    return f"{row['weights']}, {threads}" + (f", {row['rows']} row" + ("s" if row["rows"] > 1 else "") if row["stage"] == "decode" else "")


def pictures(options):
    curves = {}
    for row in bench(options, "vision", "--pictures", "1,2,4,8,16"):
        curves.setdefault(name(row), []).append((row["rows"], row["median_ms"] / row["rows"], row["spread"]))
    return curves


def tokens(options):
    curves = {}
    for row in bench(options, "decode", "--new-tokens", "16,64,128,256,512", "--rows", "1,5", "--prompt", "64"):
        curves.setdefault(name(row), []).append((row["new_tokens"], row["median_ms"], row["spread"]))
    return curves


def seconds(options, threads, count):
    texts = [f"{a} {b} {c}" for a in WORDS for b in THINGS for c in PLACES][:count]
    command = [options.binary, "rank", "--model", options.candidates, "--image", options.picture, "--instruction",
               "What is it?", "--threads", threads, "--quiet", "--json", *options.more.split()]  # fmt: skip
    for text in texts:
        command += ["--candidate", text]
    start = time.perf_counter()
    run(*command)
    return time.perf_counter() - start


def candidates(options):
    curves = {}
    for threads in options.threads.split(","):
        for count in (10, 30, 100, 300, 1000):
            # What loading varies by is as much as a few candidates take.
            repetitions = options.repetitions * (5 if count < 100 else 1)
            pairs = [(seconds(options, threads, count), seconds(options, threads, 1)) for _ in range(repetitions)]
            each = sorted((many - one) * 1e3 / (count - 1) for many, one in pairs)
            middle = statistics.median(each)
            spread = (each[3 * len(each) // 4] - each[len(each) // 4]) / 2 / middle
            curves.setdefault(f"{threads} thread" + ("s" if threads != "1" else ""), []).append((count, middle, spread))
    return curves


def table(title, what, curves):
    counts = [str(x) for x, _, _ in next(iter(curves.values()))]
    print(f"\n{what}\n\n| {title}, ms | " + " | ".join(counts) + " |")
    print("| --- |" + " --- |" * len(counts))
    for label, points in curves.items():
        print(f"| {label} | " + " | ".join(f"{y:.3g}" + (f" ± {100 * s:.0f} %" if s else "") for _, y, s in points) + " |")


# Of a middle lightness, to be read on white and on black; a viewer that is dark gets the second style.
COLOURS = ["#2f7fd0", "#d9534f", "#3a9d5d", "#a56cc1", "#c98a1b", "#5f7d8c", "#1aa38c", "#8a8f94"]
STYLE = """<style>
  .page { fill: #ffffff } text { fill: #222222 } .frame { fill: none; stroke: #999999 }
  @media (prefers-color-scheme: dark) { .page { fill: #0d1117 } text { fill: #e6edf3 } .frame { stroke: #6e7681 } }
</style>
"""


def panel(left, title, curves):
    """Both axes logarithmic, 240 x 180 inside."""
    from math import log

    points = [point for curve in curves.values() for point in curve]
    low_x, high_x = min(p[0] for p in points), max(p[0] for p in points)
    low_y, high_y = min(p[1] for p in points) / 1.2, max(p[1] for p in points) * 1.2
    x = lambda v: left + 50 + 240 * log(v / low_x) / log(high_x / low_x)
    y = lambda v: 220 - 180 * log(v / low_y) / log(high_y / low_y)
    out = [f'<rect class="frame" x="{left + 50}" y="40" width="240" height="180"/>',
           f'<text x="{left + 170}" y="28" text-anchor="middle" font-weight="bold">{title}</text>']  # fmt: skip
    for v in sorted({p[0] for p in points}):
        out.append(f'<text x="{x(v):.0f}" y="236" text-anchor="middle">{v}</text>')
    for v in (low_y * 1.2, high_y / 1.2):
        out.append(f'<text x="{left + 46}" y="{y(v) + 4:.0f}" text-anchor="end">{v:.3g}</text>')
    for i, (label, curve) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b, _ in curve)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2.5" fill="{colour}"/>' for a, b, _ in curve]
        out.append(f'<text x="{left + 54}" y="{256 + 14 * i}" style="fill: {colour}">{label}</text>')
    return out


def steady(curve):
    """What is drawn: points that vary by less than a fifth, as far as that is known (0: measured once)."""
    return [point for point in curve if point[1] > 0 and point[2] < 0.2]


def draw(path, panels):
    height = 262 + 14 * max(len(curves) for _, curves in panels)
    body = [line for i, (title, curves) in enumerate(panels) for line in panel(310 * i, title, curves)]
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{310 * len(panels)}" height="{height}" '
                    f'font-family="sans-serif" font-size="11" role="img" aria-label="{"; ".join(title for title, _ in panels)}">\n'
                    f'{STYLE}<rect class="page" width="100%" height="100%"/>\n'
                    + "\n".join(body) + "\n</svg>\n")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--model", default="")
    parser.add_argument("--layers", default="2")
    parser.add_argument("--weights", default="f16,q8")
    parser.add_argument("--numerics", default="fast")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--candidates", default="")
    parser.add_argument("--more", default="", help="further options of `rank`")
    parser.add_argument("--picture", default=str(ROOT / "tests/data/images/coffee.jpg"))
    parser.add_argument("--parts", default="pictures,tokens")
    parser.add_argument("--json", type=pathlib.Path, help="added to: what earlier runs found is drawn too")
    parser.add_argument("--svg", type=pathlib.Path)
    options = parser.parse_args()
    found = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    if options.model and "pictures" in options.parts:
        found["vision, ms a picture, by pictures"] = pictures(options)
    if options.model and "tokens" in options.parts:
        found["decoding, ms a step, by new tokens"] = tokens(options)
    if options.candidates:
        found["ranking, ms a candidate, by candidates"] = candidates(options)
    for title, curves in found.items():
        table(title.split(",")[0], title, curves)
    if options.json:
        options.json.write_text(json.dumps(found) + "\n")
    if options.svg:
        panels = [(title, {k: steady(curve) for k, curve in curves.items()}) for title, curves in found.items()]
        draw(options.svg, [(title, curves) for title, curves in panels if any(curves.values())])


main()
