#!/usr/bin/env python3
"""What the reference answers with the embedded models about scenes of their world; writes tests/embedded/MODEL.jsonl.

    python embedded_models.py tiny-t5 --world build/bin/instructblip_world [--scenes 50] [--seed 1] [--crowded]

One line a scene, crowded or not: {"seed", "scene", "answers": [{"type", "instruction", "expected", "num_beams", "text", "tokens"}]}, one
greedy answer of every question type and, for captions and dialogues, one of five beams. No pixels: the tests draw the
same scenes. An answer that changes in float64 or under weights shaken by 3e-6 is left out: another machine's rounding
would decide it. Reference: transformers 4.57.3, torch 2.11.0 (CPU, float32), Pillow 13.0.0, one request at a time.
"""

import argparse
import base64
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE: its tokenizers.py would hide the package of that name

import torch  # noqa: E402
from PIL import Image  # noqa: E402

from reference import Reference  # noqa: E402

BEAMS = {"caption": 5, "dialogue": 5}


class Scenes(Reference):
    """The reference with pictures from memory."""

    pictures = {}

    def image(self, name):
        return self.pictures[name]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--world", required=True)
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crowded", action="store_true", help="scenes of six to nine objects")
    options = parser.parse_args()
    torch.set_num_threads(1)
    reference = Scenes(HERE.parents[1] / "models" / options.model, "")
    command = [options.world, "--exam", "--seed", str(options.seed), "--scenes", str(options.scenes)]
    command += ["--crowded"] if options.crowded else []
    right = total = dropped = 0
    with open(HERE.parent / "embedded" / f"{options.model}.jsonl", "w") as output:
        for number, line in enumerate(subprocess.run(command, capture_output=True, check=True).stdout.splitlines()):
            scene = json.loads(line)
            reference.pictures[number] = Image.frombytes("RGB", (72, 72), base64.b64decode(scene["rgb"]))
            answers = []
            for sample in scene["samples"]:
                for beams in sorted({1, BEAMS.get(sample["type"], 1)}):
                    request = {"image": number, "instruction": sample["instruction"],
                               "options": {"max_new_tokens": 60, "num_beams": beams}}  # fmt: skip
                    found = reference.run(request)[0]["sequences"][0]
                    total += 1
                    if not reference.is_stable(request, [found["tokens"]]):
                        dropped += 1
                        continue
                    right += found["text"] == sample["answer"]
                    answers.append({"type": sample["type"], "instruction": sample["instruction"],
                                    "expected": sample["answer"], "num_beams": beams, "text": found["text"],
                                    "tokens": found["tokens"]})  # fmt: skip
            row = {"seed": options.seed, "scene": number, "answers": answers}
            output.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"{total} answers, {dropped} of them decided by rounding and left out; {right} in the expected wording")


if __name__ == "__main__":
    main()
