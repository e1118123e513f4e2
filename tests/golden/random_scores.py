#!/usr/bin/env python3
"""Log probabilities of given answers: random checkpoints of every family, the reference against `instructblip score`.

    python random_scores.py --binary build/bin/instructblip --seed 100 --count 20

The answers are made of words, of what is no word, and of the beginnings of one another. A log probability may differ by 1e-4,
or by four times as much as the reference's own in float32 and float64. Exit status 1 on any other difference.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE: its tokenizers.py would hide the package of that name

import torch  # noqa: E402

import build  # noqa: E402
import draw  # noqa: E402
import families  # noqa: E402
from binary import picked_frames  # noqa: E402
from requests_table import pictures  # noqa: E402
from toys import photographs, toy_tokenizers  # noqa: E402

sys.path.append(str(HERE))
from make_rankings import candidate_tokens, logprobs  # noqa: E402

ANSWERS = ["yes", "a yellow car", "a yellow car in the street", "a yellow", "猫 😀", "(b) 2.5 dogs"]


def scores(binary, directory, images, request):
    line = [binary, "score", "--json", "--model", directory, "--quiet", "--instruction", request["instruction"]]
    for name in pictures(request):
        line += ["--image", os.path.join(images, name)]
    for answer in ANSWERS:
        line += ["--answer", answer]
    if request["options"].get("interpolate_pos_encoding"):
        line.append("--interpolate-pos-encoding")
    done = subprocess.run([str(part) for part in line], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[:200])
    return [answer["logprobs"] for answer in json.loads(done.stdout)["answers"]]


def compare(reference, binary, directory, images, request):
    """The largest difference, and how many are too large."""
    ours, largest, wrong, twin = scores(binary, directory, images, request), 0.0, 0, None
    extra = {"interpolate_pos_encoding": True} if request["options"].get("interpolate_pos_encoding") else {}
    for text, got in zip(ANSWERS, ours):
        tokens = candidate_tokens(reference, text)
        reference._forget_lengths(reference.model)
        want = logprobs(reference, {**reference.inputs(request), **extra}, tokens)
        assert len(want) == len(got), (text, len(want), len(got))
        difference = max(abs(a - b) for a, b in zip(got, want))
        if difference > 1e-4:
            twin = twin or reference._twin(0)
            inputs = {**reference.inputs(request), **extra}
            inputs["pixel_values"] = inputs["pixel_values"].double()
            exact = logprobs(reference, inputs, tokens, twin)
            own = max(abs(a - b) for a, b in zip(exact, want))
            wrong += difference > 4 * own
            print(f"  {request['name']} {text!r}: {difference:.2e}; the reference by itself {own:.2e}")
        largest = max(largest, difference)
    return largest, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--requests", type=int, default=3)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=pathlib.Path, default=HERE.parent / "data" / "images")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = photographs(options.images)
    workshop = build.Workshop(toy_tokenizers(HERE / "tokenizers.py"), str(options.images), images, None)
    scored, faults = 0, 0
    for seed in range(options.seed, options.seed + options.count):
        case = draw.draw_case(seed, ["2024", "2024", "2023"], sorted(families.FAMILIES)[seed % len(families.FAMILIES)])
        if "dynamic" in (case["text"].get("rope_scaling") or {}).values():
            continue  # here an answer is scored as it would be written, with the frequencies of each length
        work = pathlib.Path(tempfile.mkdtemp())
        try:
            source, hidden = build.write_checkpoint(case, workshop, work / case["name"], work)
            reference, largest = build.Reference(source, str(options.images), hidden), 0.0
            for request in draw.draw_requests(seed, case, images, options.requests):
                if len(pictures(request)) < (picked_frames(work / case["name"]) or 0):
                    continue  # refused by both
                try:
                    reference.inputs(request)
                except IndexError as fault:  # as transformers 4.57.3 for a video of a single frame
                    print(f"seed {seed}: the reference fails: {fault}")
                    continue
                difference, wrong = compare(reference, options.binary, work / case["name"], str(options.images), request)
                largest, scored, faults = max(largest, difference), scored + len(ANSWERS), faults + wrong
            print(f"seed {seed} ({case.get('family', 'instructblip')} {case['text']['model_type']}): largest {largest:.2e}", flush=True)
        finally:
            shutil.rmtree(work)
    print(f"total: {scored} answers, {faults} different")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
