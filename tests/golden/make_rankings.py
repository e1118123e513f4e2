#!/usr/bin/env python3
"""Writes rankings.json: how likely candidate answers are in the reference, for `Pipeline::rank`.

    python make_rankings.py

Reference: transformers 4.57.3 (CPU, float32), each candidate run by itself with the tokens it is to answer (teacher
forcing): the log-softmax of each, the end token included. transformers has no ranking of its own.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE itself: its tokenizers.py would hide the package of that name

import torch  # noqa: E402
from golden_file import write_compact  # noqa: E402
from reference import Reference, versions  # noqa: E402
from requests_table import TEXTS  # noqa: E402

CHECKPOINTS = ["t5_2024", "t5_gelu_new", "vicuna_2024", "vicuna_gqa", "video_t5", "blip2_opt", "blip2_t5", "llava_hub", "llava_next_hub"]
CANDIDATES = ["yes", "no", "a yellow car", "a yellow car in the street", "a yellow", "two dogs", "dog", "猫 😀", "(b) dog", "x"]
QUESTIONS = [("coffee.jpg", "vqa"), ("rocket.jpg", "newline")]


def candidate_tokens(reference, text):
    """As the tokenizer reads it by itself, without what stands before a text and with the end token behind it."""
    tokenizer = reference.processor.tokenizer
    ids, around = tokenizer(text).input_ids, tokenizer("").input_ids
    if not reference.decoder_only:
        return ids
    assert ids[: len(around)] == around
    return ids[len(around) :] + reference.stop_ids()[:1]


def logprobs(reference, request, tokens):
    inputs = reference.inputs(request)
    tail = torch.tensor([tokens])
    if reference.decoder_only:
        inputs["input_ids"] = torch.cat([inputs["input_ids"], tail], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    else:
        start = reference.model.language_model.config.decoder_start_token_id
        inputs["decoder_input_ids"] = torch.tensor([[start] + tokens[:-1]])
    with torch.no_grad():
        logits = reference.model(**inputs).logits[0]
    if reference.decoder_only:
        logits = logits[-len(tokens) - 1 : -1]
    assert len(logits) == len(tokens)
    return logits.double().log_softmax(-1).gather(1, tail.T)[:, 0].tolist()


def main():
    torch.set_num_threads(1)
    rankings = []
    for name in CHECKPOINTS:
        reference = Reference(HERE / "checkpoints" / name, str(HERE.parent / "data" / "images"))
        for image, question in QUESTIONS:
            asked = {"image": image} if "video" not in name else {"images": [image, "astronaut.jpg", "retina.jpg", image]}
            request = {**asked, "instruction": TEXTS[question], "options": {}}
            tokens = [candidate_tokens(reference, text) for text in CANDIDATES]
            rows = [logprobs(reference, request, ids) for ids in tokens]
            rankings.append({"checkpoint": name, **asked, "instruction": request["instruction"], "candidates": CANDIDATES,
                             "tokens": tokens, "logprobs": [[round(x, 6) for x in row] for row in rows]})  # fmt: skip
    write_compact(HERE / "rankings.json", {"reference": versions(), "rankings": rankings})


if __name__ == "__main__":
    main()
