"""Stages of transformers' InstructBLIP and BLIP-2 with random weights."""

import time

import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import no_init_weights

import shapes

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
IMAGE_TOKEN = {"t5": 32100, "llama": 32001, "opt": 50265}


def fill(model):
    """Norms change nothing, all else is about 1 / sqrt(columns), as the synthetic weights of the command."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1 and name.endswith("weight"):
            parameter.fill_(1.0)
        else:
            width = (3.0 / (parameter.shape[-1] if parameter.dim() > 1 else 1024)) ** 0.5
            parameter.uniform_(-width, width, generator=generator)


class Peer:
    def __init__(self, variant, model, layers, threads):
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.dtype = DTYPES[variant]
        family, vision, qformer, text = shapes.config_of(model, layers)
        self.kind, self.reads = text["model_type"], family == "instructblip"
        classes = {True: (InstructBlipConfig, InstructBlipForConditionalGeneration),
                   False: (Blip2Config, Blip2ForConditionalGeneration)}  # fmt: skip
        config_class, model_class = classes[self.reads]
        self.image_token = IMAGE_TOKEN[self.kind]
        config = config_class(vision_config=vision, qformer_config=qformer, text_config=text, num_query_tokens=32,
                              image_token_index=self.image_token)  # fmt: skip
        # As a user gets it: transformers chooses SDPA where a module has it.
        before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        with no_init_weights():
            self.model = model_class._from_config(config, dtype=self.dtype).eval()
        torch.set_default_dtype(before)
        fill(self.model)
        self.width = self.model.language_projection.out_features
        self.states = {}

    def ids(self, rows, count):
        return torch.arange(rows * count).view(rows, count) % 30000 + 3

    def once(self, row):
        """Milliseconds of a sample of this row of `bench`; of decode, of a step. None: not a stage of this peer."""
        return getattr(self, row["stage"])(row) * 1e3

    def timed(self, work):
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    def pixels(self, row):
        return torch.randn(row["rows"], 3, 224, 224, dtype=self.dtype)

    def vision(self, row):
        pixels = self.pixels(row)
        return self.timed(lambda: self.model.vision_model(pixels))

    def qformer(self, row):
        pictures, model = row["rows"], self.model
        visual = torch.randn(pictures, 257, 1408, dtype=self.dtype)
        queries = model.query_tokens.expand(pictures, -1, -1)
        mask = torch.ones(visual.shape[:-1], dtype=torch.long)
        more = {}
        if self.reads:
            ids = self.ids(pictures, row["prompt"] - 32)
            more = {"input_ids": ids, "attention_mask": torch.ones(pictures, 32 + ids.shape[1], dtype=torch.long)}

        def work():
            out = model.qformer(query_embeds=queries, encoder_hidden_states=visual, encoder_attention_mask=mask, **more)
            model.language_projection(out.last_hidden_state[:, :32].to(self.dtype))

        return self.timed(work)

    def begun(self, prompt, rows):
        """What a step continues, with `rows` hypotheses."""
        language = self.model.language_model
        embedded = language.get_input_embeddings()(self.ids(1, prompt))
        if self.kind == "t5":
            encoded = language.encoder(inputs_embeds=embedded).last_hidden_state
            start = torch.zeros(1, 1, dtype=torch.long)
            out = language(encoder_outputs=BaseModelOutput(encoded), decoder_input_ids=start, use_cache=True)
            out.encoded = encoded
        else:
            out = language(inputs_embeds=embedded, use_cache=True, logits_to_keep=1)
        return out

    def prefill(self, row):
        return self.timed(lambda: self.begun(row["prompt"], 1))

    def decode(self, row):
        rows, steps, language = row["rows"], row["new_tokens"], self.model.language_model
        out = self.begun(row["prompt"], rows)
        cache, ids = out.past_key_values, self.ids(rows, 1)
        if rows > 1:
            cache.batch_repeat_interleave(rows) if self.kind != "t5" else self.repeat_t5(cache, rows)
        more = {}
        if self.kind == "t5":
            more = {"encoder_outputs": BaseModelOutput(out.encoded.expand(rows, -1, -1))}

        def work():
            nonlocal cache
            for _ in range(steps):
                step = language(**{"decoder_input_ids" if self.kind == "t5" else "input_ids": ids},
                                past_key_values=cache, use_cache=True, **more)  # fmt: skip
                cache = step.past_key_values

        return self.timed(work) / steps

    @staticmethod
    def repeat_t5(cache, rows):
        cache.self_attention_cache.batch_repeat_interleave(rows)
        cache.cross_attention_cache.batch_repeat_interleave(rows)

    def end_to_end(self, row):
        text = self.ids(1, row["prompt"] - 32)
        ids = torch.cat([torch.full((1, 32), self.image_token), text], 1)
        more = {"qformer_input_ids": text, "qformer_attention_mask": torch.ones_like(text)} if self.reads else {}
        pixels, count = self.pixels({"rows": 1}), row["new_tokens"]
        return self.timed(lambda: self.model.generate(
            pixel_values=pixels, input_ids=ids, attention_mask=torch.ones_like(ids), num_beams=row["rows"],
            do_sample=False, max_new_tokens=count, min_new_tokens=count, **more))  # fmt: skip
