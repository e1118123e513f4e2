#!/usr/bin/env python3
"""Converts golden checkpoints and adapters with `instructblip convert`, and asks transformers what it was asked before.

    python check_converted.py build/bin/instructblip [NAME ...]

The token ids of every golden request have to come out again. Takes those directories whose goldens the running
transformers gave (4.57.3: the 2024 layout; 5.23.0: the 2026 one), and every adapter of tests/golden/adapters that
belongs to one of them; each also in shards. Ends with status 1 if anything differs.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# Not HERE itself: its tokenizers.py would hide the package of that name.
sys.path[0] = str(HERE / "checkpoint_tools")

import families  # noqa: E402, F401  first: it quietens transformers
import torch  # noqa: E402
import transformers  # noqa: E402
from reference import Reference  # noqa: E402

CHECKPOINTS = HERE / "checkpoints"
IMAGES = str(HERE.parent / "data" / "images")


def convert(binary, checkpoint, output, *options):
    subprocess.run([binary, "convert", "--model", checkpoint, "--output", output, "--quiet", *options],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip


def differing(directory, requests):
    reference = Reference(directory, IMAGES)
    processor, config = reference.processor, reference.model.config
    if getattr(processor, "patch_size", 0) is None:  # no processor_config.json, as in old directories of LLaVA
        processor.patch_size = config.vision_config.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        processor.num_additional_image_tokens = 1
    return [r["name"] for r in requests if reference.tokens(r) != [s["tokens"] for s in r["sequences"]]]


def can_read(checkpoint):
    try:
        Reference(checkpoint, IMAGES)
    except Exception:  # of any kind: files missing, tensors by other names
        return False
    return True


def cases():
    for path in sorted(CHECKPOINTS.glob("*/golden.json")):
        golden = json.loads(path.read_text())
        made_by = golden["reference"]
        if made_by["layout"] == "2023" or made_by["transformers"] != transformers.__version__:
            continue
        yield path.parent.name, path.parent, [], golden["requests"]
    for path in sorted((HERE / "adapters").glob("*/golden.json")):
        golden = json.loads(path.read_text())
        if golden["reference"]["transformers"] != transformers.__version__:
            continue
        options = [word for name in golden["adapters"] for word in ("--lora", HERE / "adapters" / name)]
        yield path.parent.name, CHECKPOINTS / golden["checkpoint"], options, golden["requests"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name, checkpoint, extra, requests in cases():
        if options.names and name not in options.names:
            continue
        for how in ([], ["--max-shard-size", "40KB"]):
            with tempfile.TemporaryDirectory() as work:
                output = pathlib.Path(work) / "converted"
                convert(options.binary, checkpoint, output, *extra, *how)
                try:
                    wrong = differing(output, requests)
                except Exception:
                    if can_read(checkpoint):
                        raise
                    print(f"{name}: transformers can read neither the original nor what it became")
                    break
            failed |= bool(wrong)
            print(f"{name} {' '.join(how)}: {len(requests)} requests, differ: {wrong or 'none'}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
