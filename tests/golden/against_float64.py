#!/usr/bin/env python3
"""How far ViT and Q-Former are from float64: transformers in float32, and the command by each of its numerics.

    python against_float64.py CHECKPOINT --binary build/bin/instructblip     an InstructBLIP directory, as published_widths.py writes

Prints for each stage and way the root of the squared differences over that of the squared values. The language model is left
aside: in float64 it would not fit into memory at its published size.
Reference: transformers 4.57.3, torch 2.11.0 (CPU), Pillow 13.0.0.
"""

import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE: its tokenizers.py would hide the package of that name

import families  # noqa: E402, F401  first: it quietens transformers
import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402
from transformers import InstructBlipConfig, InstructBlipProcessor, InstructBlipQFormerModel, InstructBlipVisionModel  # noqa: E402

from binary import Binary  # noqa: E402

NUMERICS = ("reference", "auto", "fast")


def weights(directory, prefix, dtype):
    found = {}
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(str(file), "pt") as tensors:
            for name in tensors.keys():
                if name.startswith(prefix):
                    found[name[len(prefix):]] = tensors.get_tensor(name).to(dtype)  # fmt: skip
    return found


def module(kind, config, values, dtype):
    with torch.device("meta"):
        made = kind(config)
    made = made.to_empty(device="cpu").to(dtype).eval()
    made.load_state_dict(values)
    for name, buffer in made.named_buffers():  # which no file holds
        assert name.endswith("position_ids"), name
        buffer.copy_(torch.arange(buffer.shape[-1]).expand(buffer.shape))
    return made


def stages(directory, pixels, text, dtype):
    config = InstructBlipConfig.from_pretrained(directory)
    with torch.no_grad():
        vision = module(InstructBlipVisionModel, config.vision_config, weights(directory, "vision_model.", dtype), dtype)
        seen = vision(pixel_values=pixels.to(dtype)).last_hidden_state
        del vision
        queries = weights(directory, "query_tokens", dtype)[""]
        qformer = module(InstructBlipQFormerModel, config.qformer_config, weights(directory, "qformer.", dtype), dtype)
        mask = torch.cat([torch.ones(queries.shape[:2], dtype=torch.long), text["qformer_attention_mask"]], dim=1)
        read = qformer(
            input_ids=text["qformer_input_ids"], attention_mask=mask, query_embeds=queries, encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long),
        ).last_hidden_state[:, : queries.shape[1]]  # fmt: skip
    return {"vision": seen, "qformer": read}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--image", type=pathlib.Path, default=HERE.parent / "data" / "images" / "camera_grey.jpg")
    parser.add_argument("--instruction", default="What is unusual about this image?")
    options = parser.parse_args()
    request = {"image": options.image.name, "instruction": options.instruction, "options": {}}
    ways = {name: Binary(options.binary, str(options.image.parent), 2, name).features(options.checkpoint, request) for name in NUMERICS}
    pixels = ways["reference"]["pixel_values"]
    text = InstructBlipProcessor.from_pretrained(options.checkpoint)(text=options.instruction, return_tensors="pt")
    ways = {"transformers": stages(options.checkpoint, pixels, text, torch.float32)} | ways
    exact = stages(options.checkpoint, pixels, text, torch.float64)
    for stage, truth in exact.items():
        for way, found in ways.items():
            off = (found[stage].double().reshape(truth.shape) - truth).norm() / truth.norm()
            print(f"{stage:8} {way:13} {off:.1e}")


if __name__ == "__main__":
    main()
