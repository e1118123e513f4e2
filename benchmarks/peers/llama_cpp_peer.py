"""A prompt and steps of LLaMA in llama.cpp, from a GGUF file of random weights without a vocabulary."""

import pathlib
import tempfile
import time

import gguf
import llama_cpp
import numpy

import shapes

TYPES = {"f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
POSITIONS = 2048


def write(path, text, kind):
    width, inner, vocabulary = text["hidden_size"], text["intermediate_size"], text["vocab_size"]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(text["num_hidden_layers"])
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(text["num_attention_heads"])
    writer.add_head_count_kv(text["num_attention_heads"])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(width // text["num_attention_heads"])
    writer.add_vocab_size(vocabulary)
    writer.add_tokenizer_model("no_vocab")
    draw = numpy.random.default_rng(1)
    quantised = getattr(gguf.GGMLQuantizationType, TYPES[kind])

    def norm(name):
        writer.add_tensor(name, numpy.ones(width, dtype=numpy.float32))

    def matrix(name, rows, columns):
        values = draw.random((rows, columns), dtype=numpy.float32)
        values = (values - 0.5) * numpy.float32((12 / columns) ** 0.5)
        if kind == "f16":
            writer.add_tensor(name, values.astype(numpy.float16))
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, quantised), raw_dtype=quantised)

    matrix("token_embd.weight", vocabulary, width)
    norm("output_norm.weight")
    matrix("output.weight", vocabulary, width)
    for layer in range(text["num_hidden_layers"]):
        block = f"blk.{layer}."
        norm(block + "attn_norm.weight")
        norm(block + "ffn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(block + part + ".weight", width, width)
        matrix(block + "ffn_gate.weight", inner, width)
        matrix(block + "ffn_up.weight", inner, width)
        matrix(block + "ffn_down.weight", width, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Peer:
    def __init__(self, variant, model, layers, threads):
        text = shapes.config_of(model, layers)[3]
        if text["model_type"] != "llama" or variant not in TYPES:
            raise SystemExit(f"llama.cpp-{variant}: expected a type of {', '.join(TYPES)} and a model with LLaMA")
        llama_cpp.llama_backend_init()
        self.silent = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.silent, None)
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "model.gguf"
            write(path, text, variant)
            options = llama_cpp.llama_model_default_params()
            options.use_mmap = False  # so that weights are laid out for this machine
            self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), options)
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = POSITIONS
        options.n_threads = options.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, options)

    def read(self, ids):
        tokens = (llama_cpp.llama_token * len(ids))(*ids)
        code = llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(tokens, len(ids)))
        if code != 0:
            raise SystemExit(f"llama_decode: {code}")

    def prompt(self, length):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        start = time.perf_counter()
        self.read([3 + i % 30000 for i in range(length)])
        return time.perf_counter() - start

    def once(self, row):
        return getattr(self, row["stage"])(row)

    def prefill(self, row):
        return self.prompt(row["prompt"]) * 1e3

    def decode(self, row):
        if row["rows"] != 1:
            return None
        self.prompt(row["prompt"])
        start = time.perf_counter()
        for i in range(row["new_tokens"]):
            self.read([5 + i])
        return (time.perf_counter() - start) / row["new_tokens"] * 1e3
