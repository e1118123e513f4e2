"""Checkpoints of BLIP-2's model for retrieval, and what the reference says of every picture with every text.

A case is drawn as those of cases.py; `shared` is the width of the space in which pictures and texts are compared, and
`placeholders` says whether config and processor know the image tokens that later versions put before the text.
"""

import copy
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import architectures
import families
import layouts
import requests_table
import torch
from cases import qformer, vision
from golden_file import write_compact
from reference import versions
from safetensors.torch import save_file
from transformers import AutoTokenizer
from transformers.image_utils import load_image

CASES = [
    # Image tokens in front of the text, which the model takes off again; F16 in shards.
    {
        "name": "blip2_itm", "seed": 41, "layout": "2024", "dtype": "F16", "shard_bytes": 80_000, "queries": 6,
        "placeholders": True, "shared": 16,
        "vision": vision(33, 3, 2, 45, 14, 48), "qformer": qformer(24, 3, 3, 2, 40, positions=640),
        "drop_files": ["vocab.txt", "added_tokens.json"],
        "pictures": 6, "staged": [(0, "unusual"), (3, "empty")],
    },
    # No image tokens, as the first revisions; defaults left out; vocab.txt alone; small activations; a norm of its own
    # epsilon; cross attention in every layer.
    {
        "name": "blip2_itm_first", "seed": 42, "layout": "2024", "dtype": "F32", "queries": 3,
        "placeholders": False, "shared": 256, "quiet": 0.01,
        "vision": vision(24, 2, 1, 28, 7, 32), "qformer": qformer(20, 2, 2, 1, 24, layer_norm_eps=1e-5),
        "drop_keys": ["image_text_hidden_size", "image_token_index", "text_config", "initializer_factor",
                      "vision_config.hidden_act", "vision_config.layer_norm_eps", "vision_config.qkv_bias",
                      "qformer_config.hidden_act", "qformer_config.position_embedding_type"],
        "drop_files": ["tokenizer.json", "added_tokens.json", "processor_config.json"],
        "pictures": 3, "without": ["long"], "staged": [(1, "chinese")],
    },
    # As transformers 5 saves it.
    {
        "name": "blip2_itm_2026", "seed": 43, "layout": "2026", "dtype": "BF16", "queries": 4,
        "placeholders": True, "shared": 8,
        "vision": vision(24, 3, 1, 42, 14, 32), "qformer": qformer(20, 2, 2, 2, 24),
        "pictures": 2, "without": ["long"], "staged": [(0, "symbols")],
    },
]  # fmt: skip


def write_checkpoint(case, make_qformer_tokenizer, directory, work, python5):
    family = families.RETRIEVAL
    make_qformer_tokenizer(str(work / "bert"))
    processor = family.make_processor(case, None, work / "bert")
    words = dict(case["qformer"])
    words["vocab_size"] = len(AutoTokenizer.from_pretrained(work / "bert")) + words.pop("spare_words")
    architecture = {"family": "retrieval", "qformer": words,
                    **{key: case[key] for key in ("vision", "queries", "shared")},
                    "quiet": case.get("quiet", 1.0)}  # fmt: skip
    placeholder = processor.tokenizer.convert_tokens_to_ids("<image>") if case["placeholders"] else None
    model = architectures.random_model(architecture, placeholder, case["seed"])
    target = work / "twin" if case["layout"] == "2026" else directory
    layouts.write_2024(target, family, model, processor, case["dtype"], case.get("shard_bytes"))
    if case["layout"] == "2026":
        layouts.write_2026(directory, target, python5)
    layouts.sparse_config(directory, case.get("drop_keys", ()))
    layouts.drop_files(directory, *case.get("drop_files", ()))


class Reference:
    """One picture and one text at a time, through the processor and the model as its documentation calls them."""

    def __init__(self, directory, image_directory):
        self.family = families.RETRIEVAL
        self.processor = self.family.load_processor(directory)
        self.model = self.family.load_model(directory)
        self.images = pathlib.Path(image_directory)

    def inputs(self, name, text):
        return self.processor(images=load_image(str(self.images / name)), text=text, return_tensors="pt")

    def ask(self, name, text, head, model=None):
        """Output of the matching head, or of the comparison of encodings."""
        model = model or self.model
        inputs = self.inputs(name, text)
        inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
        with torch.no_grad():
            return model(**inputs, use_image_text_matching_head=head)

    def tokens(self, text):
        return self.processor.tokenizer(text)["input_ids"]

    def stages(self, name, text):
        match, apart = self.ask(name, text, True), self.ask(name, text, False)
        together = match.text_model_output.last_hidden_state[:, : self.model.query_tokens.shape[1]]
        tensors = {
            "pixel_values": self.inputs(name, text)["pixel_values"],
            "vision": match.vision_model_output.last_hidden_state, "qformer": together, "match": match.logits_per_image,
            "image_embeds": apart.image_embeds, "text_embeds": apart.text_embeds, "similarity": apart.logits_per_image,
        }  # fmt: skip
        return {key: value.float().contiguous().clone() for key, value in tensors.items()}


