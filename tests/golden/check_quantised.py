#!/usr/bin/env python3
"""Quantises checkpoints with `instructblip quantize`, and asks both what it wrote and the checkpoint, rounded on the fly.

    python check_quantised.py build/bin/instructblip [DIRECTORY] [--policy LIST]

DIRECTORY has checkpoints with a golden.json each: tests/golden/checkpoints, or what random_checkpoints.py --keep has
written. Every request has to get the same token ids from both, greedily and with three beams, in 8 bits and in 4. Ends
with status 1 if anything differs.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
IMAGES = HERE.parent / "data" / "images"


def call(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr.strip()[-800:]}")
    return done.stdout


def answers(binary, model, requests, work, *more):
    file, found = work / "requests.jsonl", []
    file.write_text("".join(json.dumps(request) + "\n" for request in requests))
    for beams in (1, 3):
        output = work / "answers.jsonl"
        output.unlink(missing_ok=True)
        call(binary, "batch", file, "-o", output, "--model", model, "--num-beams", beams, "--max-new-tokens", 12,
             "--interpolate-pos-encoding", "--quiet", *more)  # fmt: skip
        found += [json.loads(line)["tokens"] for line in open(output)]
    return found


def requests_of(checkpoint):
    seen = {}
    for request in json.loads((checkpoint / "golden.json").read_text())["requests"]:
        names = request.get("images") or [request["image"]]
        pictures = [str(IMAGES / name) for name in names]
        one = {"image": pictures[0]} if len(pictures) == 1 else {"images": pictures}
        seen[json.dumps([names, request["instruction"]])] = {**one, "instruction": request["instruction"]}
    return list(seen.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("directory", nargs="?", type=pathlib.Path, default=HERE / "checkpoints")
    parser.add_argument("--policy", default="")
    options = parser.parse_args()
    policy = ["--policy", options.policy] if options.policy else []
    different = total = 0
    for path in sorted(options.directory.glob("*/golden.json")):
        requests = requests_of(path.parent)
        for weights in ("q8", "q4"):
            with tempfile.TemporaryDirectory() as directory:
                work = pathlib.Path(directory)
                call(options.binary, "quantize", path.parent, "-o", work / "small", "--weights", weights,
                     "--probes", "0", "--quiet", *policy)  # fmt: skip
                written = answers(options.binary, work / "small", requests, work)
                loaded = answers(options.binary, path.parent, requests, work, "--weights", weights, *policy)
            wrong = sum(a != b for a, b in zip(written, loaded))
            different, total = different + wrong, total + len(loaded)
            print(f"{path.parent.name} {weights}: {len(loaded)} answers, different: {wrong}", flush=True)
    print(f"{total} answers, different: {different}")
    sys.exit(1 if different else 0)


main()
