"""Loads a directory in the 2024 layout with transformers 5 and saves it in that version's own layout."""

import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor


def main():
    source, target = sys.argv[1:3]
    shard = sys.argv[3] if len(sys.argv) > 3 else "1GB"
    InstructBlipForConditionalGeneration.from_pretrained(source, dtype="auto").save_pretrained(
        target, max_shard_size=int(shard) if shard.isdigit() else shard
    )
    InstructBlipProcessor.from_pretrained(source).save_pretrained(target)


if __name__ == "__main__":
    main()
