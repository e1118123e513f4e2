"""Random checkpoints at the widths of the published models, with tokenizers of their real sizes."""

import importlib.util
import pathlib
import pydoc_data.topics
import random
import re

from PIL import Image

import architectures
import cases
import families
import layouts

# As published but for the depth, which is what makes those big; it is theirs where 0 layers are asked for.
VIT_G, CLIP_L = (1408, 16, 224, 14, 6144), (1024, 16, 336, 14, 4096)  # hidden, heads, image, patch, feed-forward
QFORMER_WORDS = 30522  # and [DEC], as in every InstructBLIP checkpoint
T5_PIECES, LLAMA_PIECES, OPT_PIECES = 32000, 32000, 50265
DEPTHS = {"vit_g": 39, "clip_l": 24, "qformer": 12, "t5": 24, "llama": 32, "llava": 32, "opt": 32}
GRID = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]  # of every LLaVA-NeXT
# kind: family, language model, rows of its head, placeholder token
KINDS = {
    "t5": ("instructblip", "t5", 32128, 32100),
    "vicuna": ("instructblip", "llama", 32064, 32001),
    "blip2_t5": ("blip-2", "t5", 32128, 32100),
    "blip2_opt": ("blip-2", "opt", 50304, 50265),
    "llava": ("llava", "llava", 32064, 32000),
    "llava_next": ("llava_next", "llava", 32064, 32000),
    "retrieval": ("retrieval", None, 0, 30523),
}


