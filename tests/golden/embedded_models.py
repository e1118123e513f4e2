#!/usr/bin/env python3
"""What the reference answers with the embedded models about scenes of their world; writes tests/embedded/MODEL.jsonl.

    python embedded_models.py tiny-t5 --world build/bin/instructblip_world [--scenes 50] [--seed 1]

One line a scene: {"seed", "scene", "answers": [{"type", "instruction", "expected", "num_beams", "text", "tokens"}]}, one
greedy answer of every question type and, for captions and dialogues, one of five beams. No pixels: the tests draw the
same scenes. Reference: transformers 4.57.3, torch 2.11.0 (CPU, float32), Pillow 13.0.0, one request at a time.
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

from reference import load_model, load_processor  # noqa: E402

BEAMS = {"caption": 5, "dialogue": 5}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--world", required=True)
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    directory = HERE.parents[1] / "models" / options.model
    processor, model = load_processor(directory), load_model(directory)
    torch.set_num_threads(1)
    command = [options.world, "--exam", "--seed", str(options.seed), "--scenes", str(options.scenes)]
    right = total = 0
    with open(HERE.parent / "embedded" / f"{options.model}.jsonl", "w") as output:
        for number, line in enumerate(subprocess.run(command, capture_output=True, check=True).stdout.splitlines()):
            scene = json.loads(line)
            image = Image.frombytes("RGB", (72, 72), base64.b64decode(scene["rgb"]))
            answers = []
            for sample in scene["samples"]:
                for beams in {1, BEAMS.get(sample["type"], 1)}:
                    inputs = processor(images=image, text=sample["instruction"], return_tensors="pt")
                    tokens = model.generate(**inputs, max_new_tokens=60, num_beams=beams)[0].tolist()
                    text = processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()
                    while tokens and tokens[0] == model.language_model.config.decoder_start_token_id:
                        tokens = tokens[1:]
                    right, total = right + (text == sample["answer"]), total + 1
                    answers.append({"type": sample["type"], "instruction": sample["instruction"],
                                    "expected": sample["answer"], "num_beams": beams, "text": text,
                                    "tokens": tokens})  # fmt: skip
            row = {"seed": options.seed, "scene": number, "answers": answers}
            output.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"{right} of {total} answers in the expected wording")


if __name__ == "__main__":
    main()
