"""The folders from which LAVIS loads its language models and tokenizers, written from a checkpoint of transformers."""

import importlib.util
import json
import pathlib
import shutil

from safetensors.torch import save_file

# As in the folders that LAVIS's recipes name: lmsys/vicuna-7b-v1.1, google/flan-t5-xl, facebook/opt-2.7b.
IDS = {
    "llama": {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
    "t5": {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0},
    "opt": {"bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1},
}
VICUNA_TOKENIZER = {
    "tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>",
    "eos_token": "</s>", "unk_token": "<unk>", "clean_up_tokenization_spaces": False, "model_max_length": 2048,
}  # fmt: skip
# Keys of tokenizer_config.json that are younger than those folders, where spaces are cleaned up, for want of the key; and
# what belongs to the processor.
YOUNGER = ("added_tokens_decoder", "extra_special_tokens", "add_prefix_space", "clean_up_tokenization_spaces", "legacy",
           "processor_class")  # fmt: skip


def read_json(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def write_json(path, value):
    pathlib.Path(path).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def write_language_folder(directory, text, tensors, folder):
    folder.mkdir(parents=True)
    kind = text["model_type"]
    drop = ("dtype", "torch_dtype", "transformers_version", "architectures", "max_length", "min_length")
    write_json(folder / "config.json", {k: v for k, v in text.items() if k not in drop} | IDS[kind])
    write_json(folder / "generation_config.json", IDS[kind])
    prefix = "language_model."
    own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    if kind == "llama":
        repeat_groups(own, text)
    save_file({name: t.contiguous().clone() for name, t in own.items()}, folder / "model.safetensors", {"format": "pt"})
    {"t5": write_t5_tokenizer, "llama": write_llama_tokenizer, "opt": write_opt_tokenizer}[kind](directory, folder)


def runs_in_lavis(text):
    """LAVIS's LLaMA knows neither heads of a width of their own nor another base of the rotary embedding."""
    if text["model_type"] != "llama":
        return True
    heads, width = text["num_attention_heads"], text["hidden_size"]
    return text.get("head_dim", width // heads) * heads == width and text.get("rope_theta", 1e4) == 1e4


def repeat_groups(tensors, text):
    """LAVIS's LLaMA has as many key heads as query heads: those of a group get the same ones."""
    heads = text["num_attention_heads"]
    groups = text.get("num_key_value_heads", heads)
    for name, tensor in tensors.items():
        if name.endswith(("k_proj.weight", "v_proj.weight")) and groups != heads:
            rows = tensor.unflatten(0, (groups, -1))
            tensors[name] = rows.repeat_interleave(heads // groups, dim=0).flatten(0, 1)


def write_tokenizer_config(directory, folder):
    config = read_json(directory / "tokenizer_config.json")
    config = {key: value for key, value in config.items() if key not in YOUNGER}
    write_json(folder / "tokenizer_config.json", config)


def write_t5_tokenizer(directory, folder):
    write_tokenizer_config(directory, folder)
    if not (directory / "tokenizer.json").exists():
        shutil.copy(directory / "spiece.model", folder / "spiece.model")
        return
    content = read_json(directory / "tokenizer.json")
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] not in ("<image>", "<video>")]
    for part in ("pre_tokenizer", "decoder"):
        older_spelling(content[part])
    content["model"].pop("byte_fallback", None)
    write_json(folder / "tokenizer.json", content)


def older_spelling(node):
    """Metaspace as tokenizers 0.13 writes it."""
    if isinstance(node, list):
        for item in node:
            older_spelling(item)
    elif isinstance(node, dict):
        if node.get("type") == "Metaspace":
            node["add_prefix_space"] = node.pop("prepend_scheme", "always") == "always"
            node.pop("split", None)
        for value in node.values():
            older_spelling(value)


def write_llama_tokenizer(directory, folder):
    write_json(folder / "tokenizer_config.json", VICUNA_TOKENIZER)
    target = folder / "tokenizer.model"
    if (directory / "tokenizer.model").exists():
        shutil.copy(directory / "tokenizer.model", target)
        return
    # Where a case leaves it out, the toy one is trained again, if it has the same pieces.
    vocabulary = read_json(directory / "tokenizer.json")["model"]["vocab"]
    target.write_bytes(toy_tokenizers().train_llama(len(vocabulary)))
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(target))
    if {pieces.id_to_piece(i): i for i in range(len(pieces))} != vocabulary:
        raise SystemExit(f"{directory}: no tokenizer.model, and its tokenizer.json is not the toy one")


def toy_tokenizers():
    path = pathlib.Path(__file__).resolve().parent.parent / "tokenizers.py"
    spec = importlib.util.spec_from_file_location("toy_tokenizers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_opt_tokenizer(directory, folder):
    write_tokenizer_config(directory, folder)
    if (directory / "vocab.json").exists():
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(directory / name, folder / name)
        return
    model = read_json(directory / "tokenizer.json")["model"]
    write_json(folder / "vocab.json", model["vocab"])
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")


def write_qformer_vocabulary(directory, target):
    """A folder as bert-base-uncased; of BLIP-2, whose Q-Former reads no text, with words that no request looks at."""
    folder = directory / "qformer_tokenizer"
    folder = folder if folder.is_dir() else directory
    target.mkdir()
    write_json(target / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 512})
    if (folder / "vocab.txt").exists():
        shutil.copy(folder / "vocab.txt", target)
        return target
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if (folder / "tokenizer.json").exists():
        model = read_json(folder / "tokenizer.json")["model"]
        if model["type"] == "WordPiece":
            words = sorted(model["vocab"], key=model["vocab"].get)
    (target / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return target