def corpus():
    """English prose that every Python carries: its language reference."""
    text = "\n".join(pydoc_data.topics.topics.values())
    lines = [re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\n+", text)]
    return [line for line in lines if line]


def toy_module(path):
    spec = importlib.util.spec_from_file_location("toy_tokenizers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def extended(content, count, seed):
    """A SentencePiece model with pieces joined from its own until it has `count`."""
    from sentencepiece import sentencepiece_model_pb2 as format_

    model = format_.ModelProto()
    model.ParseFromString(content)
    rng = random.Random(seed)
    normal = [p.piece for p in model.pieces if p.type == format_.ModelProto.SentencePiece.NORMAL]
    known = {p.piece for p in model.pieces}
    lowest = min(p.score for p in model.pieces)
    while len(model.pieces) < count:
        piece = rng.choice(normal) + rng.choice(normal).lstrip("\u2581")
        if piece in known or len(piece) > 16 or "\u2581" in piece[1:]:
            continue
        known.add(piece)
        model.pieces.add(piece=piece, score=lowest - 1 - len(model.pieces) / 1000)
    return model.SerializeToString()


def extended_merges(vocabulary, merges, count, seed):
    """A byte-level BPE with merges of its own pieces until it has `count`."""
    rng = random.Random(seed)
    vocabulary, merges = dict(vocabulary), [tuple(pair) for pair in merges]
    pieces = [piece for piece in vocabulary if not piece.startswith("<")]
    while len(vocabulary) < count:
        pair = rng.choice(pieces), rng.choice(pieces).lstrip("\u0120")
        joined = "".join(pair)
        if not pair[1] or pair[1] not in vocabulary or joined in vocabulary or len(joined) > 16:
            continue
        vocabulary[joined] = len(vocabulary)
        merges.append(pair)
    return vocabulary, merges


def write_language_tokenizer(name, toys, directory, sentences, seed):
    from transformers import LlamaTokenizer, T5Tokenizer

    if name == "t5":
        content = extended(toys.train_t5(12000, "nmt_nfkc", sentences), T5_PIECES, seed)
        toys._save(T5Tokenizer, "spiece.model", content, directory, extra_ids=100)
    elif name == "llama":
        content = extended(toys.train_llama(12000, sentences), LLAMA_PIECES, seed)
        toys._save(
            LlamaTokenizer, "tokenizer.model", content, directory, bos_token="</s>", eos_token="</s>",
            unk_token="</s>", pad_token="[PAD]", padding_side="left", truncation_side="left",
        )  # fmt: skip
    elif name == "llava":
        content = extended(toys.train_llama(12000, sentences), LLAMA_PIECES, seed)
        toys.make_llava_tokenizer(directory, content=content)
    else:
        toys.make_opt_tokenizer(
            directory, content=extended_merges(*toys.train_opt(12000, sentences), OPT_PIECES, seed)
        )
    if name != "opt":
        layouts.drop_key(directory / "tokenizer_config.json", "add_prefix_space")


def write_qformer_tokenizer(toys, directory, sentences):
    from transformers import BertTokenizerFast

    words = toys.qformer_vocabulary()
    found = sorted(set(re.findall(r"[a-z]{2,}", " ".join(sentences).lower())))
    words = list(dict.fromkeys(words + found + ["##" + w for w in found]))[:QFORMER_WORDS]
    words += [f"[unused{i}]" for i in range(QFORMER_WORDS - len(words))]
    directory.mkdir(parents=True)
    (directory / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(str(directory / "words.txt"), truncation_side="left")
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.save_pretrained(directory)
    (directory / "words.txt").unlink()


def make_processor(kind, toys, directory, seed):
    """With tokenizers of the real sizes, written into `directory`."""
    family, language, _, _ = KINDS[kind]
    sentences = corpus() + toys.SENTENCES.splitlines()
    lm, qformer = directory / "lm", directory / "qformer"
    if language:
        write_language_tokenizer(language, toys, lm, sentences, seed)
    if family in ("instructblip", "retrieval"):
        write_qformer_tokenizer(toys, qformer, sentences)
    clip = family.startswith("llava")
    case = {"family": family, "queries": 32, "placeholders": True, "projector": {"image_grid_pinpoints": GRID},
            "vision": {"image_size": (CLIP_L if clip else VIT_G)[2], "patch_size": 14}}  # fmt: skip
    return families.of_case(case).make_processor(case, lm, qformer)


def text_config(language, rows, layers, processor):
    if language == "t5":
        text = cases.t5(2048, 32, 64, 5120, layers, layers, dense_act_fn="gelu", tie_word_embeddings=False)
    elif language == "opt":
        text = cases.opt(2560, 32, 10240, layers, max_position_embeddings=2048)
        text["eos_token_id"] = processor.tokenizer.convert_tokens_to_ids("\u010a")
    elif language == "llama":
        text = cases.llama(4096, 32, 32, 11008, layers, bos_token_id=2, eos_token_id=2, pad_token_id=32000)
    else:
        text = cases.llama(4096, 32, 32, 11008, layers, rms_norm_eps=1e-5, pad_token_id=32001)
    return text | {"vocab_size": rows}


def architecture_of(kind, layers, processor):
    family, language, rows, _ = KINDS[kind]
    width, count, side, patch, feed_forward = CLIP_L if language == "llava" else VIT_G
    depth = layers or DEPTHS["clip_l" if language == "llava" else "vit_g"]
    architecture = {"family": family, "vision": cases.vision(width, count, depth, side, patch, feed_forward)}
    if language:
        architecture["text"] = text_config(language, rows, layers or DEPTHS[language], processor)
    if family == "llava_next":
        return architecture | {"projector": {"image_grid_pinpoints": GRID}}
    if family == "llava":
        return architecture | {"projector": {}}
    qformer = cases.qformer(768, 12, layers or DEPTHS["qformer"], 2, 3072)
    qformer.pop("spare_words")
    if family != "blip-2":
        qformer["vocab_size"] = QFORMER_WORDS + (2 if family == "retrieval" else 1)  # <image> as well
    return architecture | {"qformer": qformer, "queries": 32, "shared": 256}


def write(kind, directory, toys, seed, layers, dtype):
    """Writes one checkpoint in the 2024 layout."""
    directory = pathlib.Path(directory)
    processor = make_processor(kind, toys, directory.with_name(directory.name + ".tokenizers"), seed)
    family, placeholder = families.of_case({"family": KINDS[kind][0]}), KINDS[kind][3]
    assert processor.tokenizer.convert_tokens_to_ids(family.placeholder) == placeholder, kind
    model = architectures.random_model(architecture_of(kind, layers, processor), placeholder, seed)
    if KINDS[kind][1]:
        samples = [sample(family, model, processor, "What is unusual about this image?")]
        samples.append(sample(family, model, processor, "A short image description:"))
        stop = model.config.text_config.eos_token_id
        architectures.season_with_ends(model, [2 if stop is None else stop], samples, 0.05)
    layouts.write_2024(directory, family, model, processor, dtype, "700MB")


def kept(kind, directory, seed, layers, dtype):
    """The checkpoint's folder below `directory`, written unless it is there."""
    path = pathlib.Path(directory) / f"{kind}_{dtype.lower()}_{layers}_{seed}"
    if not (path / "done").exists():
        print(f"writing {path}", flush=True)
        write(kind, path, toy_module(pathlib.Path(__file__).resolve().parent.parent / "tokenizers.py"), seed, layers, dtype)
        (path / "done").write_text("")
    return path


def sample(family, model, processor, text):
    """Inputs of generate() for a picture of noise."""
    rng = random.Random(len(text))
    picture = Image.frombytes("RGB", (96, 64), rng.randbytes(96 * 64 * 3))
    return family.inputs(processor, model.config, text, family.pixels(processor, picture))
