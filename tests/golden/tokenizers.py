#!/usr/bin/env python3
"""Trains the toy tokenizers of the golden data and writes them as transformers 4.57.3 saves them.

    python tokenizers.py t5|mt5|llama|llama3|llava|opt|qformer DIRECTORY

Deterministic: the text stands below, training runs on one thread. Versions: transformers 4.57.3, tokenizers 0.22.2,
sentencepiece 0.2.3. Every directory holds tokenizer.json, tokenizer_config.json, special_tokens_map.json and the slow
files (spiece.model, tokenizer.model, vocab.txt, vocab.json and merges.txt); callers delete what their case leaves out.
"""

import io
import json
import os
import pathlib
import sys
import tempfile

if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file, which would hide the package `tokenizers`

import sentencepiece as spm
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    BertTokenizerFast,
    GPT2Tokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    T5Tokenizer,
)

SENTENCES = """\
What is unusual about this image?
Describe the image in details.
A short image description:
Question: what is the man holding? Short answer:
Question: which city is this? Answer: singapore
Write a short description for the image.
Is the cat happy? Yes, the cat is very happy.
a man is ironing clothes on the back of a yellow car
a woman standing on a beach with a dog at sunset
two children playing football in the park near the trees
The unusual aspect of this image is that a person is doing a household task in the middle of a busy street.
What colour is the cup on the table? The cup is red and white.
How many people are there in the photograph? There are three people.
Context: {0, 1} Options: (a) cat (b) dog. Answer:
Based on the image, respond to this question with a short answer:
Use a few words to illustrate what is happening in the picture.
Can you briefly explain what you see in the image?
Could you use a few words to describe what you perceive in the photo?
Please provide a short depiction of the picture.
Mention colours, materials, the light, and anything written on signs.
It's a dog, isn't it? Don't you think that they're running, and we've lost them?
The bus stopped at the station; passengers were waiting for the next train to the city.
The rocket stands on the launch pad under a clear blue sky before the flight.
coffee cup on a wooden table next to a spoon and a plate
An astronaut in an orange suit smiles at the camera in front of a flag.
Where was it taken, what time of day may it be, and what happened just before?
The horse, the retina, the moon and the microscope: 4 pictures of 2024, at 50% (or $3.99).
Le café est près de la fenêtre. Où est le garçon? Über den Wolken.
Was ist auf diesem Bild zu sehen? Ein kleines Mädchen mit einem Hund.
Дайте краткое описание картинки. На фото большой город и река.
请详细描述这张图片。 这是什么城市? 東京です。
ما الذي يظهر في هذه الصورة؟
"""

# What the full nmt_nfkc table (240 kB) does with these, in a table of a few kilobytes: white space and controls,
# compatibility forms, compositions of two and three code points, Hangul, half-width kana with a voiced mark.
NORMALIZED = (
    [chr(c) for c in range(1, 33)]
    + list("\x7f\x8f\x9f\xa0\xad\u1680\u2000\u2003\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202f\u205f")
    + list("\u2060\u3000\ufeff\ufffd")
    + [chr(c) for c in range(0xFF01, 0xFF5F)]
    + list("ﬀﬁﬂﬃﬄªº²³¹¼½¾…‼™℃℡①⑩㎏㍿Ⅳⅷĳ䀀\uf900\u2f00ﻻﷺ\ufe8dﾞﾟ｡ｱｶﾊ")
    + ["ｶﾞ", "ﾊﾟ", "は\u309a", "が", "か\u3099", "\u1100\u1161", "\u1100\u1161\u11a8", "\u0e33", "\u0eb3"]
    + [base + mark for base in "aeiounAEIOUN" for mark in "\u0300\u0301\u0302\u0303\u0308\u030a\u0323"]
    + ["e\u0302\u0301", "o\u0308\u0304", "u\u0308\u0301", "a\u0323\u0302", "\u0344", "\u0958", "\u2126", "\u212b"]
)


