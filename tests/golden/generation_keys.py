#!/usr/bin/env python3
"""Holds the command against the reference where a model's files say something about generation.

    python generation_keys.py BINARY

Every row of KEYS is written into text_config of the stored checkpoints whose language model generates, and into
generation_config.json of those that generate themselves; both answer a request greedily and with beams. Where the
reference answers, the command gives the same ids or refuses a key that it names; exit status 1 if it does otherwise.
Nothing is stored; the reference is transformers 4.57.3.
"""

import json
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")

from binary import Binary  # noqa: E402
from reference import Reference  # noqa: E402

IMAGES = HERE.parent / "data" / "images"
CHECKPOINTS = ("t5_2024", "vicuna_2024", "blip2_opt", "llava_hub")
OPTIONS = ({}, {"num_beams": 3}, {"num_beams": 2, "min_new_tokens": 3})
REFUSED = {"stop_strings", "sequence_bias", "exponential_decay_length_penalty", "guidance_scale", "token_healing",
           "watermarking_config", "prompt_lookup_num_tokens", "assistant_early_exit", "encoder_repetition_penalty",
           "encoder_no_repeat_ngram_size"}  # fmt: skip
KEYS = (
    {"max_length": -4}, {"min_length": -1}, {"min_new_tokens": -2}, {"min_new_tokens": 4}, {"max_time": 100.0},
    {"max_time": 0}, {"stop_strings": ["a"]}, {"use_cache": False}, {"cache_implementation": "static"},
    {"temperature": "0.5"}, {"temperature": 0}, {"temperature": 0.2}, {"top_k": -1}, {"top_k": "5"}, {"top_k": None},
    {"top_p": 1.5}, {"top_p": [1]}, {"min_p": -1}, {"min_p": "x"}, {"typical_p": 0}, {"epsilon_cutoff": 0.1},
    {"eta_cutoff": 2}, {"repetition_penalty": None}, {"repetition_penalty": 1.8}, {"encoder_repetition_penalty": 1.8},
    {"encoder_no_repeat_ngram_size": 2}, {"length_penalty": "2"}, {"length_penalty": 2}, {"no_repeat_ngram_size": -1},
    {"no_repeat_ngram_size": 2}, {"renormalize_logits": True}, {"renormalize_logits": 1}, {"forced_bos_token_id": 5},
    {"renormalize_logits": True, "repetition_penalty": 1.6}, {"forced_bos_token_id": -2}, {"forced_bos_token_id": 5000},
    {"forced_bos_token_id": 5, "begin_suppress_tokens": [6, 7, 8]}, {"forced_eos_token_id": 1},
    {"forced_eos_token_id": [7, 1]}, {"forced_eos_token_id": 5000}, {"forced_eos_token_id": -1},
    {"remove_invalid_values": True}, {"remove_invalid_values": True, "min_new_tokens": 5},
    {"remove_invalid_values": True, "forced_eos_token_id": 9, "renormalize_logits": True},
    {"exponential_decay_length_penalty": [2, 1.5]}, {"suppress_tokens": [3, 5000]}, {"sequence_bias": [[[3], 9.0]]},
    {"token_healing": True}, {"guidance_scale": 1.5}, {"watermarking_config": {"bias": 2.0}}, {"num_beam_groups": 2},
    {"diversity_penalty": 0.5}, {"penalty_alpha": 0.6}, {"penalty_alpha": 0.6, "top_k": 1}, {"dola_layers": "high"},
    {"prompt_lookup_num_tokens": 2}, {"low_memory": True}, {"constraints": []}, {"force_words_ids": [[3]]},
    {"num_assistant_tokens": 3}, {"output_scores": True}, {"return_legacy_cache": True}, {"pad_token_id": -1},
    {"is_assistant": True}, {"disable_compile": True}, {"early_stopping": "never"}, {"decoder_start_token_id": 3},
)  # fmt: skip


def write_keys(directory, keys, own):
    """Into the file that the reference reads; a key that stands there already is replaced."""
    path = directory / ("generation_config.json" if own else "config.json")
    config = json.loads(path.read_text()) if path.exists() else {}
    (config if own else config["text_config"]).update(keys)
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(config))


def reference_answer(directory, request):
    try:
        reference = Reference(str(directory), str(IMAGES))
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
    answers = []
    for options in OPTIONS:
        try:
            answers.append(reference.tokens({**request, "options": {"max_new_tokens": 8, **options}})[0])
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}")
    return answers, ""


def main():
    binary = Binary(pathlib.Path(sys.argv[1]).resolve(), str(IMAGES))
    bad = equal = refused = beyond = 0
    for name in CHECKPOINTS:
        source = HERE / "checkpoints" / name
        requests = json.loads((source / "golden.json").read_text())["requests"]
        request = next(r for r in requests if "image" in r and r["instruction"] and not r["options"].get("num_beams"))
        for keys in KEYS:
            with tempfile.TemporaryDirectory() as temporary:
                directory = pathlib.Path(temporary) / name
                shutil.copytree(source, directory)
                write_keys(directory, keys, own=name.startswith("llava"))
                expected, fault = reference_answer(directory, request)
                for index, options in enumerate(OPTIONS):
                    wanted = expected[index] if expected else fault
                    asked = {**request, "options": {"max_new_tokens": 8, **options}}
                    try:
                        got = binary.run(directory, asked)["sequences"][0]["tokens"]
                    except RuntimeError as error:
                        got = str(error)
                    if got == wanted:
                        equal += 1
                    elif isinstance(wanted, str):
                        beyond += not isinstance(got, str)
                    elif isinstance(got, str) and any(key in got and key in REFUSED for key in keys):
                        refused += 1
                    else:
                        bad += 1
                        print(f"{name} {keys} {options}: expected {wanted}, got {got}", flush=True)
    print(f"{equal} equal, {refused} refused by name, {beyond} answered where the reference refuses, {bad} otherwise")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
