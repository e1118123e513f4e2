"""Asks LAVIS, one request at a time, in float32 on the CPU.

generate(), predict_answers() and predict_class() are LAVIS's own; what they do not return (ids, scores, losses, stages)
is taken down on the way. See README.md for the meaning of every field.
"""

import contextlib
import inspect
import os
import tempfile
from unittest import mock

import lavis_model
import torch
import transformers
from PIL import Image
from requests_table import pictures


def versions():
    import PIL
    import sentencepiece
    import tokenizers
    import torchvision

    return {
        "lavis": lavis_model.COMMIT,
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
        "torchvision": torchvision.__version__.split("+")[0],
        "tokenizers": tokenizers.__version__,
        "sentencepiece": sentencepiece.__version__,
        "pillow": PIL.__version__,
    }


def arguments_of(kind, call, options):
    """Our options in LAVIS's words. It counts the start token of the language model as it goes: see README.md."""
    names = {"num_beams": "num_beams", "length_penalty": "length_penalty"}
    longest, shortest = ("max_length", "min_length") if call == "generate" else ("max_len", "min_len")
    if call == "generate":
        names |= {"repetition_penalty": "repetition_penalty", "num_return_sequences": "num_captions"}
    unknown = options.keys() - names.keys() - {"max_new_tokens", "min_new_tokens"}
    if unknown:
        raise ValueError(f"{call} of LAVIS has no {', '.join(sorted(unknown))}")
    result = {names[key]: value for key, value in options.items() if key in names}
    if "max_new_tokens" in options:
        result[longest] = options["max_new_tokens"] + counts_start(kind, call)
    if "min_new_tokens" in options:
        result[shortest] = options["min_new_tokens"] + 1
    return result


def counts_start(kind, call):
    """Whether the longest length of a call counts the token that stands before the new ones. The least one always does."""
    return kind == "llama" or (kind == "opt" and call == "generate")


def defaults_of(model, kind):
    """LAVIS's own defaults of both calls, in our options."""
    result = {}
    for call in ("generate", "predict_answers"):
        parameters = inspect.signature(getattr(model, call)).parameters
        said = {name: parameter.default for name, parameter in parameters.items()}
        longest, shortest = ("max_length", "min_length") if call == "generate" else ("max_len", "min_len")
        result[call] = {
            "max_new_tokens": said[longest] - counts_start(kind, call),
            "min_new_tokens": said[shortest] - 1,
            "num_beams": said["num_beams"],
            "length_penalty": said["length_penalty"],
            "repetition_penalty": said.get("repetition_penalty", 1.0),
        }
    if "instruct" in type(model).__module__:  # there predict_answers() calls generate()
        result["predict_answers"]["repetition_penalty"] = result["generate"]["repetition_penalty"]
    return result


