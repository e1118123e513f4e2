#!/usr/bin/env python3
"""Writes rankings.json and scores.json: how likely given answers are in the reference, for `Pipeline::rank` and `score`.

    python make_rankings.py
    python make_rankings.py --float64     writes nothing: how far the reference in float32 is from itself in float64

Reference: transformers 4.57.3 (CPU, float32), each candidate run by itself with the tokens it is to answer (teacher
forcing): the log-softmax of each, the end token included. transformers has no ranking of its own.
"""

import json
import math
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
ANSWER, MATRIX = "Yes", 'Does this figure show "{}"? Please answer yes or no.'
TEXTS_SHOWN = ["a cup of coffee", "a cup of tea on a table", "a rocket", "猫 😀"]
QFORMER_TEXT = "Where is the cup?"
QUESTIONS = [("coffee.jpg", "vqa"), ("rocket.jpg", "newline")]


def candidate_tokens(reference, text):
    """As the tokenizer reads it by itself, without what stands before a text and with the end token behind it."""
    tokenizer = reference.processor.tokenizer
    ids, around = tokenizer(text).input_ids, tokenizer("").input_ids
    if not reference.decoder_only:
        return ids
    assert ids[: len(around)] == around
    return ids[len(around) :] + reference.stop_ids()[:1]


def logprobs(reference, inputs, tokens, model=None):
    """Log probability of each of `tokens` behind `inputs`; of `model`, which is the whole one if none is named."""
    tail, inputs = torch.tensor([tokens]), dict(inputs)
    if reference.decoder_only:
        inputs["input_ids"] = torch.cat([inputs["input_ids"], tail], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    else:
        start = reference.model.language_model.config.decoder_start_token_id
        inputs["decoder_input_ids"] = torch.tensor([[start] + tokens[:-1]])
    with torch.no_grad():
        logits = (model or reference.model)(**inputs).logits[0]
    if reference.decoder_only:
        logits = logits[-len(tokens) - 1 : -1]
    assert len(logits) == len(tokens)
    return logits.double().log_softmax(-1).gather(1, tail.T)[:, 0].tolist()


def rounded(rows):
    return [[round(x, 6) for x in row] for row in rows]


def matrix(reference, asked):
    """The answer's log probabilities for each picture with each text, all runs by themselves."""
    tokens = candidate_tokens(reference, ANSWER)
    cells = [rounded([logprobs(reference, reference.inputs({**one, "instruction": MATRIX.replace("{}", text), "options": {}}),
                               tokens) for text in TEXTS_SHOWN]) for one in asked]  # fmt: skip
    return {"pictures": asked, "texts": TEXTS_SHOWN, "instruction": MATRIX, "answer": ANSWER, "tokens": tokens, "logprobs": cells}


def without_picture(reference, request):
    """The language model by itself, given the text and no picture."""
    ids = torch.tensor([reference.prompt_tokens(request)["lm"]])
    model = reference.family.language_model(reference.model)
    model = model if hasattr(model, "lm_head") else reference.model  # LLaVA's head is beside it, and it needs no picture
    tokens = [candidate_tokens(reference, text) for text in CANDIDATES]
    return rounded([logprobs(reference, {"input_ids": ids}, one, model) for one in tokens])


def with_qformer_text(reference, request):
    """The Q-Former reads the one text and the language model the other."""
    inputs = reference.inputs(request)
    other = reference.inputs({**request, "instruction": QFORMER_TEXT})
    for name in ("qformer_input_ids", "qformer_attention_mask"):
        inputs[name] = other[name]
    tokens = [candidate_tokens(reference, text) for text in CANDIDATES]
    return rounded([logprobs(reference, inputs, one) for one in tokens])


def scores(name, reference):
    video = "video" in name
    asked = [{"images": [image, "astronaut.jpg"]} if video else {"image": image} for image in ("coffee.jpg", "rocket.jpg")]
    request = {**asked[0], "instruction": TEXTS["vqa"], "options": {}}
    entry = {"checkpoint": name, "matrix": matrix(reference, asked), **asked[0], "instruction": request["instruction"],
             "candidates": CANDIDATES, "without_picture": without_picture(reference, request)}  # fmt: skip
    if "qformer_input_ids" in reference.inputs(request):
        entry |= {"qformer_text": QFORMER_TEXT, "with_qformer_text": with_qformer_text(reference, request)}
    return entry


def from_float64(name, entry):
    """Root of the mean square and largest of the differences of the log probabilities in scores.json from float64's."""
    reference = Reference(HERE / "checkpoints" / name, str(HERE.parent / "data" / "images"))
    twin, differences = reference._twin(0), []
    for asked, row in zip(entry["matrix"]["pictures"], entry["matrix"]["logprobs"]):
        for text, want in zip(TEXTS_SHOWN, row):
            inputs = dict(reference.inputs({**asked, "instruction": MATRIX.replace("{}", text), "options": {}}))
            inputs["pixel_values"] = inputs["pixel_values"].double()
            exact = logprobs(reference, inputs, candidate_tokens(reference, ANSWER), twin)
            differences += [abs(a - b) for a, b in zip(exact, want)]
    square = math.sqrt(sum(x * x for x in differences) / len(differences))
    print(f"{name}: {len(differences)} tokens, root of the mean square {square:.1e}, largest {max(differences):.1e}", flush=True)


def main():
    torch.set_num_threads(1)
    if "--float64" in sys.argv[1:]:
        for entry in json.loads((HERE / "scores.json").read_text())["scores"]:
            from_float64(entry["checkpoint"], entry)
        return
    rankings, scored = [], []
    for name in CHECKPOINTS:
        reference = Reference(HERE / "checkpoints" / name, str(HERE.parent / "data" / "images"))
        for image, question in QUESTIONS:
            asked = {"image": image} if "video" not in name else {"images": [image, "astronaut.jpg", "retina.jpg", image]}
            request = {**asked, "instruction": TEXTS[question], "options": {}}
            tokens = [candidate_tokens(reference, text) for text in CANDIDATES]
            rows = [logprobs(reference, reference.inputs(request), ids) for ids in tokens]
            rankings.append({"checkpoint": name, **asked, "instruction": request["instruction"], "candidates": CANDIDATES,
                             "tokens": tokens, "logprobs": rounded(rows)})  # fmt: skip
        scored.append(scores(name, reference))
    write_compact(HERE / "rankings.json", {"reference": versions(), "rankings": rankings})
    write_compact(HERE / "scores.json", {"reference": versions(), "scores": scored})


if __name__ == "__main__":
    main()
