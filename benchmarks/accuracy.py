#!/usr/bin/env python3
"""What fewer bits do to answers: a row for each way of holding the weights, as docs/quantisation.md has them.

    accuracy.py build/bin/instructblip embedded --world build/bin/instructblip_world    models/, 594 prompts each
    accuracy.py build/bin/instructblip golden                                           tests/golden/checkpoints, by family
    accuracy.py build/bin/instructblip DIRECTORY [--prompts N] [--reference FILE] [--speed]   any checkpoint: made-up prompts

embedded: the answers are compared with those of transformers 4.57.3 in tests/embedded/, whose pictures the world draws
again. golden: the same of those requests of golden.json that change no setting; their weights are random, so that near
ties are common and agreement says little. DIRECTORY: with those of the command's own reference numerics, about the pictures of tests/data;
--reference keeps them for other ways of the same prompts, so that these can be run one at a time. --speed is for a machine
that does nothing else.
equal: answers whose tokens are all the same; tokens: those that stand before the first difference, of all; right: answers
in the expected wording; empty: answers without a text where the reference has one; KL: of the distribution of the first
new token, mean and worst over up to 50 prompts, in nats; MB: weights in memory; ms: a decoding step of one row behind 64 rows of a prompt, with --speed.
"""

import argparse
import base64
import concurrent.futures
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
EVERY = "vision=q8,qformer=q8,projection=q8"
WAYS = {
    "f32": ["--numerics", "fast", "--dtype", "f32"],
    "f16": ["--numerics", "fast", "--dtype", "f16"],
    "bf16": ["--numerics", "fast", "--dtype", "bf16"],
    "q8": ["--dtype", "q8"],
    "q8, head=half": ["--dtype", "q8", "--policy", "head=half"],
    "q8, vision=bf16": ["--dtype", "q8", "--policy", "vision=bf16"],
    "q8, vision=q8": ["--dtype", "q8", "--policy", "vision=q8"],
    "q8, all": ["--dtype", "q8", "--policy", EVERY],
    "q4": ["--dtype", "q4"],
    "q4, head=half": ["--dtype", "q4", "--policy", "head=half"],
    "q4, head=q4": ["--dtype", "q4", "--policy", "head=q4"],
    "q4, vision=q8": ["--dtype", "q4", "--policy", "vision=q8"],
    "q4, others q8": ["--dtype", "q4", "--policy", EVERY],
    "q4, all": ["--dtype", "q4", "--policy", "vision=q4,qformer=q4,projection=q4,head=q4"],
}
# Rows as AVX512-VNNI, AVX2 and AVX512-BF16 have them, and in float32, see docs/kernels.md.
ROWS = {"rows of 8 bits": ("packed_linear=bytes_portable", ("q8", "q4")),
        "rows of 16 bits": ("packed_linear=bytes_avx2", ("q8", "q8, all")),
        "rows of bf16": ("packed_linear=bf16_portable", ("bf16",)),
        "float32 rows": ("packed_linear=portable", ("bf16", "q8", "q4"))}  # fmt: skip
for rows, (kernel, weights) in ROWS.items():
    WAYS |= {f"{held}, {rows}": WAYS[held] + ["--kernels", kernel] for held in weights}
KERNELS = {kernel for kernel, _ in ROWS.values()}


def call(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(str(a) for a in arguments)}\n{done.stderr}")
    return done.stdout


class Prompt:
    """What is asked, and what the reference says; beams and length None: as the checkpoint's own settings have them."""

    def __init__(self, images, instruction, tokens=None, text=None, expected=None, beams=1, length=60):
        self.images, self.instruction, self.beams, self.length = images, instruction, beams, length
        self.tokens, self.text, self.expected = tokens, text, expected


class Set:
    """Prompts about one checkpoint."""

    def __init__(self, name, model, prompts):
        self.name, self.model, self.prompts = name, model, prompts


def embedded(options, work):
    for model in ("tiny-t5", "tiny-vicuna"):
        rows = [json.loads(line) for line in open(ROOT / "tests" / "embedded" / f"{model}.jsonl")]
        world = call(options.world, "--exam", "--seed", rows[0]["seed"], "--scenes", len(rows)).splitlines()
        prompts = []
        for row, line in zip(rows, world):
            picture = work / f"{model}-{row['scene']}.ppm"
            picture.write_bytes(b"P6 72 72 255\n" + base64.b64decode(json.loads(line)["rgb"]))
            prompts += [Prompt([picture], a["instruction"], a["tokens"], a["text"], a["expected"], a["num_beams"])
                        for a in row["answers"]]  # fmt: skip
        yield Set(model, ROOT / "models" / model, prompts)