class Reference:
    def __init__(self, directory, image_directory):
        with tempfile.TemporaryDirectory() as work:
            self.model = lavis_model.build(directory, work)
        self.image_directory = image_directory
        self.language = lavis_model.language_model(self.model)
        self.tokenizer = lavis_model.language_tokenizer(self.model)
        self.kind = self.language.config.model_type if self.language else None
        self.resize = lavis_model.processors("blip_processors").BlipImageEvalProcessor(self.model.visual_encoder.image_size)
        self._pixels = {}

    def picture(self, name):
        """As LAVIS's data sets open it: whatever the camera said about its orientation."""
        return Image.open(os.path.join(self.image_directory, name)).convert("RGB")

    def pixels(self, request):
        """[1, 3, H, W], or of several frames [1, 3, F, H, W]."""
        for name in pictures(request):
            if name not in self._pixels:
                self._pixels[name] = self.resize(self.picture(name))
        frames = [self._pixels[name] for name in pictures(request)]
        return (torch.stack(frames, dim=1) if "images" in request else frames[0])[None]

    def stop_id(self):
        return self.model.eos_token_id if self.kind == "opt" else self.language.generation_config.eos_token_id

    def cut(self, tokens):
        """New ids up to and including the first stop id: drops the fill behind it."""
        if self.stop_id() in tokens:
            return tokens[: tokens.index(self.stop_id()) + 1], "stop"
        return tokens, "length"

    def ask(self, request):
        """(what the language model's generate() returned, LAVIS's texts)."""
        original, found = self.language.generate, {}

        def generate(**arguments):
            found["output"] = original(**arguments, return_dict_in_generate=True, output_scores=True)
            return found["output"].sequences.clone()  # LAVIS writes into it

        call = request["call"]
        prompt = {"generate": "prompt", "predict_answers": "text_input"}[call]
        samples = {"image": self.pixels(request), prompt: request["instruction"]}
        with mock.patch.object(self.language, "generate", generate), torch.no_grad():
            texts = getattr(self.model, call)(samples, **arguments_of(self.kind, call, request["options"]))
        return found["output"], texts

    def tokens(self, request):
        return [self.cut(row[1:].tolist())[0] for row in self.ask(request)[0].sequences]

    def run(self, request):
        with self.listening() as heard:
            output, texts = self.ask(request)
        scores = getattr(output, "sequences_scores", None)
        sequences = []
        for i, row in enumerate(output.sequences):
            kept, reason = self.cut(row[1:].tolist())
            score = None if scores is None else scores[i].item()
            sequences.append({"tokens": kept, "text": texts[i], "score": score, "finish_reason": reason})
        prompt = {"lm": heard["lm"][0].tolist(), "qformer": heard["words"][0].tolist() if "words" in heard else []}
        return {"prompt_tokens": prompt, "sequences": sequences}

    @contextlib.contextmanager
    def listening(self):
        """A dictionary that gets the first input of the tables of words and the outputs of all stages."""
        heard, handles = {}, []

        def keep(name, module, pick):
            if module is not None:
                handles.append(module.register_forward_hook(
                    lambda _module, inputs, output: heard.setdefault(name, []).append(pick(inputs, output).clone())
                ))  # fmt: skip

        bert, rows = self.model.Qformer.bert, self.model.query_tokens.shape[1]
        keep("words", bert.embeddings.word_embeddings, lambda inputs, _: inputs[0])
        keep("vision", self.model.ln_vision, lambda _, output: output)
        keep("qformer", bert, lambda _, output: output.last_hidden_state[:, :rows])
        if self.language:
            name = {"t5": "t5_proj", "llama": "llm_proj", "opt": "opt_proj"}[self.kind]
            table = self.language.get_encoder() if self.kind == "t5" else self.language
            keep("lm", table.get_input_embeddings(), lambda inputs, _: inputs[0])
            keep("projection", getattr(self.model, name), lambda _, output: output)
            keep("logits", self.language.get_output_embeddings(), lambda _, output: output[:, -1])
        result = {}
        try:
            yield result
        finally:
            for handle in handles:
                handle.remove()
        result |= {name: values[0] for name, values in heard.items()}
        for name in ("vision", "qformer"):  # one pass a frame
            result[name] = torch.cat(heard[name])
        if "projection" in heard:
            result["projection"] = torch.cat(heard["projection"], dim=1)

    def stages(self, request):
        """F32 tensors of F pictures, batch axis kept, as the other references have them; pixels have a file of their own."""
        with self.listening() as heard:
            self.ask({**request, "options": {"max_new_tokens": 1, "num_beams": 1}})
        return {name: heard[name].float().contiguous() for name in ("vision", "qformer", "projection", "logits")}

    @contextlib.contextmanager
    def shaken(self, seed, strength=3e-6):
        """The weights off by about as much as rounding elsewhere may do."""
        generator = torch.Generator().manual_seed(seed)
        saved = [parameter.detach().clone() for parameter in self.model.parameters()]
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.mul_(1 + strength * torch.randn(parameter.shape, generator=generator))
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(self.model.parameters(), saved):
                    parameter.copy_(value)

    def is_stable(self, question, expected):
        """Whether no rounding decides the answer of `question`, a function without arguments."""
        for seed in (1, 2, 3):
            with self.shaken(seed):
                if question() != expected:
                    return False
        return True

    def losses(self, candidates):
        """What predict_class ranks by, and how it ranks."""
        samples = {"image": self.pixels(candidates), "prompt": candidates["instruction"]}
        original, found = torch.argsort, []

        def argsort(values, **more):
            found.append(values[0].tolist())
            return original(values, **more)

        with mock.patch.object(torch, "argsort", argsort), torch.no_grad():
            ranks = self.model.predict_class(samples, candidates["candidates"], candidates.get("segments", 1))
        return found[-1], ranks[0].tolist()

    def match(self, name, text):
        """The two logits of the matching head and the greatest cosine."""
        samples = {"image": self.pixels({"image": name}), "text_input": [text]}
        with torch.no_grad():
            logits = self.model(samples, match_head="itm")
            cosine = self.model({**samples, "text_input": [text]}, match_head="itc")
        return logits[0].tolist(), cosine.item()
