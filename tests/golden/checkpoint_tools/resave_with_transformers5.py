"""Loads a directory in the 2024 layout with transformers 5 and saves it in that version's own layout."""

import sys

import families


def main():
    source, target = sys.argv[1:3]
    shard = sys.argv[3] if len(sys.argv) > 3 else "1GB"
    family = families.of_directory(source)
    family.model_class.from_pretrained(source, dtype="auto").save_pretrained(
        target, max_shard_size=int(shard) if shard.isdigit() else shard
    )
    family.processor_class.from_pretrained(source).save_pretrained(target)


if __name__ == "__main__":
    main()
