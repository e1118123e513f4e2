"""The toy tokenizers of ../tokenizers.py, per case, and the photographs of the tests."""

import importlib.util
import os
import pathlib

import families
import layouts


def toy_module(path):
    spec = importlib.util.spec_from_file_location("toy_tokenizers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def toy_tokenizers(path):
    """(case, directory) -> (directory of the language model's tokenizer, of the Q-Former's)."""
    module = toy_module(path)

    def make(case, directory):
        lm, qformer = pathlib.Path(directory) / "lm", pathlib.Path(directory) / "qformer"
        wish = case.get("tokenizer", {})
        arguments = {key: wish[key] for key in ("pieces", "rule") if key in wish} | wish.get("options", {})
        kind = wish.get("kind", families.of_case(case).tokenizer(case["text"]["model_type"]))
        module.MAKERS[kind](str(lm), **arguments)
        if families.of_case(case).reads_text:
            module.make_qformer_tokenizer(str(qformer))
        # With this key transformers 4.57.3 rebuilds the tokenizer from the .model and ignores tokenizer.json.
        if case["text"]["model_type"] != "opt":
            layouts.drop_key(lm / "tokenizer_config.json", "add_prefix_space")
        return lm, qformer

    return make


def photographs(directory):
    kinds = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
    return sorted(name for name in os.listdir(directory) if name.lower().endswith(kinds))


# In a folder of their own, so that the photographs of older cases stay as they were dealt.
FAR_FROM_SQUARE = ["aspect/pole.png", "aspect/strip.jpg"]
