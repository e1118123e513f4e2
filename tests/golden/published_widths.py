#!/usr/bin/env python3
"""The reference against the instructblip command at published widths, on this machine. Nothing is stored.

    python published_widths.py DIRECTORY --binary build/bin/instructblip               ids
    python published_widths.py DIRECTORY --binary build/bin/instructblip --time 5      times and peak memory

Writes random checkpoints into DIRECTORY (kept there; 1 to 3 GB each in F32) unless they exist, a few layers of each stack:
t5, vicuna (InstructBLIP), blip2_t5, blip2_opt: ViT 1408 wide with head 88, 224 px, patch 14, Q-Former 768 with 30523 words
    (without words in BLIP-2), Flan-T5 2048/5120 with 32128 rows, LLaMA 4096/11008 with 32064, OPT 2560/10240 with 50304
llava, llava_next: CLIP 1024 wide, 336 px, patch 14, LLaMA with 32064 rows; up to 2928 rows of a prompt are a picture's
retrieval: the same ViT and Q-Former, a space of 256
Compares ids over photographs x instructions x decoding settings, or logits and cosines of matches. Exit status 1 on any
difference. Times are taken of the BLIP families.
Reference: transformers 4.57.3, torch 2.11.0 (CPU, float32), Pillow 13.0.0.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE: its tokenizers.py would hide the package of that name

import torch  # noqa: E402

import full_width  # noqa: E402
import retrieval  # noqa: E402
from binary import Binary, answer_faults, stage_faults, token_faults, visual_rows  # noqa: E402
from reference import Reference  # noqa: E402
from requests_table import INSTRUCTIONS  # noqa: E402
from toys import photographs  # noqa: E402

SETTINGS = {
    "greedy": {"max_new_tokens": 20},
    "beams-5": {"max_new_tokens": 12, "num_beams": 5, "length_penalty": -1.0},
    "lavis": {"max_new_tokens": 16, "num_beams": 5, "repetition_penalty": 1.5, "min_new_tokens": 1},
    "ngram": {"max_new_tokens": 24, "no_repeat_ngram_size": 2, "repetition_penalty": 1.15, "min_new_tokens": 8},
    "beams-3-never": {"max_new_tokens": 14, "num_beams": 3, "early_stopping": "never", "length_penalty": 2.0,
                      "num_return_sequences": 3},
}  # fmt: skip


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--kinds", default="t5,vicuna", help=f"some of {', '.join(full_width.KINDS)}")
    parser.add_argument("--dtype", default="F32", choices=("F32", "F16", "BF16"))
    parser.add_argument("--layers", type=int, default=2, help="of each stack; 0: as many as are published")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--instructions", default="10", help="how many, or their names in requests_table.py")
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--image-directory", default=str(HERE.parent / "data" / "images"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--numerics", default="auto", help="what the command answers with")
    parser.add_argument("--time", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--new-tokens", type=int, default=32, help="of a timed answer")
    parser.add_argument("--dtypes", default="auto", help="as which the command holds weights while it is timed, such as auto,q8,q4")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser.parse_args()


def checkpoint(kind, options):
    return full_width.kept(kind, options.directory, options.seed, options.layers, options.dtype)


# ------------------------------------------------------------------------------------------------------------- ids


def chosen_instructions(text):
    return list(INSTRUCTIONS)[: int(text)] if text.isdigit() else text.split(",")


def compare(kind, path, options):
    """How many answers differ. The command's come first, so that memory never holds both programs' weights."""
    binary = Binary(options.binary, options.image_directory, options.threads, options.numerics)
    images = photographs(options.image_directory)[: options.images]
    instructions = chosen_instructions(options.instructions)
    requests = [(name, setting, {"instruction": INSTRUCTIONS[name], "options": SETTINGS[setting]})
                for name in instructions for setting in options.settings.split(",")]  # fmt: skip
    first = {"image": images[0], "instruction": INSTRUCTIONS[instructions[0]], "options": {}}
    features = binary.features(path, first)
    found = [ask_all(binary, path, request, images) for _, _, request in requests]

    reference = Reference(path, options.image_directory)
    equal = near = different = 0
    for fault in stage_faults(reference.stages(first), features):
        print(f"{kind}: {fault}")
        different += 1
    answers, prompts = set(), {}
    for (name, setting, request), ours in zip(requests, found):
        for image, answer in zip(images, ours):
            question = {**request, "image": image}
            expected, margin = reference.run(question)
            prompts[name] = expected["prompt_tokens"]
            answers.add(tuple(expected["sequences"][0]["tokens"]))
            faults = answer_faults(expected, answer, visual_rows(path, question))
            verdict = "equal"
            if faults:
                ids = [s["tokens"] for s in expected["sequences"]]
                # Three more models would not fit beside one of full depth.
                tie = options.layers and not reference.is_stable(question, ids, keep=False)
                verdict = "near tie" if tie else "DIFFERENT"
            equal, near, different = (
                equal + (verdict == "equal"), near + (verdict == "near tie"), different + (verdict == "DIFFERENT")
            )  # fmt: skip
            gap = "" if margin is None else f"{margin:.4f}"
            print(f"{kind:10} {name:12} {setting:14} {image:26} {verdict:10} {gap:8} {'; '.join(faults)}", flush=True)
    for name, expected in prompts.items():
        faults = token_faults(expected, binary.tokenize(path, {"instruction": INSTRUCTIONS[name]}))
        different += len(faults)
        for fault in faults:
            print(f"{kind} {name}: {fault}")
    print(f"{kind}: {equal} equal, {near} near ties, {different} different; {len(answers)} different answers", flush=True)
    return different


def compare_matches(path, options):
    reference = retrieval.Reference(path, options.image_directory)
    images = photographs(options.image_directory)[: options.images]
    texts = [INSTRUCTIONS[name] for name in chosen_instructions(options.instructions)]
    found = Binary(options.binary, options.image_directory, options.threads, options.numerics).match(path, images, texts)
    logits, cosines = retrieval.differences(reference, images, texts, found)
    print(f"retrieval: {len(found)} matches, logits within {logits:.1e}, cosines within {cosines:.1e}", flush=True)
    return int(logits > 1e-4 or cosines > 1e-4)


def ask_all(binary, path, request, images):
    """One process for all pictures: the model is loaded once."""
    arguments = [f"--image={os.path.join(binary.image_directory, image)}" for image in images]
    arguments += [f"--instruction={request['instruction']}", "--json", "--quiet",
                  f"--threads={binary.threads}", f"--numerics={binary.numerics}"]  # fmt: skip
    output = binary.call("run", path, arguments + binary.flags(request["options"]))
    return [json.loads(line) for line in output.split("\n") if line]


# ----------------------------------------------------------------------------------------------------------- times

TIMED = {"t5", "vicuna", "blip2_t5", "blip2_opt"}  # whose modules have the names below


class Stopwatch:
    """Wall time of the reference's stages, taken around the forward functions of its modules."""

    def __init__(self, reference):
        self.reference, self.heads, self.spans = reference, [], {}
        model = reference.model
        for name in ("vision_model", "qformer", "language_projection"):
            self._wrap(getattr(model, name), name)
        self._wrap(model.language_model, "generate", "generate")
        model.language_model.get_output_embeddings().register_forward_hook(
            lambda *_: self.heads.append(time.perf_counter())
        )

    def _wrap(self, module, name, function="forward"):
        plain = getattr(module, function)

        def timed(*args, **kwargs):
            start = time.perf_counter()
            result = plain(*args, **kwargs)
            self.spans[name] = (start, time.perf_counter())
            return result

        setattr(module, function, timed)

    def run(self, request):
        reference = self.reference
        self.heads.clear()
        start = time.perf_counter()
        reference.processor.image_processor(reference.image(request["image"]), return_tensors="pt")
        image = time.perf_counter()
        tokens = reference.tokens(request)
        length = lambda name: (self.spans[name][1] - self.spans[name][0]) * 1e3
        steps = len(self.heads) - 1
        return {
            "image": (image - start) * 1e3, "vision": length("vision_model"),
            "qformer": length("qformer") + length("language_projection"),
            "prefill": (self.heads[0] - self.spans["generate"][0]) * 1e3,
            "per_token": (self.heads[-1] - self.heads[0]) * 1e3 / max(steps, 1),
            "total": (time.perf_counter() - start) * 1e3, "tokens": len(tokens[0]),
        }  # fmt: skip


