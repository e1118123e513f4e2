"""Changes of good tokenizer files, and pieces to put others together from, for make_goldens.py."""

import json
import random


def edit(path, **changes):
    """Sets keys of a JSON file; ... removes one."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content = {k: v for k, v in (content | changes).items() if v is not ...}
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def change(path, function):
    content = json.loads(path.read_text(encoding="utf-8"))
    function(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def swap_pieces(content):
    """Ordinary pieces trade their ids, so that tokenizer.json disagrees with the model file."""
    generator, vocab = random.Random(3), content["model"]["vocab"]
    added = {token["id"] for token in content["added_tokens"]}
    if isinstance(vocab, list):
        ids = [i for i in range(len(vocab)) if i not in added]
        shuffled, old = generator.sample(ids, len(ids)), list(vocab)
        for i, j in zip(ids, shuffled):
            vocab[i] = old[j]
    else:
        names = [name for name, i in vocab.items() if i not in added and not name.startswith("<0x")]
        ids = [vocab[name] for name in names]
        for name, i in zip(names, generator.sample(ids, len(ids))):
            vocab[name] = i


def old_metaspace(content):
    """As tokenizers wrote T5's stages before there were prepend schemes."""
    content["normalizer"] = next(n for n in content["normalizer"]["normalizers"] if n["type"] == "Precompiled")
    space = {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True, "str_rep": "\u2581"}
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space]}
    content["decoder"] = space


def text_merges(content):
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]


def add_flagged_tokens(directory):
    """Added tokens with every flag, some only in tokenizer_config.json."""
    tokens = [
        ("new_token", {}),
        ("strip_left", {"lstrip": True}),
        ("strip_right", {"rstrip": True}),
        ("both_sides", {"lstrip": True, "rstrip": True, "normalized": False}),
        ("Word", {"single_word": True}),
        ("Upper", {"normalized": True}),
        ("plain", {"normalized": False}),
        ("\u00e9x", {"normalized": True}),
        ("new_tokens", {"special": True, "normalized": False}),
    ]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    listed = [{"content": content} | flags | given for content, given in tokens]

    def to_json(content):
        vocab = content["model"]["vocab"]
        first = max([t["id"] for t in content["added_tokens"]] + [len(vocab) - 1]) + 1
        content["added_tokens"] += [{"id": first + i} | token for i, token in enumerate(listed[:6])]

    change(directory / "tokenizer.json", to_json)
    change(
        directory / "tokenizer_config.json",
        lambda c: c["added_tokens_decoder"].update({str(9000 + i): token for i, token in enumerate(listed[3:])}),
    )


def old_llama_settings(directory):
    """As LLaMA directories of 2023: tokens with flags in the map and the configuration, no added_tokens_decoder."""
    flags = {"lstrip": False, "rstrip": False, "normalized": True, "single_word": False}
    token = lambda content: {"content": content} | flags
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (directory / "special_tokens_map.json").write_text(json.dumps({k: token(v) for k, v in named.items()}))
    config = {k: {"__type": "AddedToken"} | token(v) for k, v in named.items()} | {
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "tokenizer_class": "LlamaTokenizer",
        "model_max_length": 2048,
        "pad_token": None,
        "sp_model_kwargs": {},
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    (directory / "added_tokens.json").write_text(json.dumps({"<pad>": 480, "new_token": 481}))


def old_t5_settings(directory):
    extra = [f"<extra_id_{i}>" for i in range(10)]
    named = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "additional_special_tokens": extra}
    (directory / "special_tokens_map.json").write_text(json.dumps(named))
    config = named | {"extra_ids": 10, "model_max_length": 512, "tokenizer_class": "T5Tokenizer"}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))


def old_opt_settings(directory):
    """As facebook/opt-*: tokens with flags in the configuration, <s> unused, no tokenizer.json."""
    token = lambda text: {"content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    named = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    flagged = {k: {"__type": "AddedToken"} | token(v) for k, v in named.items()}
    config = {"errors": "replace", "add_prefix_space": False, "add_bos_token": True, "tokenizer_class": "GPT2Tokenizer"}
    (directory / "tokenizer_config.json").write_text(json.dumps(config | flagged | {"pad_token": "<pad>"}))
    named_tokens = {k: token(v) for k, v in named.items()} | {"pad_token": "<pad>"}
    (directory / "special_tokens_map.json").write_text(json.dumps(named_tokens))


def untidy_merges(directory):
    """What the reference makes of lines that are unlike those it writes."""
    path = directory / "merges.txt"
    lines = path.read_text(encoding="utf-8").split("\n")
    del lines[0]  # so that the first merge is taken for a headline
    lines[40:40] = [lines[20], lines[60].replace(" ", " \t ")]
    path.write_bytes("\r\n".join(lines[:-1]).encode())  # the last line has no end


def byte_level(content, **changes):
    content["pre_tokenizer"] |= changes


def pipeline(normalizer=None, pre_tokenizer=None, decoder=..., post_processor=..., **model):
    """Changes a tokenizer.json: other stages, other options of its model."""

    def apply(content):
        charsmap = json.dumps(content["normalizer"]).partition('"precompiled_charsmap": "')[2].partition('"')[0]
        text = json.dumps(normalizer).replace("CHARSMAP", charsmap)
        content |= {"normalizer": json.loads(text), "pre_tokenizer": pre_tokenizer}
        content |= {k: v for k, v in (("decoder", decoder), ("post_processor", post_processor)) if v is not ...}
        content["model"] |= model

    return apply


def byte_pieces(content):
    content["model"]["vocab"] += [[f"<0x{byte:02X}>", -20.0 - byte / 256] for byte in range(256)]
    content["model"]["byte_fallback"] = True
    content["added_tokens"] = [t for t in content["added_tokens"] if not t["content"].startswith("<extra")]


def sequence(kind, *parts):
    """{"type": "Sequence", kind: parts}; a part is a type, or a type with its members."""
    return {"type": "Sequence", kind: [{"type": p} if isinstance(p, str) else {"type": p[0]} | p[1] for p in parts]}


SPACE = {"replacement": "\u2581", "prepend_scheme": "first", "split": True}
BERT = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}


ROBERTA = {"sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": False}
