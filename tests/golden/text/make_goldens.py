#!/usr/bin/env python3
"""Writes goldens.json and files/: token ids and decoded text by the reference for many tokenizer directories.

    python make_goldens.py --python5 PYTHON                 the data of the repository
    python make_goldens.py --python5 PYTHON --fuzz N --seed S --output DIR
                            N random texts instead, tokenizers with the full nmt_nfkc rules; the unit test reads DIR
                            when INSTRUCTBLIP_TEXT_GOLDENS names it

Reference: transformers 4.57.3 with tokenizers 0.22.2; PYTHON has transformers 5.23.0, which writes and answers the
cases of version 5. Seeds: 1 for random texts, 2 for random ids.
"""

import argparse
import importlib.util
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import texts
from changed_files import (
    BERT,
    ROBERTA,
    SPACE,
    add_flagged_tokens,
    byte_level,
    byte_pieces,
    change,
    edit,
    old_llama_settings,
    old_metaspace,
    old_opt_settings,
    old_t5_settings,
    pipeline,
    sequence,
    swap_pieces,
    text_merges,
    untidy_merges,
)

HERE = pathlib.Path(__file__).resolve().parent
INLINE = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]


def toys():
    spec = importlib.util.spec_from_file_location("toy_tokenizers", HERE.parent / "tokenizers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def zoo(toy, full):
    """Stages that today's files do not use, or not together, on models that show every byte."""
    rule = {"rule": "nmt_nfkc", "pieces": 600} if full else {}

    def make(maker, *changes):
        def fill(directory):
            maker(directory)
            for function in changes:
                change(directory / "tokenizer.json", function)
            edit(
                directory / "tokenizer_config.json",
                tokenizer_class="PreTrainedTokenizerFast",
                additional_special_tokens=...,
                added_tokens_decoder={},
                extra_special_tokens={},
            )
            for name in (
                "spiece.model",
                "tokenizer.model",
                "vocab.txt",
                "vocab.json",
                "merges.txt",
                "special_tokens_map.json",
                "added_tokens.json",
            ):
                (directory / name).unlink(missing_ok=True)

        return fill

    t5, llama, bert = lambda d: toy.make_t5_tokenizer(d, **rule), toy.make_llama_tokenizer, toy.make_qformer_tokenizer
    opt = toy.make_opt_tokenizer
    regex = lambda r: {"pattern": {"Regex": r}}
    rules = ["Precompiled", {"precompiled_charsmap": "CHARSMAP"}]
    bpe = {"byte_fallback": False, "unk_token": "?", "fuse_unk": False}
    return {
        "zoo_rules": (
            "t5",
            make(
                t5,
                byte_pieces,
                pipeline(
                    sequence("normalizers", rules),
                    sequence("pretokenizers", ["Metaspace", SPACE]),
                    sequence("decoders", "ByteFallback", ["Metaspace", SPACE]),
                ),
            ),
        ),
        "zoo_rules_words_first": (
            "t5",
            make(
                t5,
                byte_pieces,
                pipeline(
                    sequence("normalizers", rules, ["Strip", {"strip_left": True, "strip_right": False}]),
                    sequence("pretokenizers", "WhitespaceSplit", ["Metaspace", SPACE]),
                    sequence(
                        "decoders",
                        ["Metaspace", SPACE | {"prepend_scheme": "never"}],
                        "ByteFallback",
                        "Fuse",
                        ["Strip", {"content": " ", "start": 2, "stop": 0}],
                    ),
                ),
            ),
        ),
        "zoo_bert": ("llama", make(llama, pipeline(BERT, {"type": "BertPreTokenizer"}, None))),
        "zoo_bert_cased": (
            "llama",
            make(llama, pipeline(BERT | {"lowercase": False, "clean_text": False}, {"type": "Whitespace"})),
        ),
        "zoo_marks": (
            "llama",
            make(
                llama,
                pipeline(
                    sequence(
                        "normalizers",
                        "NFD",
                        "StripAccents",
                        "Lowercase",
                        "Nmt",
                        ["Strip", {"strip_left": True, "strip_right": True}],
                    ),
                    {"type": "Digits", "individual_digits": False},
                    sequence(
                        "decoders",
                        "Fuse",
                        ["Replace", {"pattern": {"String": "\u2581t"}, "content": " T"}],
                        ["Strip", {"content": "a", "start": 3, "stop": 0}],
                    ),
                ),
            ),
        ),
        "zoo_nfd": ("llama", make(llama, pipeline({"type": "NFD"}, {"type": "Punctuation", "behavior": "Contiguous"}))),
        "zoo_split": (
            "llama",
            make(
                llama,
                pipeline(
                    sequence(
                        "normalizers",
                        ["Replace", regex("[a-c\\s]{2,3}") | {"content": "<>"}],
                        ["Replace", regex("of") | {"content": ""}],
                    ),
                    sequence(
                        "pretokenizers",
                        ["Split", regex("\\s+") | {"behavior": "MergedWithPrevious", "invert": False}],
                        ["Digits", {"individual_digits": True}],
                        ["Punctuation", {"behavior": "MergedWithNext"}],
                        ["Metaspace", SPACE | {"split": False}],
                    ),
                    post_processor=sequence(
                        "processors",
                        ["BertProcessing", {"sep": ["x", 5], "cls": ["y", 6]}],
                        [
                            "TemplateProcessing",
                            {
                                "single": [
                                    {"SpecialToken": {"id": "z", "type_id": 0}},
                                    {"Sequence": {"id": "A", "type_id": 0}},
                                    {"Sequence": {"id": "A", "type_id": 1}},
                                ],
                                "pair": [],
                                "special_tokens": {"z": {"id": "z", "ids": [7, 8], "tokens": ["a", "b"]}},
                            },
                        ],
                    ),
                ),
            ),
        ),
        "zoo_unknown": ("llama", make(llama, pipeline(None, {"type": "WhitespaceSplit"}, **bpe))),
        "zoo_unknown_fused": (
            "llama",
            make(llama, pipeline(None, None, **bpe | {"fuse_unk": True, "ignore_merges": True})),
        ),
        "zoo_dropped": (
            "llama",
            make(
                llama,
                pipeline(None, {"type": "WhitespaceSplit"}, **bpe | {"unk_token": None, "end_of_word_suffix": "e"}),
            ),
        ),
        "zoo_bytes": (
            "gpt2",
            make(
                opt,
                pipeline(
                    {"type": "Lowercase"},
                    sequence(
                        "pretokenizers",
                        ["Digits", {"individual_digits": True}],
                        ["ByteLevel", {"add_prefix_space": True, "trim_offsets": True, "use_regex": False}],
                    ),
                    sequence(
                        "decoders",
                        ["ByteLevel", {"add_prefix_space": True, "trim_offsets": True, "use_regex": True}],
                        ["Strip", {"content": " ", "start": 1, "stop": 0}],
                    ),
                    sequence(
                        "processors",
                        ["ByteLevel", {"add_prefix_space": True, "trim_offsets": True, "use_regex": True}],
                        ["RobertaProcessing", ROBERTA],
                    ),
                    ignore_merges=True,
                ),
            ),
        ),
        "zoo_bytes_whole": (
            "gpt2",
            make(
                opt,
                pipeline(
                    None,
                    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": False},
                    sequence(
                        "decoders",
                        "Fuse",
                        ["ByteLevel", {"add_prefix_space": True, "trim_offsets": True, "use_regex": True}],
                    ),
                ),
            ),
        ),
        "zoo_expressions": (  # each kind of expression that is read
            "llama",
            make(
                toy.make_llama3_tokenizer,
                pipeline(
                    {"type": "Replace"} | regex("x{3,4}|--+(?!>)") | {"content": "~"},
                    sequence(
                        "pretokenizers",
                        ["Split", regex("(?:ab|a)(?:bc)?|[^\\S\\r\\n]+|\\P{L}(?=\\p{L})|(the|th|[i-k]{2})e?")
                         | {"behavior": "Isolated", "invert": False}],
                        ["Split", regex("(?i:image|k\\.|q(u|a)+)|\\w{5}") | {"behavior": "MergedWithNext", "invert": False}],
                        ["ByteLevel", {"add_prefix_space": False, "trim_offsets": True, "use_regex": False}],
                    ),
                ),
            ),
        ),
        "zoo_short_words": (
            "bert",
            make(
                bert,
                pipeline(
                    None,
                    {"type": "WhitespaceSplit"},
                    {"type": "WordPiece", "prefix": "##", "cleanup": False},
                    max_input_chars_per_word=6,
                    continuing_subword_prefix="##",
                ),
            ),
        ),
    }


def cases(toy, full):
    """name -> (kind, function that fills a directory[, class where no file names one[, version]])."""
    rule = {"rule": "nmt_nfkc", "pieces": 600} if full else {}
    more = {"pieces": 800} if full else {}
    t5 = lambda d, **o: toy.make_t5_tokenizer(d, **rule, **o)
    llama = lambda d, **o: toy.make_llama_tokenizer(d, **more, **o)
    opt = lambda d, **o: toy.make_opt_tokenizer(d, **more, **o)
    mt5 = lambda d: toy.make_mt5_tokenizer(d, **rule)
    llama3 = lambda d: toy.make_llama3_tokenizer(d, **more)
    plain = {"bos_token": "<s>", "unk_token": "<unk>", "pad_token": None}
    config = lambda d: d / "tokenizer_config.json"

    def make(maker, drop=(), then=lambda d: None, **changes):
        def fill(directory):
            maker(directory)
            if changes:
                edit(config(directory), **changes)
            then(directory)
            for name in drop:
                (directory / name).unlink(missing_ok=True)

        return fill

    json_only, settings = ["tokenizer.json"], ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
    slow_files = ["vocab.json", "merges.txt"]
    file_prefix = lambda d: change(d / "tokenizer.json", lambda c: byte_level(c, add_prefix_space=True))
    swapped = lambda d: change(d / "tokenizer.json", swap_pieces)
    table = {
        "t5": ("t5", make(t5)),
        "t5_slow": ("t5", make(t5, json_only, add_prefix_space=...)),
        "t5_slow_null_prefix": ("t5", make(t5, json_only)),
        "t5_slow_not_legacy": ("t5", make(t5, json_only, add_prefix_space=..., legacy=False)),
        "t5_slow_no_prefix": ("t5", make(t5, json_only, add_prefix_space=False, legacy=...)),
        "t5_not_legacy": ("t5", make(lambda d: t5(d, legacy=False))),
        "t5_disagrees": ("t5", make(t5, then=swapped)),
        "t5_disagrees_from_slow": ("t5", make(t5, then=swapped, add_prefix_space=True)),
        "t5_json_alone": (
            "t5",
            make(t5, ["spiece.model"], add_prefix_space=True, clean_up_tokenization_spaces=True),
            "T5TokenizerFast json",
        ),
        "t5_bare": ("t5", make(lambda d: t5(d, extra_ids=100), json_only + settings), "T5TokenizerFast"),
        "t5_old": ("t5", make(t5, then=lambda d: (old_t5_settings(d), change(d / "tokenizer.json", old_metaspace)))),
        "t5_old_slow": ("t5", make(t5, json_only, then=old_t5_settings)),
        "t5_flags": ("t5", make(t5, then=add_flagged_tokens)),
        "t5_generic": (
            "t5",
            make(t5, tokenizer_class="PreTrainedTokenizerFast", extra_special_tokens={"image_token": "<image>"}),
        ),
        "t5_split_special": ("t5", make(t5, split_special_tokens=True)),
        "llama": ("llama", make(llama)),
        "llama_slow": ("llama", make(llama, json_only, add_prefix_space=..., legacy=...)),
        "llama_slow_null_prefix": ("llama", make(llama, json_only)),
        "llama_slow_not_legacy": ("llama", make(llama, json_only, add_prefix_space=..., legacy=False)),
        "llama_not_legacy": ("llama", make(lambda d: llama(d, legacy=False))),
        "llama_not_legacy_no_prefix": ("llama", make(lambda d: llama(d, legacy=False), add_prefix_space=False)),
        "llama_no_bos_but_eos": ("llama", make(llama, add_bos_token=False, add_eos_token=True)),
        "llama_plain": ("llama", make(lambda d: llama(d, **plain))),
        "llama_plain_slow": ("llama", make(lambda d: llama(d, **plain), json_only, add_prefix_space=...)),
        "llama_disagrees": ("llama", make(llama, then=swapped)),
        "llama_disagrees_from_slow": ("llama", make(llama, then=swapped, add_prefix_space=True)),
        "llama_bare": ("llama", make(llama, json_only + settings), "LlamaTokenizerFast"),
        "llama_old": (
            "llama",
            make(llama, then=lambda d: (old_llama_settings(d), change(d / "tokenizer.json", text_merges))),
        ),
        "llama_old_slow": ("llama", make(llama, json_only, then=old_llama_settings)),
        "llama_flags": ("llama", make(llama, then=add_flagged_tokens)),
        "llama_cleaned": ("llama", make(llama, clean_up_tokenization_spaces=True)),
        "llama_generic": ("llama", make(llama, tokenizer_class="PreTrainedTokenizerFast", add_bos_token=False)),
        "qformer": ("bert", make(toy.make_qformer_tokenizer)),
        "qformer_vocab_alone": ("bert", make(toy.make_qformer_tokenizer, json_only + settings), "BertTokenizerFast"),
        "qformer_slow": ("bert", make(toy.make_qformer_tokenizer, json_only)),
        "qformer_cased": ("bert", make(lambda d: toy.make_qformer_tokenizer(d, do_lower_case=False))),
        "qformer_config_wins": (
            "bert",
            make(toy.make_qformer_tokenizer, do_lower_case=False, tokenize_chinese_chars=False),
        ),
        "qformer_accents": ("bert", make(toy.make_qformer_tokenizer, strip_accents=False)),
        "qformer_flags": ("bert", make(toy.make_qformer_tokenizer, then=add_flagged_tokens)),
        "opt": ("gpt2", make(opt)),
        "opt_json_alone": ("gpt2", make(opt, slow_files, clean_up_tokenization_spaces=True)),
        "opt_slow": ("gpt2", make(opt, json_only)),
        "opt_slow_no_bos": ("gpt2", make(opt, json_only, add_bos_token=...)),
        "opt_slow_prefix": ("gpt2", make(opt, json_only, add_prefix_space=True)),
        "opt_slow_untidy": ("gpt2", make(opt, json_only, then=untidy_merges)),
        "opt_slow_other_bos": (
            "gpt2",
            make(opt, json_only, then=add_flagged_tokens, bos_token="<begin>", eos_token="<end>"),
        ),
        "opt_slow_flags": ("gpt2", make(opt, json_only, then=add_flagged_tokens)),
        "opt_bare": ("gpt2", make(opt, json_only + settings), "GPT2TokenizerFast"),
        "opt_old": ("gpt2", make(opt, then=lambda d: (old_opt_settings(d), change(d / "tokenizer.json", text_merges)))),
        "opt_old_slow": ("gpt2", make(opt, json_only, then=old_opt_settings)),
        "opt_disagrees": ("gpt2", make(opt, then=swapped)),
        "opt_prefix": ("gpt2", make(opt, add_prefix_space=True)),
        "opt_prefix_of_file": ("gpt2", make(opt, then=file_prefix, add_prefix_space=None)),
        "opt_prefix_taken_back": ("gpt2", make(opt, then=file_prefix, add_prefix_space=...)),
        "opt_flags": ("gpt2", make(opt, then=add_flagged_tokens)),
        "opt_generic": (
            "gpt2",
            make(opt, then=file_prefix, tokenizer_class="PreTrainedTokenizerFast", add_prefix_space=...),
        ),
        "mt5": ("t5", make(mt5)),
        "mt5_slow": ("t5", make(mt5, json_only, add_prefix_space=...)),
        "mt5_class": ("t5", make(mt5, json_only, tokenizer_class="MT5Tokenizer")),
        "llama3": ("llama", make(llama3)),
        "llama3_flags": ("llama", make(llama3, then=add_flagged_tokens)),
        "llama3_named_llama": ("llama", make(llama3, then=lambda d: change(d / "tokenizer.json", text_merges), tokenizer_class="LlamaTokenizerFast")),
        "qwen2": ("llama", make(lambda d: toy.make_llama3_tokenizer(d, content=toy.train_llama3(words=toy.QWEN2_WORDS)))),
        "mt5_version5": ("t5", make(mt5), None, 5),
        "llama3_version5": ("llama", make(llama3), None, 5),
        "t5_version5": ("t5", make(t5), None, 5),
        "t5_not_legacy_version5": ("t5", make(lambda d: t5(d, legacy=False)), None, 5),
        "llama_version5": ("llama", make(llama), None, 5),
        "llama_plain_version5": ("llama", make(lambda d: llama(d, **plain)), None, 5),
        "qformer_version5": ("bert", make(toy.make_qformer_tokenizer), None, 5),
        "opt_version5": ("gpt2", make(opt), None, 5),
        "opt_prefix_version5": ("gpt2", make(opt, add_prefix_space=True), None, 5),
        "opt_slow_version5": ("gpt2", make(opt, json_only), None, 5),
    }
    return table | zoo(toy, full)


def answer(directory, class_name, questions, samples):
    """The ids of texts and the texts of ids, in whatever version of the reference runs this."""
    import transformers

    if class_name and class_name.endswith(" json"):  # which this class would not read
        class_name, directory_of = class_name.split()[0], pathlib.Path(directory)
        edit(directory_of / "tokenizer_config.json", add_prefix_space=None)
    loader = getattr(transformers, class_name or "AutoTokenizer")
    tokenizer = loader.from_pretrained(directory)
    ids = [tokenizer(text)["input_ids"] for text in questions]
    size = len(tokenizer)
    samples = [[i % (size + 3) for i in sample] for sample in samples] + ids[:: max(1, len(ids) // 12)]
    decoded = [
        {"ids": s, "text": tokenizer.decode(s, skip_special_tokens=True), "all": tokenizer.decode(s)} for s in samples
    ]
    return {"size": size, "ids": ids, "decoded": decoded}


def worker():
    """Run under version 5: saves a directory anew, then answers from it."""
    import transformers

    request = json.load(sys.stdin)
    transformers.AutoTokenizer.from_pretrained(request["source"]).save_pretrained(request["directory"])
    json.dump(answer(request["directory"], None, request["questions"], request["samples"]), sys.stdout)


def store(directory, output, case):
    """Large files go to files/, each content once; settings into the case."""
    for path in sorted(pathlib.Path(directory).iterdir()):
        if path.name in INLINE:
            case["settings"][path.name] = json.loads(path.read_text(encoding="utf-8"))
            continue
        same = [old for old in (output / "files").iterdir() if old.read_bytes() == path.read_bytes()]
        target = same[0] if same else output / "files" / f"{case['name']}-{path.name}"
        if not same:
            shutil.copy(path, target)
        case["files"][path.name] = target.name


def share(case, earlier):
    """Answers that another case has already given are named, not repeated."""
    for key in ("ids", "decoded"):
        same = [other["name"] for other in earlier if other["kind"] == case["kind"] and other.get(key) == case[key]]
        if same:
            case["same_" + key] = same[0]
            del case[key]
    return case


def compact(directory):
    """tokenizer.json without the indentation of pretty-printing."""
    path = pathlib.Path(directory) / "tokenizer.json"
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python5", required=True)
    parser.add_argument("--output", type=pathlib.Path, default=HERE)
    parser.add_argument("--fuzz", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", action="store_true", help="instead of random texts, every 64th character of Unicode")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    shutil.rmtree(options.output / "files", ignore_errors=True)
    (options.output / "files").mkdir(parents=True)
    random_texts = texts.randoms(options.fuzz or 150, options.seed)
    generator = random.Random(2 + (options.fuzz or 0))
    samples = [[generator.randrange(10**6) for _ in range(generator.randint(1, 16))] for _ in range(options.fuzz or 15)]
    questions = random_texts if options.fuzz else texts.AWKWARD
    if options.every:
        questions = random_texts = texts.every_character(options.seed % 64, 64)
    result = {"texts": questions, "random_texts": random_texts, "cases": []}
    for name, (kind, fill, *more) in cases(toys(), bool(options.fuzz)).items():
        class_name, version = more + [None, 4][len(more) :]
        if options.names and name not in options.names:
            continue
        with tempfile.TemporaryDirectory() as work:
            directory = pathlib.Path(work) / "tokenizer"
            directory.mkdir()
            fill(directory)
            compact(directory)
            # Random texts for the plain cases only: they are about the algorithm, not about the settings.
            asked = questions + (random_texts if name in ("t5", "llama", "llama3", "qformer", "opt") and not options.fuzz else [])
            case = {"name": name, "kind": kind, "files": {}, "settings": {}}
            if version == 4:
                store(directory, options.output, case)
                case |= answer(directory, class_name, asked, samples)
            else:
                target = pathlib.Path(work) / "version5"
                request = {"source": str(directory), "directory": str(target), "questions": asked, "samples": samples}
                done = subprocess.run(
                    [options.python5, __file__, "worker"],
                    input=json.dumps(request),
                    text=True,
                    stdout=subprocess.PIPE,
                    check=True,
                )
                compact(target)
                store(target, options.output, case)
                case |= json.loads(done.stdout)
            result["cases"].append(share(case, result["cases"]))
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, separators=(",", ":")) for case in result.pop("cases"))
    head = json.dumps(result, ensure_ascii=True, separators=(",", ":"))[:-1]
    (options.output / "goldens.json").write_text(f'{head},"cases":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    worker() if sys.argv[1:] == ["worker"] else main()
