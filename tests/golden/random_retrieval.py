#!/usr/bin/env python3
"""Looks for differences: random checkpoints of BLIP-2's model for retrieval, the reference against `instructblip match`.

    python random_retrieval.py --binary build/bin/instructblip --seed 100 --count 20

A seed gives the same architecture, weights, files, pictures and texts every time. Logits and cosines must be within 1e-4
of the largest of their kind. Exit status 1 where one is not. Directories as transformers 4.57.3 writes them.
"""

import argparse
import pathlib
import random
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE: its tokenizers.py would hide the package of that name

import torch  # noqa: E402

import draw  # noqa: E402
import retrieval  # noqa: E402
from binary import Binary  # noqa: E402
from toys import photographs, toy_module  # noqa: E402


def drawn(seed):
    rng = random.Random(seed)
    blip = draw.draw_blip(rng, seed, ["2024"])
    keys = ("seed", "layout", "dtype", "shard_bytes", "queries", "vision", "quiet")
    qformer = {**blip["qformer"], "max_position_embeddings": rng.choice((512, 640))}
    drop = rng.choice(([], ["tokenizer.json"], ["vocab.txt"], ["processor_config.json", "added_tokens.json"]))
    defaults = ["image_text_hidden_size"] if (shared := rng.choice((1, 7, 16, 256))) == 256 else []
    return {"name": f"random_{seed}", **{key: blip[key] for key in keys}, "qformer": qformer, "shared": shared,
            "placeholders": "processor_config.json" not in drop and rng.random() < 0.6,  # else it counts none of them
            "drop_files": drop, "drop_keys": defaults}  # fmt: skip


def examine(case, directory, options):
    """The largest differences of logits and cosines, over the largest of their kind."""
    rng = random.Random(case["seed"] + 1)
    reference = retrieval.Reference(directory, options.images)
    names = rng.sample(photographs(options.images), 2)
    texts = [draw.draw_text(rng) for _ in range(5)]
    texts = [text for text in texts if len(reference.tokens(text)) <= case["qformer"]["max_position_embeddings"]]
    found = Binary(options.binary, str(options.images)).match(directory, names, texts)
    return retrieval.differences(reference, names, texts, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--images", type=pathlib.Path, default=HERE.parent / "data" / "images")
    options = parser.parse_args()
    torch.set_num_threads(1)
    make_qformer_tokenizer = toy_module(HERE / "tokenizers.py").make_qformer_tokenizer
    different = 0
    for seed in range(options.seed, options.seed + options.count):
        case = drawn(seed)
        with tempfile.TemporaryDirectory() as work:
            directory = pathlib.Path(work) / case["name"]
            retrieval.write_checkpoint(case, make_qformer_tokenizer, directory, pathlib.Path(work), None)
            logits, cosines = examine(case, directory, options)
        different += logits > 1e-4 or cosines > 1e-4
        print(f"seed {seed} ({case['dtype']} {' '.join(case['drop_files'])}): logits within {logits:.1e}, cosines {cosines:.1e}",
              flush=True)  # fmt: skip
    print(f"total: {options.count - different} equal, {different} different")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
