#!/usr/bin/env python3
"""Writes the LoRA adapters of tests/golden/adapters with the reference's answers beside them.

    python make_adapters.py [NAME ...] [--list]

peft trains nothing here: it makes adapters of random values on the checkpoints of tests/golden/checkpoints, saves them,
loads them again, merges them in float32 and answers. Reference: peft 0.21.2, transformers 4.57.3, torch 2.11.0 (CPU,
float32), Pillow 13.0.0. The seed of an adapter is the number of its row, as golden.json repeats.
"""

import argparse
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Not HERE itself: its tokenizers.py would hide the package of that name.
sys.path[0] = str(HERE / "checkpoint_tools")

import families  # noqa: E402, F401  first: it quietens transformers
import golden_file  # noqa: E402
import peft  # noqa: E402
import requests_table  # noqa: E402
import torch  # noqa: E402
from reference import Reference, versions  # noqa: E402
from toys import photographs  # noqa: E402

IMAGE_DIRECTORY = HERE.parent / "data" / "images"
REQUESTS = requests_table.GREEDY[:8] + requests_table.BEAMS[:3]

# `on` is the part that was trained: the whole model or its language model alone. `loads` are the adapters that the
# answers are given with, merged in this order; without it the one that the row makes.
CASES = [
    {"name": "t5_whole", "checkpoint": "t5_2024", "on": "whole", "config": {
        "r": 4, "lora_alpha": 6, "target_modules": ["q", "v", "wi_0", "query", "key", "qkv", "projection", "patch_embedding"],
        "modules_to_save": ["language_projection"], "rank_pattern": {"wi_0": 2, "crossattention.attention.query": 3},
        "alpha_pattern": {"wi_0": 5, r"layer\.0\.SelfAttention\.q": 3}}},
    {"name": "t5_again", "checkpoint": "t5_2024", "on": "whole", "after": ["t5_whole"], "dtype": "float16", "config": {
        "r": 2, "lora_alpha": 2, "target_modules": ["q", "o"], "fan_in_fan_out": True}},
    {"name": "vicuna_language", "checkpoint": "vicuna_2024", "on": "language", "dtype": "bfloat16", "config": {
        "r": 5, "lora_alpha": 4, "use_rslora": True, "target_modules": ["q_proj", "v_proj", "down_proj", "embed_tokens", "lm_head"]}},
    {"name": "opt_biases", "checkpoint": "blip2_opt", "on": "whole", "pickled": True, "config": {
        "r": 3, "lora_alpha": 4, "bias": "lora_only", "target_modules": ["q_proj", "fc1", "language_projection"]}},
    {"name": "opt_embedding", "checkpoint": "blip2_opt", "on": "language", "config": {
        "r": 2, "lora_alpha": 3, "target_modules": ["embed_tokens", "out_proj"], "bias": "all"}},
    {"name": "llava_dora", "checkpoint": "llava_hub", "on": "whole", "config": {
        "r": 4, "lora_alpha": 4, "use_dora": True, "target_modules": ["q_proj", "up_proj", "linear_1", "lm_head"]}},
    {"name": "llava_twice", "checkpoint": "llava_hub", "on": "whole", "after": ["llava_dora"], "config": {
        "r": 3, "lora_alpha": 2, "use_dora": True, "target_modules": ["q_proj", "down_proj"]}},
]  # fmt: skip


def reference_of(checkpoint):
    reference = Reference(HERE / "checkpoints" / checkpoint, str(IMAGE_DIRECTORY))
    processor, config = reference.processor, reference.model.config
    if getattr(processor, "patch_size", 0) is None:  # no processor_config.json, as in old directories of LLaVA
        processor.patch_size = config.vision_config.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        processor.num_additional_image_tokens = 1
    return reference


def part_of(reference, case):
    return reference.family.language_model(reference.model) if case["on"] == "language" else reference.model


def put_back(reference, case, merged):
    if case["on"] == "language":
        reference.model.language_model = merged
    else:
        reference.model = merged


def randomise(model, generator):
    """Changes of about a third of the weights' size, so that answers change."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "lora_magnitude_vector" in name:
                parameter.mul_(1 + 0.2 * noise)
            elif "lora_" in name:
                parameter.copy_(noise * (0.35 if "_B" in name else 0.5))
            elif parameter.requires_grad:  # what is trained whole: modules and biases
                parameter.add_(0.1 * noise)


def make(case, directory, seed):
    reference = reference_of(case["checkpoint"])
    config = peft.LoraConfig(**case["config"])
    wrapped = peft.get_peft_model(part_of(reference, case), config)
    randomise(wrapped, torch.Generator().manual_seed(seed))
    if "dtype" in case:
        wrapped.to(getattr(torch, case["dtype"]))
    shutil.rmtree(directory, ignore_errors=True)
    wrapped.save_pretrained(directory, safe_serialization=not case.get("pickled"))
    (directory / "README.md").unlink()
    path = directory / "adapter_config.json"
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": case["checkpoint"]}
    path.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")


def merged(cases, output):
    reference = reference_of(cases[0]["checkpoint"])
    # peft looks at the weights before any merge for the norms of DoRA; so all are loaded before one is merged.
    wrapped = peft.PeftModel.from_pretrained(part_of(reference, cases[0]), output / cases[0]["name"], cases[0]["name"])
    for case in cases[1:]:
        wrapped.load_adapter(output / case["name"], case["name"])
    put_back(reference, cases[0], wrapped.merge_and_unload(adapter_names=[case["name"] for case in cases]).eval())
    return reference


def build(case, output, seed):
    make(case, output / case["name"], seed)
    by_name = {other["name"]: other for other in CASES}
    loads = [*case.get("after", []), case["name"]]
    reference = merged([by_name[name] for name in loads], output)
    dealt = requests_table.deal(REQUESTS, photographs(IMAGE_DIRECTORY), first=seed)
    kept, dropped = golden_file.answer(reference, dealt, wanted=6)
    plain = reference_of(case["checkpoint"])
    same = sum(plain.tokens(r) == [s["tokens"] for s in r["sequences"]] for r in kept)
    header = {**versions(), "peft": peft.__version__, "seed": seed}
    golden = {
        "checkpoint": case["checkpoint"], "adapters": loads, "reference": header,
        "requests": [{k: v for k, v in r.items() if k not in ("margin", "stages")} for r in kept],
    }  # fmt: skip
    golden_file.write_compact(output / case["name"] / "golden.json", golden)
    print(f"{case['name']}: {len(kept)} requests ({same} answered alike without it), unstable: {dropped}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "adapters")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed, case in enumerate(CASES, start=1):
        if options.list:
            print(case["name"])
        elif not options.names or case["name"] in options.names:
            build(case, options.output, seed)


if __name__ == "__main__":
    main()
