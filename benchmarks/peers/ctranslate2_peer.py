"""A prompt and steps of T5 in CTranslate2, converted from a random model of transformers."""

import tempfile
import time

import ctranslate2
import torch
from ctranslate2.converters.transformers import T5Loader
from transformers import T5Config, T5ForConditionalGeneration
from transformers.modeling_utils import no_init_weights

import shapes
from transformers_peer import fill

TYPES = {"int8": "int8", "f32": None}


class Peer:
    def __init__(self, variant, model, layers, threads):
        text = shapes.config_of(model, layers)[3]
        if text["model_type"] != "t5" or variant not in TYPES:
            raise SystemExit(f"ctranslate2-{variant}: expected a type of {', '.join(TYPES)} and a model with T5")
        torch.set_grad_enabled(False)
        with no_init_weights():
            source = T5ForConditionalGeneration(T5Config(**text)).eval()
        fill(source)
        spec = T5Loader().get_model_spec(source)
        tokens = [f"<{i}>" for i in range(text["vocab_size"])]
        spec.register_source_vocabulary(tokens)
        spec.register_target_vocabulary(tokens)
        spec.config.bos_token = spec.config.decoder_start_token = tokens[0]
        spec.config.eos_token, spec.config.unk_token = tokens[1], tokens[2]
        spec.validate()
        spec.optimize(quantization=TYPES[variant])
        with tempfile.TemporaryDirectory() as directory:
            spec.save(directory)
            del source, spec
            self.translator = ctranslate2.Translator(directory, compute_type=TYPES[variant] or "float32",
                                                     inter_threads=1, intra_threads=threads)  # fmt: skip

    def answer(self, row, tokens):
        prompt = [f"<{3 + i % 30000}>" for i in range(row["prompt"])]
        start = time.perf_counter()
        self.translator.translate_batch([prompt], beam_size=row["rows"], max_decoding_length=tokens,
                                        min_decoding_length=tokens, max_input_length=0)  # fmt: skip
        return (time.perf_counter() - start) * 1e3

    def once(self, row):
        return getattr(self, row["stage"])(row)

    def prefill(self, row):
        return self.answer({**row, "rows": 1}, 1)

    def decode(self, row):
        first = self.answer(row, 1)
        return (self.answer(row, 1 + row["new_tokens"]) - first) / row["new_tokens"]