def golden(options, work):
    for directory in sorted((ROOT / "tests" / "golden" / "checkpoints").iterdir()):
        if not (directory / "golden.json").exists():
            continue
        whole = json.loads((directory / "golden.json").read_text())
        prompts = []
        for request in whole["requests"]:
            if set(request["options"]) - {"max_new_tokens"} or request.get("interpolate"):
                continue
            names = request.get("images") or [request["image"]]
            answer = request["sequences"][0]
            prompts.append(Prompt([ROOT / "tests/data/images" / n for n in names], request["instruction"],
                                  answer["tokens"], answer["text"], beams=None,
                                  length=request["options"].get("max_new_tokens")))  # fmt: skip
        config = json.loads((directory / "config.json").read_text())
        family = config["model_type"] + ", " + config["text_config"].get("model_type", "llama")
        if prompts:
            yield Set(family, directory, prompts)


INSTRUCTIONS = ["What is in the picture?", "Describe the picture in detail.", "a photo of",
                "Question: what is unusual about this image? Answer:", "How many objects are there?",
                "Where was this picture taken?", "Is there a person in the picture? Answer yes or no.",
                "Write a short caption.", "What color is the largest object?", "What is the weather like?",
                "What time of day is it?", "Which material is it made of?", "What is in the background?",
                "Is it indoors or outdoors?", "Who would take such a picture, and why?", "What happens next?",
                "Question: what is to the left? Answer:", "Name three things that can be seen.",
                "Is the picture sharp?", "What would you hear there?", "Describe the mood in one word.",
                "What is the main subject doing?", "Is anything broken?", "Which season is it?",
                "Write a poem about it.", "What could this be used for?"]  # fmt: skip
INSTRUCTIONS += [form.format(thing) for thing in ("sky", "table", "animal", "person", "building", "light", "car", "food")
                 for form in ("What color is the {}?", "How many {}s are there?", "Is there a {} in the picture?",
                              "Describe the {} in detail.", "Question: where is the {}? Answer:",
                              "What is next to the {}?")]  # fmt: skip
REFERENCE = ["--numerics", "reference"]


def made_up(options, work):
    images = sorted((ROOT / "tests/data/images").glob("*.jpg"))
    pairs = [(image, instruction) for image in images for instruction in INSTRUCTIONS]
    prompts = [Prompt([image], instruction, length=options.length) for image, instruction in some_of(pairs, options.prompts)]
    directory = pathlib.Path(options.what)
    for prompt, answer in zip(prompts, of_reference(options, "answers", directory, prompts, lambda: answers(
            options, directory, REFERENCE, prompts, work))):  # fmt: skip
        prompt.tokens, prompt.text = answer["tokens"], answer["text"]
    yield Set(directory.name, directory, prompts)


def of_reference(options, what, directory, prompts, make):
    """What the reference numerics say of these prompts: as an earlier run has kept it, or made now."""
    key = json.dumps([what, str(directory), [(str(p.images), p.instruction, p.length) for p in prompts]])
    kept = json.loads(options.reference.read_text()) if options.reference and options.reference.exists() else {}
    if key not in kept:
        kept[key] = make()
        if options.reference:
            options.reference.write_text(json.dumps(kept))
    return kept[key]


def step_ms(options, model, way):
    """Of one row, by the stages' own benchmark."""
    row = json.loads(call(options.binary, "bench", "--json", "--quiet", "--model", model, "--stages", "decode",
                          "--prompt", 64, "--read-size", "64MiB", *way))["rows"][0]  # fmt: skip
    return row["median_ms"]


def answers(options, model, way, prompts, work):
    found = {}
    for setting in dict.fromkeys((prompt.beams, prompt.length) for prompt in prompts):
        some = [i for i, prompt in enumerate(prompts) if (prompt.beams, prompt.length) == setting]
        requests, output = work / "requests.jsonl", work / "answers.jsonl"
        with open(requests, "w") as file:
            for i in some:
                names = [str(name) for name in prompts[i].images]
                pictures = {"image": names[0]} if len(names) == 1 else {"images": names}
                file.write(json.dumps({**pictures, "instruction": prompts[i].instruction}) + "\n")
        output.unlink(missing_ok=True)
        given = [part for name, value in zip(("--num-beams", "--max-new-tokens"), setting) if value
                 for part in (name, value)]  # fmt: skip
        call(options.binary, "batch", requests, "-o", output, "--model", model, *given, "--quiet", *way)
        for i, line in zip(some, open(output)):
            found[i] = json.loads(line)
    return [found[i] for i in range(len(prompts))]


