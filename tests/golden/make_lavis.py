#!/usr/bin/env python3
"""Asks LAVIS, the authors' code, about the tiny checkpoints of tests/golden/checkpoints; writes tests/golden/lavis.

    python make_lavis.py --lavis CHECKOUT [NAME ...]      all or some of the checkpoints below, and "processors"

CHECKOUT: https://github.com/salesforce/LAVIS at commit 506965b. Python with transformers 4.33.2, which LAVIS pins; see
README.md for the other versions and for the formats. Nothing is drawn at random: the weights are the checkpoints'.
"""

import argparse
import pathlib
import random
import sys
import warnings
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE: its tokenizers.py would hide the package of that name
warnings.simplefilter("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402

import lavis_model  # noqa: E402
import lavis_requests  # noqa: E402
from golden_file import write_compact  # noqa: E402
from lavis_folders import read_json  # noqa: E402
from lavis_reference import Reference, defaults_of, versions  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

transformers.logging.set_verbosity_error()
# Name, seed of the deal, and the requests whose stages are stored.
CHECKPOINTS = {
    "t5_2024": (1, ["defaults", "defaults-longer"]),
    "t5_2023": (2, []),
    "t5_gelu_new": (3, ["defaults"]),
    "vicuna_2024": (4, ["defaults", "defaults-longer"]),
    "vicuna_2023": (5, ["defaults"]),
    "vicuna_sentencepiece": (6, []),
    "blip2_opt": (7, ["defaults"]),
    "blip2_t5": (8, ["defaults"]),
    "video_t5": (9, ["three-frames"]),
    "video_vicuna": (10, ["three-frames"]),
    "blip2_itm": (11, []),
}
SHORT = ("t5_2023", "t5_gelu_new", "vicuna_sentencepiece", "blip2_t5", "video_t5", "video_vicuna")  # every second request
# Pictures that say how the camera was held are left out: LAVIS does not turn them.
TURNED = ("coffee_orientation6.jpg",)
PROCESSED = ("astronaut.jpg", "camera_grey.jpg", "chelsea_alpha.png", "coffee_orientation6.jpg", "hubble_palette.png",
             "portrait.jpg", "rocket.jpg", "aspect/pole.png", "aspect/strip.jpg")  # fmt: skip
SIZES = (224, 42, 45)


def photographs(directory):
    kinds = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
    return sorted(p.name for p in directory.iterdir() if p.suffix.lower() in kinds and p.name not in TURNED)


def answered(reference, requests):
    kept, dropped = [], []
    for request in requests:
        try:
            result = reference.run(request)
        except TypeError:  # its slow tokenizer of OPT fails on rows of the head that no token has
            dropped.append(request["name"] + " (no text)")
            continue
        if reference.is_stable(lambda: reference.tokens(request), [s["tokens"] for s in result["sequences"]]):
            kept.append({**request, **result, "stages": None})
        else:
            dropped.append(request["name"])
    return kept, dropped


def ranked(reference, questions):
    """predict_class with its losses; `tied` where rounding decides the order."""
    result = []
    for question in questions:
        losses, ranks = reference.losses(question)
        stable = reference.is_stable(lambda: reference.losses(question)[1], ranks)
        result.append({**question, "losses": losses, "ranks": ranks, "tied": not stable})
    return result


def tokenized(reference):
    """Texts with literal special tokens: answered or not, what LAVIS's tokenizers make of them."""
    result = []
    for text in (lavis_requests.INSTRUCTIONS[name] for name in lavis_requests.LITERAL):
        reads = reference.model.Qformer.bert.embeddings.word_embeddings is not None
        words = reference.model.tokenizer(text).input_ids if reads else []
        result.append({"text": text, "lm": reference.tokenizer(text).input_ids, "qformer": words})
    return result


def decoded(reference, count=40):
    """Texts that LAVIS makes of ids which no model has chosen: many bytes among them."""
    rng, result = random.Random(count), []
    low = [i for i in range(len(reference.tokenizer)) if i < 262]  # LLaMA: special tokens and bytes
    for _ in range(count):
        pool = rng.choice((low, range(len(reference.tokenizer))))
        ids = [rng.choice(pool) for _ in range(rng.randint(1, 16))]
        rewritten = [2 if i == 0 and reference.kind == "llama" else i for i in ids]
        text = reference.tokenizer.batch_decode([rewritten], skip_special_tokens=True)[0]
        result.append({"ids": ids, "text": text if reference.kind == "t5" else text.strip()})
    return result


def requests_for(name, config, images):
    seed, staged = CHECKPOINTS[name]
    several = "video" in config["model_type"]
    first = lavis_requests.deal(lavis_requests.VIDEO, images, "generate", seed, several) if several else []
    generate = lavis_requests.deal(lavis_requests.GENERATE, images, "generate", seed, several)
    answers = lavis_requests.deal(lavis_requests.ANSWERS, images, "predict_answers", seed + 1, several)
    requests = first + generate + answers
    if config["text_config"]["model_type"] == "llama":
        literal = [lavis_requests.INSTRUCTIONS[text] for text in lavis_requests.LITERAL]
        requests = [request for request in requests if request["instruction"] not in literal]
    return requests[::2] + [r for r in requests[1::2] if r["name"] in staged] if name in SHORT else requests


def write_language(name, reference, directory, images, target):
    config, (seed, staged) = read_json(directory / "config.json"), CHECKPOINTS[name]
    requests, dropped = answered(reference, requests_for(name, config, images))
    tensors = {}
    for request in requests:
        if request["name"] in staged:
            request["stages"] = request["name"]
            for stage, tensor in reference.stages(request).items():
                tensors[f"{request['name']}.{stage}"] = tensor
    candidates = []
    if hasattr(reference.model, "predict_class"):
        several = "video" in config["model_type"]
        candidates = ranked(reference, lavis_requests.deal_candidates(images, seed, several))
    write_compact(target / f"{name}.json", {
        "checkpoint": name, "reference": versions(), "defaults": defaults_of(reference.model, reference.kind),
        "requests": requests, "candidates": candidates, "tokenized": tokenized(reference),
        "decoded": [] if name in SHORT else decoded(reference),
    })  # fmt: skip
    if tensors:
        save_file(tensors, target / f"{name}.safetensors")
        (target / f"{name}.safetensors").chmod(0o644)
    stops = sum(s["finish_reason"] == "stop" for r in requests for s in r["sequences"])
    total = sum(len(r["sequences"]) for r in requests)
    answers = {tuple(r["sequences"][0]["tokens"]) for r in requests}
    print(f"{name}: {len(requests)} requests, dropped {dropped}, {len(answers)} answers, {stops} of {total} sequences "
          f"stopped, {sum(c['tied'] for c in candidates)} of {len(candidates)} rankings tied", flush=True)  # fmt: skip


def write_retrieval(name, reference, directory, images, target):
    texts = [lavis_requests.INSTRUCTIONS[text] for text in lavis_requests.MATCHED]
    rows = []
    for i in range(2):
        picture = images[(CHECKPOINTS[name][0] + 3 * i) % len(images)]
        pairs = [reference.match(picture, text) for text in texts]
        rows.append({"image": picture, "match": [p[0] for p in pairs], "similarity": [p[1] for p in pairs]})
    ids = [reference.model.tokenizer(text, truncation=True, max_length=reference.model.max_txt_len).input_ids for text in texts]
    write_compact(target / f"{name}.json", {
        "checkpoint": name, "reference": versions(),
        "texts": [{"text": text, "tokens": tokens} for text, tokens in zip(texts, ids)], "images": rows,
    })  # fmt: skip
    print(f"{name}: {len(texts)} texts, {len(rows)} pictures", flush=True)


def crc(tensor):
    return f"{zlib.crc32(tensor.contiguous().numpy().tobytes()):08x}"


def write_processors(image_directory, target):
    from PIL import Image

    blip, clip = lavis_model.processors("blip_processors"), lavis_model.processors("clip_processors")
    pixels = []
    for name in PROCESSED:
        picture = Image.open(image_directory / name).convert("RGB")
        for size in SIZES:
            pixels.append({"image": name, "size": size, "blip_image_eval": crc(blip.BlipImageEvalProcessor(size)(picture)),
                           "clip_image_eval": crc(clip.ClipImageEvalProcessor(size)(picture))})  # fmt: skip
    write_compact(target / "pixels.json", {"reference": versions(), "pixels": pixels})
    texts = []
    for text in lavis_requests.TEXTS:
        for words in lavis_requests.MAX_WORDS:
            question = blip.BlipQuestionProcessor(max_words=words)(text)
            caption = blip.BlipCaptionProcessor(max_words=words)(text)
            texts.append({"text": text, "max_words": words, "blip_question": question, "blip_caption": caption})
    write_compact(target / "texts.json", {"reference": versions(), "texts": texts})
    print(f"processors: {len(pixels)} sets of pixels, {len(texts)} texts", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--lavis", required=True, help="checkout of LAVIS")
    parser.add_argument("--checkpoints", type=pathlib.Path, default=HERE / "checkpoints")
    parser.add_argument("--images", type=pathlib.Path, default=HERE.parent / "data" / "images")
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "lavis")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lavis_model.import_lavis(options.lavis)
    options.output.mkdir(exist_ok=True)
    images = photographs(options.images)
    if not options.names or "processors" in options.names:
        write_processors(options.images, options.output)
    for name in CHECKPOINTS:
        if not options.names or name in options.names:
            directory = options.checkpoints / name
            reference = Reference(directory, options.images)
            write = write_language if reference.language else write_retrieval
            write(name, reference, directory, images, options.output)


if __name__ == "__main__":
    main()
