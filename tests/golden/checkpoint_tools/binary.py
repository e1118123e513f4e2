"""Asks the instructblip command and holds its answers against the reference's."""

import json
import math
import os
import pathlib
import subprocess
import tempfile

import torch
from requests_table import pictures
from safetensors.torch import load_file

STAGES = ("vision", "qformer", "projection", "logits")


def picked_frames(directory):
    """How many frames a video processor's settings pick out; None where it shows all."""
    names = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
    found = [path for path in (pathlib.Path(directory) / name for name in names) if path.exists()]
    settings = json.loads(found[0].read_text()) if found else {}
    settings = settings.get("video_processor", settings)
    return settings.get("num_frames") if settings.get("do_sample_frames") else None


def visual_rows(directory, request):
    """How many rows of the prompt the pictures of a request take; None where that depends on their size."""
    config = json.loads((pathlib.Path(directory) / "config.json").read_text())
    if "num_query_tokens" in config:
        return config["num_query_tokens"] * (picked_frames(directory) or len(pictures(request)))
    if "image_grid_pinpoints" in config or config["model_type"] == "llava_next":
        return None
    vision = config["vision_config"]
    rows = (vision["image_size"] // vision["patch_size"]) ** 2 + (config["vision_feature_select_strategy"] == "full")
    return rows * len(pictures(request))


def runs_in_one_call(directory, request):
    """Several pictures are one request to a video model only; to the others they are several requests."""
    config = json.loads((pathlib.Path(directory) / "config.json").read_text())
    return len(pictures(request)) == 1 or "video" in config["model_type"]


class Binary:
    def __init__(self, path, image_directory, threads=1, numerics="auto", dtype="auto"):
        self.path, self.image_directory, self.threads, self.numerics = str(path), image_directory, threads, numerics
        self.dtype = dtype
        self.usage = None

    def call(self, command, model, arguments):
        line = [self.path, command, "--model", str(model), *arguments]
        done = subprocess.run(line, capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-800:]}")
        return done.stdout.decode()

    def images(self, request):
        return [f"--image={os.path.join(self.image_directory, name)}" for name in pictures(request)]

    def flags(self, options):
        result = []
        for key, value in options.items():
            name = "--" + key.replace("_", "-")
            if key == "interpolate_pos_encoding":
                result += [name] if value else []
            elif key == "bad_words_ids":
                result += [f"{name}={','.join(map(str, run))}" for run in value]
            elif isinstance(value, list):
                result.append(f"{name}={','.join(map(str, value)) or 'none'}")
            else:
                result.append(f"{name}={str(value).lower() if isinstance(value, bool) else value}")
        return result

    def run(self, model, request):
        arguments = [*self.images(request), f"--instruction={request['instruction']}", "--json", "--quiet",
                     f"--threads={self.threads}", f"--numerics={self.numerics}", *self.flags(request["options"])]  # fmt: skip
        return json.loads(self.call("run", model, arguments))

    def timed(self, model, request, times):
        """Milliseconds of each stage, and the answer, of the same request `times` times in one process, where nothing is
        kept from one to the next. The first one warms up."""
        line = [self.path, "run", "--model", str(model), *self.images(request) * times, "--json", "--quiet", "--cache=0",
                f"--instruction={request['instruction']}", f"--threads={self.threads}", f"--numerics={self.numerics}",
                f"--dtype={self.dtype}", *self.flags(request["options"])]  # fmt: skip
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        output = process.stdout.read().decode()
        errors = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            raise RuntimeError(errors)
        answers = [json.loads(text) for text in output.splitlines()]
        return [
            answer["timings_ms"]
            | {"load": answers[0]["timings_ms"]["load"], "ids": answer["tokens"], "tokens": len(answer["tokens"]),
               "per_token": answer["timings_ms"]["decode"] / max(len(answer["tokens"]) - 1, 1),
               "peak_rss": usage.ru_maxrss * 1024}
            for answer in answers
        ]  # fmt: skip

    def tokenize(self, model, request):
        return json.loads(self.call("tokenize", model, [f"--text={request['instruction']}", "--json", "--quiet"]))

    def match(self, model, images, texts):
        """What `instructblip match` says of every picture with every text."""
        arguments = [f"--image={os.path.join(self.image_directory, name)}" for name in images]
        arguments += [f"--text={text}" for text in texts] + ["--json", "--quiet", f"--threads={self.threads}", f"--numerics={self.numerics}"]
        return [json.loads(line) for line in self.call("match", model, arguments).split("\n") if line]

    def features(self, model, request):
        with tempfile.TemporaryDirectory() as work:
            target = pathlib.Path(work) / "features.safetensors"
            interpolate = {k: v for k, v in request["options"].items() if k == "interpolate_pos_encoding"}
            arguments = [*self.images(request), f"--instruction={request['instruction']}", "--quiet",
                         f"--numerics={self.numerics}", f"--output={target}", *self.flags(interpolate)]  # fmt: skip
            self.call("features", model, arguments)
            return load_file(target)


