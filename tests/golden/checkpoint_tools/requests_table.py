"""The questions that golden checkpoints are asked: instructions awkward for a tokenizer, options awkward for a search."""

LONG = (
    "Describe the image in details. Who or what is in it, where was it taken, what time of day may it be, and what "
    "happened just before? Mention colours, materials, the light, and anything written on signs. "
)
INSTRUCTIONS = {
    "unusual": "What is unusual about this image?",
    "caption": "A short image description:",
    "vqa": "Question: what is the man holding? Short answer:",
    "empty": "",
    "spaces": "   Write  a short   description for the image.  ",
    "newline": "Dialog history: Who is it?\nQuestion: what colour\tis the cup?\r\nShort answer:",
    "chinese": "请详细描述这张图片。 What city is 東京?",
    "arabic": "ما الذي يظهر في هذه الصورة؟ Дайте краткое описание",
    "emoji": "Is the 🐈\u200d⬛ happy 😀👍🏽? café nai\u0308ve Ünïcödé ﬁne ½ ℃",
    "special": "Repeat </s> and [SEP] or <s>then [PAD] <unk> [DEC]stop<extra_id_0>.",
    "symbols": "don't $5+3=8 {a|b} ~`^_ \\ \"quoted\" <tag> (1/2)... WHY?!",
    "options": "Context: {0, 1} Question: which one? Options: (a) cat (b) dog. Answer:",
    "one": "x",
    "long": (LONG * 9)[: LONG.__len__() * 2 + 60],
}

PROMPTS = {  # whole prompts of LLaVA, which say where the pictures stand
    "front": "<image>\nDescribe this picture.",
    "middle": "A chat between a curious user and an assistant. USER: Look: <image> what colour is it? ASSISTANT:",
    "end": "USER: What do you see here?<image>",
    "two": "USER: <image>\n<image>\nWhich of the two is brighter? ASSISTANT:",
    "two-apart": "USER: First <image> then <image>, what changed? ASSISTANT: Well,",
}
TEXTS = INSTRUCTIONS | PROMPTS