def _reduced_rules(path):
    """Writes the rules of nmt_nfkc for NORMALIZED as a normalisation table of SentencePiece."""
    full = spm.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=False, escape_whitespaces=False, remove_extra_whitespaces=False
    )
    lines = {}
    for text in NORMALIZED:
        result = full.Normalize(text)
        if result != text:
            lines[text] = result
    codes = lambda text: " ".join(f"{ord(c):X}" for c in text)
    path.write_text("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in sorted(lines.items())))


def _train(sentences, **options):
    model = io.BytesIO()
    spm.SentencePieceTrainer.Train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        num_threads=1,
        character_coverage=1.0,
        max_sentence_length=100000,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def train_t5(pieces=420, rule="reduced", sentences=None, **options):
    """A Unigram model with T5's ids: pad 0, </s> 1, <unk> 2. `rule`: "reduced", or a name such as "nmt_nfkc"."""
    rules = {"normalization_rule_name": rule}
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as work:
        if rule == "reduced":
            _reduced_rules(pathlib.Path(work) / "rules.tsv")
            rules = {"normalization_rule_tsv": "rules.tsv"}  # relative, since the model file records it
        os.chdir(work)
        try:
            return _train(
                sentences or SENTENCES.splitlines(),
                model_type="unigram",
                vocab_size=pieces,
                pad_id=0,
                eos_id=1,
                unk_id=2,
                bos_id=-1,
                **rules,
                **options,
            )
        finally:
            os.chdir(before)


def train_llama(pieces=480, sentences=None):
    """A BPE model as LLaMA's: byte fallback, no normalisation, spaces kept, digits split, <unk> <s> </s> first."""
    return _train(
        sentences or SENTENCES.splitlines(),
        model_type="bpe",
        vocab_size=pieces,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
    )


def train_opt(pieces=480, sentences=None):
    """A byte-level BPE as GPT-2's with the first ids of OPT: (vocabulary, merges) of tokenizer.json."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences or SENTENCES.splitlines(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], model["merges"]


# How tokenizer.json of LLaMA 3 and of Qwen2 splits texts into words.
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_WORDS = LLAMA3_WORDS.replace("{1,3}", "")
# The first special tokens of LLaMA 3, whose ids are behind those of the vocabulary, and what LLaVA adds to them.
LLAMA3_SPECIAL = (
    ["<|begin_of_text|>", "<|end_of_text|>"]
    + [f"<|reserved_special_token_{i}|>" for i in range(2)]
    + ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<image>", "<pad>"]
)


def train_llama3(pieces=480, sentences=None, words=LLAMA3_WORDS):
    """A byte-level BPE as LLaMA 3's: whole words of the vocabulary come before merges, <|begin_of_text|> before texts."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # Words that no merges lead to, some of which other expressions would split in another way, or not split.
    unmerged = ["Ġphotograph", "unusual", "123", "2024", "'S", "'LL", ".Ċ", "Ċ", "ĊĊ", "ĠĊ", "ĠĊĊ", "ĠĠ", "ĠĠĠ", "čĊ"]
    trainer = trainers.BpeTrainer(
        vocab_size=pieces - len(unmerged),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences or SENTENCES.splitlines(), trainer)
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    for word in unmerged + [f"<unused_{i}>" for i in range(len(unmerged))]:
        if len(vocabulary) < pieces:
            vocabulary.setdefault(word, len(vocabulary))
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in LLAMA3_SPECIAL])
    begin = LLAMA3_SPECIAL[0]
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{begin}:0 $A:0",
                pair=f"{begin}:0 $A:0 {begin}:1 $B:1",
                special_tokens=[(begin, tokenizer.token_to_id(begin))],
            ),
        ]
    )
    return tokenizer


def qformer_vocabulary():
    """[PAD] [UNK] [CLS] [SEP] [MASK], then characters, their continuations, word parts and words, as in vocab.txt."""
    words = {}
    for word in SENTENCES.lower().split():
        core = word.strip(".,:;?!(){}$%'")
        if core.isascii() and core.isalpha():
            words[core] = words.get(core, 0) + 1
    letters = [chr(c) for c in range(33, 65)] + list("[\\]^_`{|}~") + [chr(c) for c in range(97, 123)]
    foreign = list("описаниегородка图片城市東京ماصورةのßœøı°½²한국")
    continued = ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789описание한국ß"]
    parts = ["##" + p for p in ("ing", "ed", "s", "er", "ly", "tion", "al", "ous", "able", "ness", "ing##")]
    common = [word for word, count in sorted(words.items(), key=lambda item: (-item[1], item[0]))][:160]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + letters + foreign + continued + parts + common
    return list(dict.fromkeys(pieces))


