"""Random checkpoints at the widths of the published models, with tokenizers of their real sizes."""

import importlib.util
import pathlib
import pydoc_data.topics
import random
import re

import torch

import architectures
import cases
import families
import layouts

# Wide enough for every size of the published models; the depth is what makes those big.
VISION = (1408, 16, 224, 14, 6144)
QFORMER_WORDS = 30522  # and [DEC], as in every InstructBLIP checkpoint
T5_PIECES, LLAMA_PIECES = 32000, 32000
T5_ROWS, LLAMA_ROWS = 32128, 32064


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


def write_tokenizers(kind, toys, directory, seed):
    from transformers import BertTokenizerFast, LlamaTokenizer, T5Tokenizer

    directory = pathlib.Path(directory)
    sentences = corpus() + toys.SENTENCES.splitlines()
    lm, qformer = directory / "lm", directory / "qformer"
    if kind == "t5":
        content = extended(toys.train_t5(12000, "nmt_nfkc", sentences), T5_PIECES, seed)
        toys._save(T5Tokenizer, "spiece.model", content, lm, extra_ids=100)
    else:
        content = extended(toys.train_llama(12000, sentences), LLAMA_PIECES, seed)
        toys._save(
            LlamaTokenizer, "tokenizer.model", content, lm, bos_token="</s>", eos_token="</s>", unk_token="</s>",
            pad_token="[PAD]", padding_side="left", truncation_side="left",
        )  # fmt: skip
    layouts.drop_key(lm / "tokenizer_config.json", "add_prefix_space")
    words = toys.qformer_vocabulary()
    found = sorted(set(re.findall(r"[a-z]{2,}", " ".join(sentences).lower())))
    words = list(dict.fromkeys(words + found + ["##" + w for w in found]))[:QFORMER_WORDS]
    words += [f"[unused{i}]" for i in range(QFORMER_WORDS - len(words))]
    qformer.mkdir(parents=True)
    (qformer / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(str(qformer / "words.txt"), truncation_side="left")
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.save_pretrained(qformer)
    (qformer / "words.txt").unlink()
    return lm, qformer


def write(kind, directory, toys, seed, layers, dtype):
    """Writes one checkpoint in the 2024 layout."""
    directory = pathlib.Path(directory)
    lm, qformer = write_tokenizers(kind, toys, directory.with_name(directory.name + ".tokenizers"), seed)
    family = families.FAMILIES["instructblip"]
    processor = family.make_processor({"queries": 32, "vision": {"image_size": VISION[2]}}, lm, qformer)
    image_token = processor.tokenizer.convert_tokens_to_ids("<image>")
    width, count, side, patch, feed_forward = VISION
    if kind == "t5":
        text = cases.t5(2048, 32, 64, 5120, layers, layers, dense_act_fn="gelu", tie_word_embeddings=False)
        text["vocab_size"] = T5_ROWS
    else:
        text = cases.llama(4096, 32, 32, 11008, layers, bos_token_id=2, eos_token_id=2, pad_token_id=32000)
        text["vocab_size"] = LLAMA_ROWS
    qformer_config = cases.qformer(768, 12, layers, 2, 3072)
    qformer_config.pop("spare_words")
    qformer_config["vocab_size"] = QFORMER_WORDS + 1
    architecture = {"vision": cases.vision(width, count, layers, side, patch, feed_forward), "qformer": qformer_config,
                    "text": text, "queries": 32}  # fmt: skip
    assert image_token == (32100 if kind == "t5" else 32001), image_token
    model = architectures.random_model(architecture, image_token, seed)
    samples = [sample(processor, "What is unusual about this image?", side, image_token)]
    samples.append(sample(processor, "A short image description:", side, image_token))
    architectures.season_with_ends(model, [1 if kind == "t5" else 2], samples, 0.05)
    layouts.write_2024(directory, family, model, processor, dtype, "700MB")


def sample(processor, text, side, image_token):
    encoded = dict(processor(text=text, return_tensors="pt"))
    generator = torch.Generator().manual_seed(len(text))
    encoded["pixel_values"] = torch.randn(1, 3, side, side, generator=generator)
    block = torch.full((1, 32), image_token)
    encoded["input_ids"] = torch.cat([block, encoded["input_ids"]], dim=1)
    encoded["attention_mask"] = torch.ones_like(encoded["input_ids"])
    return encoded
