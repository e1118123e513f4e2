"""Runs the reference (transformers) on one checkpoint directory, one request at a time, in float32 on the CPU.

Works with transformers 4.57.3 (the 2024-25 layout) and 5.23 (directories that transformers 5 writes), which
is given Pillow pixels, videos left aside. See README.md for the meaning of every field that ends up in golden.json.
"""

import copy
import os

import families  # first: it quietens transformers
import torch
import transformers
from requests_table import pictures
from transformers.image_utils import load_image

GENERATE_OPTIONS = (
    "max_new_tokens", "min_new_tokens", "num_beams", "length_penalty", "early_stopping", "repetition_penalty",
    "no_repeat_ngram_size", "num_return_sequences", "interpolate_pos_encoding", "bad_words_ids", "suppress_tokens",
    "begin_suppress_tokens",
)  # fmt: skip
SAMPLING_OPTIONS = ("temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size")


def versions():
    import PIL
    import tokenizers

    return {
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
        "tokenizers": tokenizers.__version__,
        "pillow": PIL.__version__,
    }


class Reference:
    """A loaded checkpoint directory that answers requests (dicts with image or images, instruction, options)."""

    def __init__(self, directory, image_directory, hide_rows_from=None):
        self.family = families.of_directory(directory)
        self.processor = self.family.load_processor(directory)
        self.model = self.family.load_model(directory)
        self.image_directory = image_directory
        self.image_token = self.family.placeholder_id(self.model.config)
        self.decoder_only = not self.family.language_model(self.model).config.is_encoder_decoder
        self._pixels = {}
        self._twins = {}
        if hide_rows_from is not None:
            self._hide_rows(self.model, hide_rows_from)

    @staticmethod
    def _hide_rows(model, first):
        """Takes the head rows from `first` on out of the game: the twin of an older, shorter vocabulary."""

        def hook(_module, _arguments, output):
            output[..., first:] = float("-inf")
            return output

        model.get_output_embeddings().register_forward_hook(hook)

    def image(self, name):
        return load_image(os.path.join(self.image_directory, name))

    def inputs(self, request):
        pixels = self.family.pixels_of(self.processor, self.image, pictures(request), self._pixels)
        return self.family.inputs(self.processor, self.model.config, request["instruction"], pixels)

    def check_inputs(self, request):
        """The shortcuts of `inputs` against the processor called once with pictures and text together."""
        images = [self.image(name) for name in pictures(request)]
        inputs = self.inputs(request)
        self.family.check(self.processor, self.model, request["instruction"], images, inputs)

    def prompt_tokens(self, request):
        """Ids of the instruction as they are fed, the visual rows left out."""
        inputs = self.inputs(request)
        lm = inputs["input_ids"][0]
        qformer = inputs["qformer_input_ids"][0].tolist() if "qformer_input_ids" in inputs else []
        return {"lm": lm[lm != self.image_token].tolist(), "qformer": qformer}

    def stop_ids(self):
        stop = self.family.generation_config(self.model).eos_token_id
        return stop if isinstance(stop, list) else [stop]

    @staticmethod
    def _forget_lengths(model):
        """Dynamic rotary frequencies remember the longest request that a model has seen: each request is as its first."""
        for module in model.modules():
            if hasattr(module, "original_max_seq_len"):
                module.max_seq_len_cached = module.original_max_seq_len
                module.inv_freq = module.original_inv_freq

    def _generate(self, model, request, **extra):
        self._forget_lengths(model)
        options = {k: v for k, v in request["options"].items() if k in GENERATE_OPTIONS}
        inputs = self.inputs(request)
        inputs["pixel_values"] = inputs["pixel_values"].to(next(model.parameters()).dtype)
        with torch.no_grad():
            out = model.generate(**inputs, **options, return_dict_in_generate=True, **extra)
        prompt = inputs["input_ids"].shape[1] if self.decoder_only else 1
        return out, [row[prompt:].tolist() for row in out.sequences]

    def cut(self, tokens):
        """New tokens up to and including the first stop id: drops the fill behind it."""
        stop = self.stop_ids()
        for i, token in enumerate(tokens):
            if token in stop:
                return tokens[: i + 1], "stop"
        return tokens, "length"

    def tokens(self, request, model=None):
        """Only the new ids of every returned sequence."""
        _, rows = self._generate(model or self.model, request)
        return [self.cut(row)[0] for row in rows]

    def run(self, request):
        """prompt_tokens, sequences and the smallest gap between the first two candidates (greedy only)."""
        out, rows = self._generate(self.model, request, output_scores=True, output_logits=True)
        beams = getattr(out, "sequences_scores", None)
        sequences, margin = [], None
        for i, row in enumerate(rows):
            kept, reason = self.cut(row)
            if beams is not None:
                score = beams[i].item()
            else:
                steps = [out.logits[t][0].double().log_softmax(-1)[token].item() for t, token in enumerate(kept)]
                score = sum(steps)
                best = [out.scores[t][0].topk(2).values for t in range(len(kept))]
                margin = min(((b[0] - b[1]).item() for b in best), default=None)
            text = self.processor.tokenizer.decode(kept, skip_special_tokens=True).strip()
            sequences.append({"tokens": kept, "text": text, "score": score, "finish_reason": reason})
        return {"prompt_tokens": self.prompt_tokens(request), "sequences": sequences}, margin

    def _twin(self, index):
        """The same model in float64 (0) or with weights shaken by 3e-6 relative: what rounding may do elsewhere."""
        twin = copy.deepcopy(self.model)
        if index == 0:
            return twin.double()
        generator = torch.Generator().manual_seed(index)
        with torch.no_grad():
            for parameter in twin.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.mul_(1 + 3e-6 * noise)
        return twin

    def is_stable(self, request, expected, keep=True):
        """Whether no rounding decides the answer. `keep` the twins for the next question if there is memory for them."""
        for index in range(3):
            twin = self._twins.get(index) or self._twin(index)
            if keep:
                self._twins[index] = twin
            if self.tokens(request, twin) != expected:
                return False
        return True

    def stages(self, request):
        """F32 tensors of one request, batch axis kept: what `instructblip features` writes."""
        inputs = self.inputs(request)
        interpolate = request["options"].get("interpolate_pos_encoding", False)
        with torch.no_grad():
            between = self.family.stages(self.model, inputs, interpolate)
            options = {"max_new_tokens": 1, "num_beams": 1}
            if interpolate:
                options["interpolate_pos_encoding"] = True
            out, _ = self._generate(self.model, {**request, "options": options}, output_logits=True, do_sample=False)
        pixels = inputs["pixel_values"].flatten(0, -4)  # unless the family knows better
        tensors = {"pixel_values": pixels, **between, "logits": out.logits[0].reshape(1, -1)}
        return {name: tensor.float().contiguous().clone() for name, tensor in tensors.items()}

    def warped(self, request, prefix):
        """The distribution that sampling draws from, after the new tokens `prefix` have been chosen."""
        inputs = self.inputs(request)
        options = {k: v for k, v in request["options"].items() if k in SAMPLING_OPTIONS}
        if prefix and self.decoder_only:
            tail = torch.tensor([prefix])
            inputs["input_ids"] = torch.cat([inputs["input_ids"], tail], dim=1)
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        elif prefix:
            start = self.model.language_model.config.decoder_start_token_id
            options["decoder_input_ids"] = torch.tensor([[start] + prefix])
        self._forget_lengths(self.model)
        with torch.no_grad():
            out = self.model.generate(
                **inputs, **options, do_sample=True, max_new_tokens=1, num_beams=1, output_scores=True,
                return_dict_in_generate=True,
            )  # fmt: skip
        return out.scores[0][0].double().softmax(-1).tolist()