def time_reference(job):
    torch.set_num_threads(job["threads"])
    start = time.perf_counter()
    reference = Reference(job["path"], job["image_directory"])
    load = (time.perf_counter() - start) * 1e3
    watch = Stopwatch(reference)
    for _ in range(2):  # the first one warms up
        times = watch.run(job["request"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"load": load, **times, "peak_rss": peak}))


def time_binary(path, request, options, dtype):
    binary = Binary(options.binary, options.image_directory, options.threads, options.numerics, dtype)
    _, warm = binary.timed(path, request, times=2)
    return warm


def measure(kind, path, options):
    image = photographs(options.image_directory)[0]
    stored = sum(p.stat().st_size for p in path.glob("*.safetensors"))
    dtypes = options.dtypes.split(",")
    for name, more in (("greedy", {}), ("beams-5", {"num_beams": 5})):
        count = options.new_tokens
        request = {"image": image, "instruction": INSTRUCTIONS["unusual"],
                   "options": {"max_new_tokens": count, "min_new_tokens": count, **more}}  # fmt: skip
        rows = {side: [] for side in ("reference", *dtypes)}
        for _ in range(options.time):  # alternating, so that a busy moment of the machine meets all
            job = {"path": str(path), "image_directory": options.image_directory, "request": request,
                   "threads": options.threads}  # fmt: skip
            done = subprocess.run([sys.executable, __file__, str(path), "--job", json.dumps(job)], capture_output=True,
                                  text=True, check=True)  # fmt: skip
            rows["reference"].append(json.loads(done.stdout.splitlines()[-1]))
            for dtype in dtypes:
                rows[dtype].append(time_binary(path, request, options, dtype))
        print(f"\n{kind} {name}, {count} tokens, {options.threads} threads, medians of {options.time}; ms, and how many times as fast")
        print(f"{'':12}" + "".join(f"{side:>20}" for side in rows))
        for key in rows["reference"][0]:
            medians = {side: statistics.median(row[key] for row in found) for side, found in rows.items()}
            if key == "peak_rss":
                print(f"{key:12}" + "".join(f"{value / 1e9:17.2f} GB" for value in medians.values()), f"; {stored / 1e9:.2f} GB stored")
            else:
                ratios = ("" if side == "reference" or key == "tokens" else f" ({medians['reference'] / value:.2f})"
                          for side, value in medians.items())  # fmt: skip
                print(f"{key:12}" + "".join(f"{f'{value:.1f}{ratio}':>20}" for value, ratio in zip(medians.values(), ratios)), flush=True)


def main():
    options = parse()
    if options.job:
        time_reference(json.loads(options.job))
        return
    torch.set_num_threads(options.threads)
    different, kinds = 0, options.kinds.split(",")
    if options.time and not TIMED.issuperset(kinds):
        sys.exit(f"--time: expected --kinds of {', '.join(sorted(TIMED))}")
    for kind in kinds:
        path = checkpoint(kind, options)
        if kind == "retrieval":
            different += compare_matches(path, options)
        elif options.time:
            measure(kind, path, options)
        elif options.binary:
            different += compare(kind, path, options)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
