"""What LAVIS is asked: its own defaults and recipes, and searches whose counting differs from that of transformers 4.57.

name, instruction, options and, where it is not the family's own, the number of pictures. Options are ours: max_new_tokens
and min_new_tokens count new ids alone.
"""

import requests_table

INSTRUCTIONS = {
    **requests_table.INSTRUCTIONS,
    "longer": "First of all: which one? " + requests_table.LONG * 3 + "And last, what city is it?",
    "placeholder": "Is this {} a photo of {0}, or {{}}?",
    "specials-inside": "</s>who</s> is <unk>it? [PAD][CLS] x <extra_id_1> y\u00a0z",
    "blank": " \n\t ",
}
GENERATE = [
    ("defaults", "unusual", {}),
    ("defaults-caption", "caption", {"max_new_tokens": 40}),
    ("defaults-empty", "empty", {"max_new_tokens": 24}),
    ("defaults-spaces", "spaces", {"max_new_tokens": 12}),
    ("defaults-newline", "newline", {"max_new_tokens": 12}),
    ("defaults-chinese", "chinese", {"max_new_tokens": 12}),
    ("defaults-arabic", "arabic", {"max_new_tokens": 12}),
    ("defaults-emoji", "emoji", {"max_new_tokens": 12}),
    ("defaults-special", "special", {"max_new_tokens": 12}),
    ("defaults-specials-inside", "specials-inside", {"max_new_tokens": 12}),
    ("defaults-symbols", "symbols", {"max_new_tokens": 12}),
    ("defaults-placeholder", "placeholder", {"max_new_tokens": 12}),
    ("defaults-blank", "blank", {"max_new_tokens": 12}),
    ("defaults-one", "one", {"max_new_tokens": 12}),
    ("defaults-long", "long", {"max_new_tokens": 16}),
    ("defaults-longer", "longer", {"max_new_tokens": 16}),
    ("captioning", "caption", {"max_new_tokens": 79, "min_new_tokens": 9, "repetition_penalty": 1.15}),
    ("greedy", "unusual", {"num_beams": 1, "max_new_tokens": 32}),
    ("greedy-plain", "vqa", {"num_beams": 1, "max_new_tokens": 24, "repetition_penalty": 1.0}),
    ("greedy-empty", "empty", {"num_beams": 1, "max_new_tokens": 16, "repetition_penalty": 1.15}),
    ("greedy-minimum", "options", {"num_beams": 1, "max_new_tokens": 20, "min_new_tokens": 12}),
    ("greedy-one-token", "caption", {"num_beams": 1, "max_new_tokens": 1}),
    ("plain", "vqa", {"max_new_tokens": 20, "repetition_penalty": 1.0, "num_return_sequences": 3}),
    ("short", "unusual", {"max_new_tokens": 14, "length_penalty": -1.0, "num_return_sequences": 5}),
    ("short-plain", "caption", {"max_new_tokens": 14, "length_penalty": -1.0, "repetition_penalty": 1.0,
                                "num_return_sequences": 5}),
    ("flat", "options", {"max_new_tokens": 14, "length_penalty": 0.0, "num_return_sequences": 5}),
    ("flat-plain", "one", {"max_new_tokens": 9, "length_penalty": 0.0, "repetition_penalty": 1.0,
                           "num_return_sequences": 2}),
    ("wordy", "vqa", {"max_new_tokens": 14, "length_penalty": 2.0, "num_return_sequences": 5}),
    ("wordy-plain", "chinese", {"max_new_tokens": 18, "length_penalty": 2.0, "repetition_penalty": 1.0,
                                "num_return_sequences": 4}),
    ("beams-2", "caption", {"max_new_tokens": 6, "num_beams": 2, "num_return_sequences": 2}),
    ("beams-3-minimum", "symbols", {"max_new_tokens": 16, "num_beams": 3, "min_new_tokens": 6, "num_return_sequences": 3}),
    ("beams-4-minimum-short", "empty", {"max_new_tokens": 12, "num_beams": 4, "min_new_tokens": 2,
                                        "length_penalty": -1.0, "num_return_sequences": 2}),
    ("beams-8", "unusual", {"max_new_tokens": 10, "num_beams": 8, "num_return_sequences": 8}),
    ("one-token", "options", {"max_new_tokens": 1, "num_return_sequences": 5}),
    ("two-tokens", "spaces", {"max_new_tokens": 2, "num_return_sequences": 5, "length_penalty": 2.0}),
    ("wordy-penalised", "long", {"max_new_tokens": 24, "length_penalty": 1.5, "repetition_penalty": 1.15}),
]  # fmt: skip
ANSWERS = [  # predict_answers
    ("answers", "vqa", {}),
    ("answers-unusual", "unusual", {}),
    ("answers-options", "options", {}),
    ("answers-empty", "empty", {}),
    ("answers-longer", "longer", {}),
    ("answers-emoji", "emoji", {"num_beams": 3}),
    ("answers-greedy", "vqa", {"num_beams": 1}),
    ("answers-minimum", "one", {"min_new_tokens": 3}),
    ("answers-wordy", "symbols", {"length_penalty": 2.0, "max_new_tokens": 6}),
    ("answers-even", "chinese", {"length_penalty": 1.0, "max_new_tokens": 16, "num_beams": 4}),
]
VIDEO = [
    ("one-frame", "unusual", {"max_new_tokens": 16}, 1),
    ("two-frames", "caption", {"max_new_tokens": 16, "num_beams": 1}, 2),
    ("three-frames", "newline", {"max_new_tokens": 12, "num_return_sequences": 3}, 3),
    ("seven-frames", "special", {"max_new_tokens": 12}, 7),
]
# What predict_class ranks: instruction, candidates, segments.
CANDIDATES = [
    ("colours", "unusual", ["red", "white and red", "blue", "a yellow car", "x"], 1),
    ("colours-2-segments", "unusual", ["red", "white and red", "blue", "a yellow car", "x"], 2),
    ("answers", "vqa", ["yes", "no", "a man is ironing clothes on the back of a yellow car", "the dog", "dog",
                        "two children playing football in the park"], 1),
    ("answers-3-segments", "options", ["(a) cat", "(b) dog", "cat", "dog", "(c)", "neither of them", "both"], 3),
    ("one-candidate", "caption", ["a horse"], 1),
    ("awkward", "chinese", ["", " ", "東京", "😀 café", "is it?\nyes", "  two   spaces "], 1),
    ("equal", "newline", ["cat", "dog", "bird"], 3),
    ("longer", "longer", ["beach", "in the city", "park"], 1),
]  # fmt: skip
MATCHED = ("unusual", "caption", "empty", "spaces", "newline", "chinese", "emoji", "special", "symbols", "long", "longer")