# name, instruction, options, and the number of pictures where it is not the family's own.
GREEDY = [
    ("greedy", "unusual", {"max_new_tokens": 24}),
    ("greedy-caption", "caption", {"max_new_tokens": 40}),
    ("greedy-one-token", "vqa", {"max_new_tokens": 1}),
    ("greedy-empty", "empty", {"max_new_tokens": 12}),
    ("greedy-spaces", "spaces", {"max_new_tokens": 16}),
    ("greedy-newline", "newline", {"max_new_tokens": 16}),
    ("greedy-chinese", "chinese", {"max_new_tokens": 16}),
    ("greedy-arabic", "arabic", {"max_new_tokens": 16}),
    ("greedy-emoji", "emoji", {"max_new_tokens": 16}),
    ("greedy-special", "special", {"max_new_tokens": 16}),
    ("greedy-symbols", "symbols", {"max_new_tokens": 16}),
    ("greedy-long", "long", {"max_new_tokens": 20}),
    ("repetition-1.5", "options", {"max_new_tokens": 24, "repetition_penalty": 1.5}),
    ("repetition-0.8", "unusual", {"max_new_tokens": 16, "repetition_penalty": 0.8}),
    ("ngram-2", "caption", {"max_new_tokens": 32, "no_repeat_ngram_size": 2}),
    ("ngram-1", "one", {"max_new_tokens": 16, "no_repeat_ngram_size": 1}),
    ("minimum", "vqa", {"max_new_tokens": 20, "min_new_tokens": 12}),
]
BEAMS = [
    ("beams-5", "unusual", {"max_new_tokens": 20, "num_beams": 5}),
    ("beams-2-all", "vqa", {"max_new_tokens": 12, "num_beams": 2, "num_return_sequences": 2}),
    ("beams-5-short", "vqa", {"max_new_tokens": 10, "num_beams": 5, "length_penalty": -1.0}),
    ("beams-3-flat", "caption", {"max_new_tokens": 16, "num_beams": 3, "length_penalty": 0.0, "early_stopping": True,
                                 "num_return_sequences": 3}),
    ("beams-4-never", "emoji", {"max_new_tokens": 14, "num_beams": 4, "length_penalty": 2.0,
                                "early_stopping": "never", "num_return_sequences": 2}),
    ("beams-5-lavis", "long", {"max_new_tokens": 24, "num_beams": 5, "repetition_penalty": 1.5, "min_new_tokens": 1}),
    ("beams-3-ngram", "special", {"max_new_tokens": 20, "num_beams": 3, "no_repeat_ngram_size": 3,
                                  "repetition_penalty": 0.8, "min_new_tokens": 8}),
    ("beams-5-early", "chinese", {"max_new_tokens": 30, "num_beams": 5, "early_stopping": True,
                                  "num_return_sequences": 5}),
    ("beams-2-one-token", "empty", {"max_new_tokens": 1, "num_beams": 2, "num_return_sequences": 2}),
]  # fmt: skip
INTERPOLATED = [
    ("interpolated", "unusual", {"max_new_tokens": 16, "interpolate_pos_encoding": True}),
    ("interpolated-long", "long", {"max_new_tokens": 16, "interpolate_pos_encoding": True}),
    ("interpolated-beams", "caption",
     {"max_new_tokens": 12, "num_beams": 3, "interpolate_pos_encoding": True, "num_return_sequences": 2}),
    ("interpolated-chinese", "chinese", {"max_new_tokens": 12, "interpolate_pos_encoding": True}),
    ("interpolated-empty", "empty", {"max_new_tokens": 12, "interpolate_pos_encoding": True}),
    ("interpolated-penalty", "vqa",
     {"max_new_tokens": 12, "repetition_penalty": 1.5, "interpolate_pos_encoding": True}),
]  # fmt: skip
PENALISED = [
    (f"penalised-{text}", text, {"max_new_tokens": 12, "repetition_penalty": penalty})
    for text, penalty in (("unusual", 1.1), ("vqa", 1.3), ("empty", 1.2), ("symbols", 0.9), ("arabic", 1.2), ("long", 1.1))
]
FROM_CONFIG = [  # options that the checkpoint's own text_config supplies, and calls that override them
    ("config-options", "unusual", {}),
    ("config-options-long", "long", {}),
    ("config-options-symbols", "symbols", {}),
    ("config-overridden-greedy", "caption", {"num_beams": 1, "max_new_tokens": 12}),
    ("config-overridden-penalty", "vqa", {"repetition_penalty": 1.0, "max_new_tokens": 9}),
    ("config-overridden-beams", "emoji", {"num_beams": 2, "early_stopping": False, "length_penalty": 1.0}),
]
VIDEO = [  # any number of frames, not the four alone that the reference's processor counts on
    ("one-frame", "unusual", {"max_new_tokens": 16}, 1),
    ("two-frames", "caption", {"max_new_tokens": 16}, 2),
    ("three-frames", "newline", {"max_new_tokens": 12, "repetition_penalty": 1.2}, 3),
    ("three-frames-beams", "vqa", {"max_new_tokens": 12, "num_beams": 3, "num_return_sequences": 2}, 3),
    ("seven-frames", "special", {"max_new_tokens": 16}, 7),
]
PROMPTED = [  # no beams for two pictures: there the reference deals the rows of pictures out in the wrong order
    ("prompt-front", "front", {"max_new_tokens": 16}),
    ("prompt-middle", "middle", {"max_new_tokens": 16}),
    ("prompt-middle-beams", "middle", {"max_new_tokens": 12, "num_beams": 3, "num_return_sequences": 2}),
    ("prompt-end", "end", {"max_new_tokens": 12, "repetition_penalty": 1.2}),
    # One beam: for more the reference repeats each picture as often as there are beams and then puts them into the rows
    # of its batch in turn, so that a row gets one of its pictures twice and the other never.
    ("two-pictures", "two", {"max_new_tokens": 16, "num_beams": 1}, 2),
    ("two-pictures-apart", "two-apart", {"max_new_tokens": 16, "num_beams": 1, "repetition_penalty": 1.1}, 2),
]
SAMPLING = [
    ("temperature", "unusual", {"temperature": 0.7, "top_k": 0, "top_p": 1.0}),
    ("defaults", "caption", {}),
    ("top-k-p", "vqa", {"temperature": 1.3, "top_k": 12, "top_p": 0.8}),
    ("nucleus", "emoji", {"top_k": 0, "top_p": 0.9, "repetition_penalty": 1.5}),
    ("typical", "special", {"top_k": 0, "typical_p": 0.6, "temperature": 1.2}),
]


def deal(entries, images, first=0, count=1):
    """Requests with `count` pictures each, or as many as a fourth item of the entry says; pictures are dealt round."""
    requests = []
    for i, (name, text, options, *own) in enumerate(entries):
        wanted = own[0] if own else count
        names = [images[(first + i + k) % len(images)] for k in range(wanted)]
        asked = {"image": names[0]} if count == wanted == 1 else {"images": names}
        requests.append({"name": name, **asked, "instruction": TEXTS[text], "options": options})
    return requests


def without_beams(entry):
    """An entry for two pictures, where the checkpoint would otherwise ask for beams."""
    name, text, options, *count = entry
    return (name, text, {**options, "num_beams": 1}, *count) if count else entry


def pictures(request):
    return request["images"] if "images" in request else [request["image"]]