def logits(options, model, way, prompt, work, number):
    file = work / f"features-{number}.safetensors"
    pictures = [part for name in prompt.images for part in ("--image", name)]
    call(options.binary, "features", "--model", model, *pictures, "--instruction", prompt.instruction, "-o", file,
         "--quiet", *way)  # fmt: skip
    content = file.read_bytes()
    file.unlink()
    size = struct.unpack("<Q", content[:8])[0]
    begin, end = json.loads(content[8 : 8 + size])["logits"]["data_offsets"]
    return struct.unpack(f"<{(end - begin) // 4}f", content[8 + size + begin : 8 + size + end])


def log_softmax(values):
    most = max(values)
    norm = most + math.log(sum(math.exp(v - most) for v in values))
    return [v - norm for v in values]


def divergence(p, q):
    p, q = log_softmax(p), log_softmax(q)
    return max(0.0, sum(math.exp(a) * (a - b) for a, b in zip(p, q)))


def first_difference(a, b):
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return i
    return min(len(a), len(b))


def some_of(prompts, count):
    return prompts[:: max(1, len(prompts) // count)][:count] if count else []


class Row:
    def __init__(self):
        self.prompts = self.equal = self.tokens = self.same = self.right = self.asked = self.empty = 0
        self.bytes, self.divergences, self.ms = 0, [], None

    def add(self, prompt, answer):
        self.prompts += 1
        self.equal += answer["tokens"] == prompt.tokens
        self.tokens += len(prompt.tokens)
        self.same += first_difference(answer["tokens"], prompt.tokens)
        self.empty += answer["text"] == "" and prompt.text != ""
        if prompt.expected is not None:
            self.asked += 1
            self.right += answer["text"] == prompt.expected

    def cells(self):
        share = lambda part, all: f"{100 * part / all:.1f} %" if all else "-"
        kl = self.divergences
        return [str(self.prompts), share(self.equal, self.prompts), share(self.same, self.tokens),
                share(self.right, self.asked), str(self.empty),
                f"{sum(kl) / len(kl):.1e}" if kl else "-", f"{max(kl):.1e}" if kl else "-",
                f"{self.bytes / 1e6:.2f}"] + ([f"{self.ms:.2f}"] if self.ms else [])  # fmt: skip


def examine(options, way, one, row, work, exact):
    for prompt, answer in zip(one.prompts, answers(options, one.model, way, one.prompts, work)):
        row.add(prompt, answer)
    chosen = some_of(one.prompts, options.divergences)
    if exact:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(logits, options, one.model, way, p, work, i) for i, p in enumerate(chosen)]
            row.divergences += [divergence(exact[i], job.result()) for i, job in enumerate(jobs)]
    info = json.loads(call(options.binary, "info", "--json", "--model", one.model,
                           *[a for a in way if a not in ("--numerics", "fast", "--kernels", *KERNELS)]))  # fmt: skip
    row.bytes = info["weight_bytes"]
    if options.speed:
        row.ms = step_ms(options, one.model, way)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("what", help="embedded, golden or the directory of a checkpoint")
    parser.add_argument("--world", default=str(ROOT / "build/bin/instructblip_world"))
    parser.add_argument("--prompts", type=int, default=64, help=f"of a directory, {7 * len(INSTRUCTIONS)} at most")
    parser.add_argument("--length", type=int, default=8, help="new tokens of an answer about a directory")
    parser.add_argument("--reference", type=pathlib.Path, help="of a directory: keeps what the reference numerics say")
    parser.add_argument("--speed", action="store_true", help="a column more: ms of a decoding step")
    parser.add_argument("--divergences", type=int, default=50, help="prompts that the divergence is taken of; 0: none")
    parser.add_argument("--ways", default=";".join(WAYS), help="some of them, with semicolons")
    parser.add_argument("--policy", action="append", default=[], help="one more of q4")
    options = parser.parse_args()
    ways = {name: WAYS[name] for name in options.ways.split(";") if name}
    ways |= {f"q4, {policy}": ["--dtype", "q4", "--policy", policy] for policy in options.policy}
    make = {"embedded": embedded, "golden": golden}.get(options.what, made_up)
    columns = "model, weights, prompts, equal, tokens, right, empty, mean KL, worst KL, MB".split(", ")
    columns += ["ms"] if options.speed else []
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        families = {}
        for one in make(options, work):
            families.setdefault(one.name, []).append(one)
        print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns), flush=True)
        for family, sets in families.items():
            exact = [of_reference(options, "logits", one.model, chosen, lambda: [
                logits(options, one.model, REFERENCE, p, work, i) for i, p in enumerate(chosen)])
                for one in sets for chosen in [some_of(one.prompts, options.divergences)]]  # fmt: skip
            for name, way in ways.items():
                row = Row()
                for one, of_one in zip(sets, exact):
                    examine(options, way, one, row, work, of_one)
                print(f"| {family} | {name} | " + " | ".join(row.cells()) + " |", flush=True)


main()