def _save(slow_class, file_name, content, directory, extend=lambda slow: None, **options):
    """Saves by way of the slow class: T5TokenizerFast(file) alone would lose the prefix space (add_prefix_space None).

    `extend` may add tokens.
    """
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, file_name)
        pathlib.Path(path).write_bytes(content)
        saved = os.path.join(work, "slow")
        slow = slow_class(path, **options)
        extend(slow)
        slow.save_pretrained(saved)
        fast = AutoTokenizer.from_pretrained(saved)
        assert fast.is_fast
        fast.save_pretrained(directory)
    # With any other value than null the reference ignores tokenizer.json and converts the slow file on each load.
    path = pathlib.Path(directory) / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"add_prefix_space": None}
    path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def make_t5_tokenizer(directory, pieces=420, extra_ids=10, rule="reduced", **options):
    """Writes a T5 tokenizer; `options` go to T5Tokenizer (legacy, ...). The published ones have 100 extra ids."""
    _save(T5Tokenizer, "spiece.model", train_t5(pieces, rule), directory, extra_ids=extra_ids, **options)


def make_mt5_tokenizer(directory, pieces=420, rule="reduced", **options):
    """Writes mT5's: T5's class, no extra ids, pieces for bytes that the fast class does not fall back on."""
    content = train_t5(pieces + 256, rule, byte_fallback=True)
    _save(T5Tokenizer, "spiece.model", content, directory, extra_ids=0, **options)


def make_llama3_tokenizer(directory, pieces=480, content=None, **options):
    """Writes LLaMA 3's with what LLaVA adds: a tokenizer.json of no class of its own. `content` was trained elsewhere."""
    options = {
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": True,
        "model_input_names": ["input_ids", "attention_mask"],
    } | options
    PreTrainedTokenizerFast(tokenizer_object=content or train_llama3(pieces), **options).save_pretrained(directory)


def make_llama_tokenizer(directory, pieces=480, **options):
    """Writes InstructBLIP's Vicuna tokenizer: bos = eos = unk = </s>, [PAD] added; `options` override."""
    options = {
        "bos_token": "</s>",
        "eos_token": "</s>",
        "unk_token": "</s>",
        "pad_token": "[PAD]",
        "padding_side": "left",
        "truncation_side": "left",
    } | options
    _save(LlamaTokenizer, "tokenizer.model", train_llama(pieces), directory, **options)


def make_llava_tokenizer(directory, pieces=480, content=None, **options):
    """Writes LLaVA's: LLaMA's own special tokens, then <image> and <pad>, in this order as on the hub.

    `content` of a tokenizer.model that was trained elsewhere.
    """

    def extend(slow):
        slow.add_tokens([AddedToken("<image>", special=True, normalized=False)], special_tokens=True)
        slow.add_special_tokens({"pad_token": "<pad>"})

    options = {"padding_side": "left", "legacy": False} | options
    _save(LlamaTokenizer, "tokenizer.model", content or train_llama(pieces), directory, extend, **options)


def make_opt_tokenizer(directory, pieces=480, content=None, **options):
    """Writes OPT's: GPT-2's class, </s> in front of every text. `content`: (vocabulary, merges) trained elsewhere."""
    options = {
        "bos_token": "</s>",
        "eos_token": "</s>",
        "unk_token": "</s>",
        "pad_token": "<pad>",
        "add_bos_token": True,
    } | options
    vocabulary, merges = content or train_opt(pieces)
    with tempfile.TemporaryDirectory() as work:
        files = [os.path.join(work, "vocab.json"), os.path.join(work, "merges.txt")]
        pathlib.Path(files[0]).write_text(json.dumps(vocabulary), encoding="utf-8")
        lines = ["#version: 0.2"] + [" ".join(pair) for pair in merges]
        pathlib.Path(files[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")
        saved = os.path.join(work, "slow")
        GPT2Tokenizer(*files, **options).save_pretrained(saved)
        AutoTokenizer.from_pretrained(saved).save_pretrained(directory)


def make_qformer_tokenizer(directory, **options):
    """Writes the Q-Former's: bert-base-uncased in small, with the never used [DEC] as bos token."""
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "vocab.txt")
        pathlib.Path(path).write_text("\n".join(qformer_vocabulary()) + "\n", encoding="utf-8")
        tokenizer = BertTokenizerFast(path, truncation_side="left", **options)
        tokenizer.add_special_tokens({"bos_token": "[DEC]"})
        tokenizer.save_pretrained(directory)


MAKERS = {
    "t5": make_t5_tokenizer,
    "mt5": make_mt5_tokenizer,
    "llama": make_llama_tokenizer,
    "llama3": make_llama3_tokenizer,
    "llava": make_llava_tokenizer,
    "opt": make_opt_tokenizer,
    "qformer": make_qformer_tokenizer,
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in MAKERS:
        sys.exit(__doc__)
    MAKERS[sys.argv[1]](sys.argv[2])