def differences(reference, names, texts, found):
    """The largest differences of logits and cosines to what `instructblip match` found, logits over the largest."""
    pairs = [(name, text) for name in names for text in texts]
    logits = [reference.ask(*pair, True).logits_per_image[0].tolist() for pair in pairs]
    cosines = [reference.ask(*pair, False).logits_per_image.item() for pair in pairs]
    largest = max(abs(x) for row in logits for x in row)
    worst = max(abs(a - b) for row, ours in zip(logits, found, strict=True) for a, b in zip(row, ours["logits"]))
    apart = max(abs(a - ours["similarity"]) for a, ours in zip(cosines, found))
    return worst / largest, apart


def write_golden(case, directory, image_directory, images):
    reference = Reference(directory, image_directory)
    names = [name for name in requests_table.INSTRUCTIONS if name not in case.get("without", ())]
    texts = [requests_table.INSTRUCTIONS[name] for name in names]
    pictures = [images[(case["seed"] + i) % len(images)] for i in range(case["pictures"])]
    twin = copy.deepcopy(reference.model).double()
    rows, tensors, worst = [], {}, 0.0
    for picture in pictures:
        row = {"image": picture, "match": [], "similarity": []}
        for text in texts:
            logits = reference.ask(picture, text, True).logits_per_image[0]
            exact = reference.ask(picture, text, True, twin).logits_per_image[0]
            worst = max(worst, (logits.double() - exact).abs().max().item())
            row["match"].append(logits.tolist())
            row["similarity"].append(reference.ask(picture, text, False).logits_per_image.item())
        rows.append(row)
    staged = []
    for picture, name in case["staged"]:
        staged.append({"image": pictures[picture], "text": requests_table.INSTRUCTIONS[name], "stages": name})
        for stage, tensor in reference.stages(pictures[picture], requests_table.INSTRUCTIONS[name]).items():
            tensors[f"{name}.{stage}"] = tensor
    save_file(tensors, pathlib.Path(directory) / "stages.safetensors")
    header = {"seed": case["seed"], "layout": case["layout"], "stored": case["dtype"]}
    write_compact(pathlib.Path(directory) / "retrieval.json", {
        "checkpoint": case["name"], "reference": {**versions(), **header},
        "texts": [{"text": text, "tokens": reference.tokens(text)} for text in texts],
        "images": rows, "staged": staged,
    })  # fmt: skip
    report(case, directory, rows, worst)


def report(case, directory, rows, worst):
    for path in pathlib.Path(directory).rglob("*.safetensors"):
        path.chmod(0o644)
    size = sum(p.stat().st_size for p in pathlib.Path(directory).rglob("*") if p.is_file())
    odds = [logits[1] - logits[0] for row in rows for logits in row["match"]]
    cosines = [cosine for row in rows for cosine in row["similarity"]]
    print(f"{case['name']}: {size / 1000:.0f} kB, log odds {min(odds):.2f} to {max(odds):.2f}, cosines {min(cosines):.3f} "
          f"to {max(cosines):.3f}, float64 within {worst:.1e}", flush=True)  # fmt: skip


def build(case, workshop, make_qformer_tokenizer, directory):
    """Builds one case; the golden of a 2026 directory comes from transformers 5, so from another python."""
    work = pathlib.Path(tempfile.mkdtemp())
    try:
        write_checkpoint(case, make_qformer_tokenizer, pathlib.Path(directory), work, workshop.python5)
        if case["layout"] == "2026":
            job = {"case": case, "directory": str(directory), "image_directory": workshop.image_directory,
                   "images": workshop.images}  # fmt: skip
            subprocess.run([workshop.python5, __file__, json.dumps(job)], check=True)
            return
        write_golden(case, directory, workshop.image_directory, workshop.images)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    write_golden(task["case"], task["directory"], task["image_directory"], task["images"])