def first_difference(a, b):
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return i
    return min(len(a), len(b))


def answer_faults(expected, found, rows):
    """What differs between the sequences of golden.json and the command's JSON, in words; [] if nothing.

    `rows` of the prompt belong to pictures, or None for any number of them.
    """
    faults = []
    theirs, ours = expected["sequences"], found["sequences"]
    if len(theirs) != len(ours):
        return [f"{len(ours)} sequences, expected {len(theirs)}"]
    for rank, (a, b) in enumerate(zip(theirs, ours)):
        if a["tokens"] != b["tokens"]:
            at = first_difference(a["tokens"], b["tokens"])
            faults.append(f"#{rank} ids differ at {at}: expected {a['tokens'][at : at + 5]}, got {b['tokens'][at : at + 5]}")
            continue
        for key in ("text", "finish_reason"):
            if a[key] != b[key]:
                faults.append(f"#{rank} {key}: expected {a[key]!r}, got {b[key]!r}")
        if not math.isclose(a["score"], b["score"], rel_tol=1e-3, abs_tol=1e-3):
            faults.append(f"#{rank} score: expected {a['score']:.6f}, got {b['score']:.6f}")
    if found["tokens"] != ours[0]["tokens"] or found["text"] != ours[0]["text"]:
        faults.append("the top level does not repeat the first sequence")
    prompt = found["prompt_tokens"] if rows is None else rows + len(expected["prompt_tokens"]["lm"])
    if found["prompt_tokens"] != prompt or found["qformer_tokens"] != len(expected["prompt_tokens"]["qformer"]):
        faults.append(f"prompt_tokens {found['prompt_tokens']}, expected {prompt}")
    return faults


def token_faults(expected, found):
    return [
        f"{which} ids of the instruction differ at {first_difference(expected[which], found[which])}: "
        f"expected {expected[which][:12]}, got {found[which][:12]}"
        for which in ("lm", "qformer")
        if expected[which] != found[which]
    ]


def stage_faults(expected, found):
    faults = []
    if not torch.equal(expected["pixel_values"], found["pixel_values"]):
        faults.append("pixel_values differ")
    if expected.keys() != found.keys():
        return [f"stages {sorted(found)}, expected {sorted(expected)}"]
    for stage in (name for name in STAGES if name in expected):
        a, b = expected[stage], found[stage]
        if stage == "logits" and bool(torch.isneginf(a[:, b.shape[1] :]).all()):  # rows that only a twin has
            a = a[:, : b.shape[1]]
        if a.shape != b.shape:
            faults.append(f"{stage}: shape {tuple(b.shape)}, expected {tuple(a.shape)}")
        elif (a - b).abs().max() > 1e-4 * a.abs().max():
            faults.append(f"{stage}: off by {(a - b).abs().max() / a.abs().max():.1e} of its maximum")
    return faults