# Texts whose special tokens LAVIS's slow tokenizer of LLaMA reads otherwise than the tokenizer.json that transformers has.
LITERAL = ("special", "specials-inside")

# For blip_question and blip_caption.
TEXTS = [
    "What is unusual about this image?",
    "",
    "   ",
    " leading and trailing  ",
    "\n\nnew lines\n at\r\nall places\n",
    "tabs\tand\t\ttwo tabs",
    "runs  of   spaces    of any     length",
    "A.B!C\"D(E)F*G#H:I;J~K",
    "...!!! ()()  ;;; ~~~",
    "keeps ? , ' - _ / \\ [ ] { } < > @ $ % ^ & + = | `",
    "Question: what is the man holding? Short answer:",
    "İstanbul ÇAĞ ΣΊΣΥΦΟΣ ΑΣ ÄÖÜẞ ǅ Ⅷ Ⓐ ﬀ Å",
    "ДАЙТЕ Краткое ОПИСАНИЕ. ЧТО ЭТО?",
    "ΟΔΟΣ. ΟΔΟΣ' Σ ΑΣΑ ΑΣ.Α",
    "no\u00a0break\u2003em\u3000wide\u200bzero\u2028line\u0085next\x1cfile",
    "\u00a0 begins and ends wide \u3000",
    "ends with spaces and a line \n",
    "ends with a line and spaces\n  ",
    "one " * 49 + "fifty",
    "one " * 50 + "fifty-one",
    "a  b " * 30,
    "many, many words. " * 40,
    "\t\tonly tabs\t\t",
    "請详细描述这张图片。What City is 東京？",
    "🐈\u200d⬛ HAPPY 😀👍🏽! nai\u0308ve CAFE\u0301",
]
MAX_WORDS = (50, 3, 1)


def deal(entries, images, call, first=0, several=False):
    requests = []
    for i, (name, text, options, *own) in enumerate(entries):
        count = own[0] if own else (2 if several else 1)
        names = [images[(first + i + k) % len(images)] for k in range(count)]
        asked = {"images": names} if several else {"image": names[0]}
        requests.append({"name": name, **asked, "instruction": INSTRUCTIONS[text], "call": call, "options": options})
    return requests


def deal_candidates(images, first=0, several=False):
    result = []
    for i, (name, text, candidates, segments) in enumerate(CANDIDATES):
        names = [images[(first + 2 * i + k) % len(images)] for k in range(2)]
        asked = {"images": names} if several else {"image": names[0]}
        asked |= {"instruction": INSTRUCTIONS[text], "candidates": candidates, "segments": segments}
        result.append({"name": name, **asked})
    return result
