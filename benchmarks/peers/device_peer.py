#!/usr/bin/env python3
"""Stages of transformers' InstructBLIP on a CUDA device: as a user calls it, as a CUDA graph, and compiled.

    device_peer.py PEER.json [--limit 240] [--sections t5,7b,7b-compiled,t5-compiled,7b-beams-compiled]

Random weights of published sizes in bfloat16; rows have the names of `instructblip bench --json` (device_table.py joins them).
Each section is a process of its own that is ended when its time is up, and leaves what it has measured: one that compiles
for minutes takes no other's time. A sample ends when the device has done its work, as those of `bench`; medians.

`variant`: eager; graph, the kernels of eager recorded as a CUDA graph; compiled, by torch.compile. transformers compiles
greedy search by itself where the cache is static, and beam search never: its forward is compiled by hand for that.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

# Seconds that a section may take, in the order in which they run.
SECTIONS = {"t5": 70, "7b": 80, "7b-compiled": 90, "t5-compiled": 80, "7b-beams-compiled": 80}
MODELS = {"t5": "instructblip-flan-t5-xl", "7b": "instructblip-vicuna-7b"}
PROMPT = {"t5": 64, "7b": 72}  # rows of the prompt, 32 of them the picture's
QFORMER_PROMPT = 48
ANSWER = 20  # tokens
SHORT = 4  # of an answer whose time is taken from the other's, which leaves that of the tokens between
HERE = pathlib.Path(__file__).resolve().parent


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--limit", type=float, default=240, help="seconds for everything")
    parser.add_argument("--sections", default=",".join(SECTIONS))
    parser.add_argument("--device", default="cuda", help="cpu tries the script, without graphs")
    parser.add_argument("--layers", type=int, default=0, help="at most so many in each stack; 0 = all")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)  # this process's
    return parser.parse_args()


def main():
    options = parse()
    if options.section:
        run_section(options)
        return
    started, notes, rows, machine = time.time(), [], [], {}
    for name in options.sections.split(","):
        left = options.limit - (time.time() - started)
        if left < 20:
            notes.append(f"{name}: not begun, no time left")
            continue
        part = options.out.with_suffix(f".{name}.jsonl")
        part.unlink(missing_ok=True)
        notes += run(name, part, min(SECTIONS[name], left), options)
        for line in part.read_text().splitlines() if part.exists() else ():
            row = json.loads(line)
            machine.update(row.pop("machine"))
            rows.append(row)
        report = {"machine": machine, "notes": notes, "seconds": round(time.time() - started), "rows": rows}
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"{len(rows)} rows in {time.time() - started:.0f} s: {options.out}", *notes, sep="\n")


def run(name, part, seconds, options):
    """Runs a section; what is to be said about its end."""
    command = [sys.executable, __file__, str(part), f"--section={name}", f"--device={options.device}",
               f"--layers={options.layers}"]  # fmt: skip
    process = subprocess.Popen(command, start_new_session=True)  # with what its compiler starts
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return [f"{name}: ended after {seconds:.0f} s"]
    return [f"{name}: exit code {code}"] if code else []


class Peer:
    """A model and what is timed of it."""

    def __init__(self, kind, options):
        import torch
        import transformers

        sys.path.insert(0, str(HERE))
        import shapes

        self.torch, self.kind, self.out, self.device = torch, kind, options.out, options.device
        torch.set_grad_enabled(False)
        torch.manual_seed(1)
        transformers.logging.set_verbosity_error()
        self.on_gpu = self.device == "cuda"
        self.machine = {"gpu": torch.cuda.get_device_name(0) if self.on_gpu else "cpu", "torch": torch.__version__,
                        "transformers": transformers.__version__}  # fmt: skip
        _, vision, qformer, text = shapes.config_of(MODELS[kind], options.layers)
        text.pop("dense_act_fn", None)
        self.image_token = text["vocab_size"] - 1
        text_class = {"t5": transformers.T5Config, "llama": transformers.LlamaConfig}[text.pop("model_type")]
        config = transformers.InstructBlipConfig(
            vision_config=transformers.InstructBlipVisionConfig(**vision),
            qformer_config=transformers.InstructBlipQFormerConfig(**qformer), text_config=text_class(**text),
            num_query_tokens=32, image_token_index=self.image_token)  # fmt: skip
        torch.set_default_dtype(torch.bfloat16)
        with torch.device(self.device):
            self.model = transformers.InstructBlipForConditionalGeneration(config).eval()
        torch.set_default_dtype(torch.float32)
        self.fill()
        self.language = self.model.language_model
        for generation in (self.model.generation_config, self.language.generation_config):
            generation.eos_token_id, generation.pad_token_id, generation.bos_token_id = None, 0, 1
            if kind == "t5":
                generation.decoder_start_token_id = 0
        count = sum(parameter.numel() for parameter in self.model.parameters())
        print(f"{kind}: {count / 1e9:.2f} G parameters, attention {self.language.config._attn_implementation}", flush=True)

    def fill(self):
        """Norms change nothing, all else is about 1 / sqrt(columns), as the synthetic weights of `bench`."""
        for name, parameter in self.model.named_parameters():
            if parameter.dim() == 1 and name.endswith("weight"):
                parameter.fill_(1.0)
            else:
                width = (3.0 / (parameter.shape[-1] if parameter.dim() > 1 else 1024)) ** 0.5
                parameter.uniform_(-width, width)

    def noise(self, *shape):
        return self.torch.randn(*shape, device=self.device, dtype=self.torch.bfloat16)

    def ids(self, rows, count):
        return self.torch.randint(3, 30000, (rows, count), device=self.device)

    def wait(self):
        if self.on_gpu:
            self.torch.cuda.synchronize()

    def sample(self, work):
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return (time.perf_counter() - start) * 1e3

    def median(self, work, repetitions, warm_up):
        for _ in range(warm_up if self.on_gpu else 0):
            work()
        return statistics.median(self.sample(work) for _ in range(repetitions if self.on_gpu else 1))

    def add(self, row, variant, ms):
        whole = {"model": MODELS[self.kind], "rows": 1, "prompt": 0, "new_tokens": 0, "requests": 1, **row,
                 "variant": variant, "median_ms": ms, "machine": self.machine}  # fmt: skip
        with self.out.open("a") as file:
            file.write(json.dumps(whole) + "\n")
        key = " ".join(f"{name}={value}" for name, value in row.items())
        print(f"{self.kind}: {key}, {variant}: {ms:.3f} ms", flush=True)

    def time(self, row, variant, work, repetitions=5, warm_up=2):
        """Measures, and goes on where that fails: its milliseconds, or None."""
        try:
            ms = self.median(work, repetitions, warm_up)
        except Exception as error:  # whatever a library throws: the other rows stand
            print(f"{self.kind}: {row} {variant} FAILED: {str(error)[:300]}", flush=True)
            return None
        self.add(row, variant, ms)
        return ms

    def recorded(self, work):
        """The launches of `work` as one."""
        torch = self.torch
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph.replay

    def time_both(self, row, work, repetitions=11):
        self.time(row, "eager", work, repetitions)
        if not self.on_gpu:
            return
        try:
            graph = self.recorded(work)
        except Exception as error:
            print(f"{self.kind}: {row} graph FAILED: {str(error)[:300]}", flush=True)
            return
        self.time(row, "graph", graph, repetitions)

    def vision(self, pictures):
        pixels = self.noise(pictures, 3, 224, 224)
        self.time_both({"stage": "vision", "rows": pictures}, lambda: self.model.vision_model(pixels).last_hidden_state,
                       5 if pictures > 8 else 11)  # fmt: skip

    def qformer(self, pictures):
        text = self.ids(pictures, QFORMER_PROMPT - 32)
        queries, visual = self.noise(pictures, 32, 768), self.noise(pictures, 257, 1408)
        mask = self.torch.ones(pictures, QFORMER_PROMPT, device=self.device, dtype=self.torch.long)
        seen = self.torch.ones(pictures, 257, device=self.device, dtype=self.torch.long)
        self.time_both(
            {"stage": "qformer", "rows": pictures, "prompt": QFORMER_PROMPT},
            lambda: self.model.language_projection(self.model.qformer(
                input_ids=text, attention_mask=mask, query_embeds=queries, encoder_hidden_states=visual,
                encoder_attention_mask=seen).last_hidden_state[:, :32]))  # fmt: skip

    def encoder(self):
        """T5's alone: `bench` has it in the stage prefill."""
        embedded = self.noise(1, PROMPT["t5"], 2048)
        mask = self.torch.ones(1, PROMPT["t5"], device=self.device, dtype=self.torch.long)
        self.time_both({"stage": "encoder", "prompt": PROMPT["t5"]},
                       lambda: self.language.encoder(inputs_embeds=embedded, attention_mask=mask).last_hidden_state)  # fmt: skip

    def t5_prefill(self):
        """The encoder, and the decoder's first step with keys and values for those behind it."""
        embedded = self.noise(1, PROMPT["t5"], 2048)
        start = self.torch.zeros(1, 1, device=self.device, dtype=self.torch.long)
        mask = self.torch.ones(1, PROMPT["t5"], device=self.device, dtype=self.torch.long)
        self.time_both({"stage": "prefill", "prompt": PROMPT["t5"]},
                       lambda: self.language(inputs_embeds=embedded, attention_mask=mask, decoder_input_ids=start,
                                             use_cache=True).logits)  # fmt: skip

    def prefill(self):
        embedded = self.noise(1, PROMPT["7b"], 4096)
        self.time_both({"stage": "prefill", "prompt": PROMPT["7b"]},
                       lambda: self.language(inputs_embeds=embedded, use_cache=False, logits_to_keep=1).logits)  # fmt: skip

    def decode(self, rows):
        """A step over a static cache; its search, and moving the cache behind a step of beams, is left out."""
        from transformers import StaticCache

        cache = StaticCache(config=self.language.config, max_cache_len=160)
        self.language(inputs_embeds=self.noise(rows, PROMPT["7b"], 4096), past_key_values=cache, use_cache=True)
        token = self.ids(rows, 1)

        def step():
            for layer in cache.layers:  # else every call would be a position further
                if hasattr(layer, "cumulative_length"):
                    layer.cumulative_length.fill_(100)
            position = self.torch.full((1,), 100, device=self.device)
            return self.language(input_ids=token, past_key_values=cache, use_cache=True, cache_position=position).logits

        self.time_both({"stage": "decode", "rows": rows, "prompt": PROMPT["7b"], "new_tokens": ANSWER}, step)

    def answer(self, rows, count, requests=1, **more):
        text = self.ids(requests, PROMPT[self.kind] - 32)
        marks = self.torch.full((requests, 32), self.image_token, device=self.device)
        ids = self.torch.cat([marks, text], 1)
        pixels = self.noise(requests, 3, 224, 224)
        return lambda: self.model.generate(
            pixel_values=pixels, qformer_input_ids=text, qformer_attention_mask=self.torch.ones_like(text),
            input_ids=ids, attention_mask=self.torch.ones_like(ids), num_beams=rows, do_sample=False,
            max_new_tokens=count, min_new_tokens=count, **more)  # fmt: skip

    def answers(self, rows, variant="eager", requests=1, warm_up=1, **more):
        row = {"rows": rows, "prompt": PROMPT[self.kind], "requests": requests}
        whole = self.time({"stage": "end_to_end", **row, "new_tokens": ANSWER}, variant,
                          self.answer(rows, ANSWER, requests, **more), 3, warm_up)  # fmt: skip
        if whole is None or requests > 1:
            return
        short = self.answer(rows, SHORT, requests, **more)
        try:
            ms = self.median(short, 3, warm_up)
        except Exception as error:
            print(f"{self.kind}: short answers {variant} FAILED: {str(error)[:300]}", flush=True)
            return
        self.add({"stage": "token", **row, "new_tokens": ANSWER}, variant, (whole - ms) / (ANSWER - SHORT))

    def first_token(self):
        self.time({"stage": "first_token", "prompt": PROMPT[self.kind], "new_tokens": 1}, "eager", self.answer(1, 1), 5)


def run_section(options):
    kind, _, compiled = options.section.partition("-")
    peer = Peer(kind, options)
    static = {"cache_implementation": "static"}
    if compiled == "compiled":
        peer.answers(1, "compiled", warm_up=2, **static)
    elif compiled == "beams-compiled":
        # mode="reduce-overhead" takes minutes: the cache is elsewhere after every step of beams
        language = peer.language
        language.forward = peer.torch.compile(language.forward, dynamic=False)
        peer.answers(5, "compiled", warm_up=2, disable_compile=True, **static)
    elif kind == "t5":
        for pictures in (1, 8, 64) if peer.on_gpu else (1,):
            peer.vision(pictures)
            peer.qformer(pictures)
        peer.encoder()
        peer.answers(5)
        peer.answers(1)
        peer.t5_prefill()
        peer.first_token()
    else:
        for rows in (1, 5):
            peer.decode(rows)
        peer.prefill()
        peer.answers(5)
        peer.answers(1)
        peer.answers(5, requests=64 if peer.on_gpu else 2)
        peer.first_token()


main()
