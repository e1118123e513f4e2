#!/usr/bin/env python3
"""Writes the tiny random checkpoints of tests/golden/checkpoints with the reference's answers beside them.

    python make_checkpoints.py [NAME ...]           all or some of the cases in checkpoint_tools/cases.py and retrieval.py
    python make_checkpoints.py --answers NAME ...   asks the reference again about stored checkpoints that it can read itself
    python make_checkpoints.py --list

Reference: transformers 4.57.3, torch 2.11.0 (CPU, float32), Pillow 13.0.0; for the 2026 layouts transformers 5.23.0,
whose python is named by --python5. Seeds are in cases.py and in every golden.json; see README.md for the formats.
"""

import argparse
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Not HERE itself: its tokenizers.py would hide the package of that name.
sys.path[0] = str(HERE / "checkpoint_tools")

import torch  # noqa: E402

from toys import photographs, toy_module, toy_tokenizers  # noqa: E402

IMAGE_DIRECTORY = HERE.parent / "data" / "images"


def main():
    import build
    import cases
    import retrieval

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "checkpoints")
    parser.add_argument("--images", type=pathlib.Path, default=IMAGE_DIRECTORY)
    parser.add_argument("--tokenizers", type=pathlib.Path, default=HERE / "tokenizers.py")
    parser.add_argument("--python5", default=os.environ.get("TRANSFORMERS5_PYTHON"))
    parser.add_argument("--answers", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(case["name"] for case in cases.CASES + retrieval.CASES))
        return
    torch.set_num_threads(1)
    workshop = build.Workshop(
        toy_tokenizers(options.tokenizers), str(options.images), photographs(options.images), options.python5
    )
    make = build.answer_again if options.answers else build.build
    for case in cases.CASES:
        if not options.names or case["name"] in options.names:
            make(case, workshop, options.output / case["name"])
    if options.answers:
        return
    make_qformer_tokenizer = toy_module(options.tokenizers).make_qformer_tokenizer
    for case in retrieval.CASES:
        if not options.names or case["name"] in options.names:
            retrieval.build(case, workshop, make_qformer_tokenizer, options.output / case["name"])


if __name__ == "__main__":
    main()
