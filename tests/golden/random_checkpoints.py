#!/usr/bin/env python3
"""Looks for differences: random checkpoints, random requests, the reference against the instructblip command.

    python random_checkpoints.py --binary build/bin/instructblip --seed 100 --count 20
    python random_checkpoints.py --seed 100 --keep DIR          only writes checkpoint and golden.json
    python random_checkpoints.py --family llava ...             or blip-2, instructblipvideo, llava_next, all (by turns)

A seed gives the same architecture, weights, files and requests every time. A difference that the reference itself
shows between float32 and float64 (or weights shaken by 3e-6) is a near tie and counted apart. Exit status 1 on any other.
Layouts: 2024 and 2023 (InstructBLIP and BLIP-2), and 2026 where --python5 names a python with transformers 5.
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
import golden_file  # noqa: E402
from binary import Binary, answer_faults, stage_faults, token_faults, visual_rows  # noqa: E402
from requests_table import pictures  # noqa: E402
from toys import photographs, toy_tokenizers  # noqa: E402


def compare(reference, binary, directory, requests, golden_directory=None):
    """Prints every difference; returns (equal, near ties, different) and the answers."""
    counts, answers = [0, 0, 0], []
    for request in requests:
        try:
            expected, _ = reference.run(request)
        except (ValueError, RuntimeError, IndexError, TypeError) as error:  # the last: transformers 5 on feature layer 0
            print(f"  {request['name']}: the reference fails: {str(error).splitlines()[0][:120]}")
            continue
        answers.append({**request, **expected, "stages": None})
        if binary is None:
            continue
        try:
            faults = answer_faults(expected, binary.run(directory, request), visual_rows(directory, request))
            if faults:  # a process saved: equal answers come from equal ids
                faults += token_faults(expected["prompt_tokens"], binary.tokenize(directory, request))
            if request is requests[0]:
                faults += stage_faults(reference.stages(request), binary.features(directory, request))
        except (RuntimeError, ValueError, KeyError) as error:
            faults = [str(error)]
        if not faults:
            counts[0] += 1
        elif not reference.is_stable(request, [s["tokens"] for s in expected["sequences"]]):
            counts[1] += 1
        else:
            counts[2] += 1
            print(f"  {request['name']} {pictures(request)} {request['options']} {request['instruction'][:70]!r}")
            for fault in faults:
                print(f"    {fault}")
    return counts, answers


def examine(case, directory, source, hidden, images, options):
    reference = build.Reference(source, str(options.images), hidden)
    requests = draw.draw_requests(case["seed"], case, images, options.requests)
    binary = Binary(options.binary, str(options.images), numerics=options.numerics) if options.binary else None
    counts, answers = compare(reference, binary, directory, requests)
    if options.keep:
        header = {"seed": case["seed"], "layout": case["layout"], "stored": case["dtype"]}
        golden_file.write(directory, case["name"], reference, header, answers)
    return counts


def drawn(seed, options):
    family = options.family
    if family == "all":
        family = sorted(families.FAMILIES)[seed % len(families.FAMILIES)]
    layouts = ["2024", "2024", "2024", "2023"] + (["2026"] if options.python5 else [])
    return draw.draw_case(seed, layouts, family)


def one(case, options, images):
    workshop = build.Workshop(toy_tokenizers(HERE / "tokenizers.py"), str(options.images), images, options.python5)
    work = pathlib.Path(tempfile.mkdtemp())
    directory = (options.keep or work) / case["name"]
    try:
        source, hidden = build.write_checkpoint(case, workshop, directory, work)
        if case["layout"] == "2026":
            return elsewhere(case, directory, images, options)
        return examine(case, directory, source, hidden, images, options)
    finally:
        shutil.rmtree(work)


def elsewhere(case, directory, images, options):
    """A 2026 directory is answered by transformers 5."""
    job = {"case": case, "directory": str(directory), "images": images}
    line = [options.python5, __file__, "--job", json.dumps(job), "--images", str(options.images),
            "--requests", str(options.requests), "--numerics", options.numerics]  # fmt: skip
    line += ["--binary", str(options.binary)] if options.binary else []
    line += ["--keep", str(options.keep)] if options.keep else []
    done = subprocess.run(line, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    print("\n".join(lines[:-1]), end="\n" if lines[1:] else "")
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(lines[-1])


def summary(case):
    text = case["text"]
    notable = ("old_vision_bias", "pixels", "disagreeing_tokenizer", "drop_after", "cut_rows", "text_edits",
               "old_video_files", "pixel_settings", "in_memory_names", "generation_config", "shortest_edge")  # fmt: skip
    rope = text.get("rope_scaling", {})
    newer = [case["tokenizer"].get("kind", ""), rope.get("rope_type", rope.get("type", ""))]
    return (f"{case.get('family', 'instructblip')} {case['layout']} {text['model_type']} {case['dtype']} "
            + " ".join([key for key in notable if case.get(key)] + [name for name in newer if name]))  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--family", default="instructblip", choices=[*sorted(families.FAMILIES), "all"])
    parser.add_argument("--only", help="only draws whose summary holds this word: mt5, llama3, dynamic, 2026, ...")
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--numerics", default="auto", help="what the command answers with")
    parser.add_argument("--keep", type=pathlib.Path, help="directory for the checkpoints with their golden.json")
    parser.add_argument("--images", type=pathlib.Path, default=HERE.parent / "data" / "images")
    parser.add_argument("--python5", default=os.environ.get("TRANSFORMERS5_PYTHON"))
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.job:
        job = json.loads(options.job)
        print(json.dumps(examine(job["case"], job["directory"], job["directory"], None, job["images"], options)))
        return
    images, total = photographs(options.images), [0, 0, 0]
    for seed in range(options.seed, options.seed + options.count):
        case = drawn(seed, options)
        if options.only and options.only not in summary(case).split():
            continue
        counts = one(case, options, images)
        total = [a + b for a, b in zip(total, counts)]
        print(f"seed {seed} ({summary(case)}): {counts[0]} equal, {counts[1]} near ties, {counts[2]} different", flush=True)
    print(f"total: {total[0]} equal, {total[1]} near ties, {total[2]} different")
    sys.exit(1 if total[2] else 0)


if __name__ == "__main__":
    main()
