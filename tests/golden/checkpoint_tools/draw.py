"""Draws a case (see cases.py) and its requests at random: other sizes, layouts, dtypes, shards, tokenizers, options."""

import random
import unicodedata

import cases
import requests_table

IMAGE_SIDES = (28, 30, 42, 45, 56, 64)


def heads(rng, low, high):
    """(width, heads) with any head size, odd ones too."""
    count = rng.randint(1, 4)
    return rng.randint(low, high) // count * count or count, count


def draw_case(seed, layouts, family="instructblip"):
    case = draw_family(seed, layouts, family)
    text = case["text"]
    if case["layout"] == "2026" and "head_dim" in text:  # transformers 5 refuses other widths
        text["hidden_size"] += -text["hidden_size"] % text["num_attention_heads"]
    draw_newer(random.Random(f"newer {family} {seed}"), case)
    bans = draw_bans(random.Random(f"bans {seed}"))
    for key in ("text_edits", "generation_config"):
        if case.get(key):
            case[key] |= bans
    return case


def draw_family(seed, layouts, family):
    rng = random.Random(seed)
    if family == "llava":
        return draw_llava(rng, seed, [layout for layout in layouts if layout != "2023"])
    if family == "llava_next":
        return draw_llava_next(rng, seed, [layout for layout in layouts if layout != "2023"])
    if family == "instructblipvideo":
        layouts = [layout for layout in layouts if layout != "2023"]
    case = draw_blip(rng, seed, layouts)
    if family != "instructblip":
        case["family"] = family
    if family == "blip-2" and case["text"]["model_type"] == "llama":
        draw_opt(rng, case)
    if family == "instructblipvideo" and case["layout"] == "2024":
        case["old_video_files"] = rng.random() < 0.5
    if family == "instructblipvideo":
        case["pixel_settings"] = draw_video_settings(rng, case)
    return case


def draw_video_settings(rng, case):
    """What a video processor's settings may say besides a size."""
    settings = {}
    if rng.random() < 0.3 and "pixels" not in case:
        side = case["vision"]["image_size"]
        height, width = rng.randint(side - 6, side + 30), rng.randint(side - 6, side + 30)
        settings = {"do_center_crop": True, "crop_size": {"height": side, "width": side},
                    "size": rng.choice(({"shortest_edge": height}, {"height": height, "width": width}))}  # fmt: skip
    if rng.random() < 0.2:
        settings |= {"do_sample_frames": True, "num_frames": rng.choice((1, 2, 4))}
    if rng.random() < 0.2:
        settings |= rng.choice(({"do_rescale": False, "image_mean": [120.0, 117.0, 104.0], "image_std": [60.0, 70.5, 71.0]},
                                {"do_normalize": False}, {"rescale_factor": 1 / 127.5}, {"image_mean": 0.5, "image_std": 0.25},
                                {"do_convert_rgb": False}))  # fmt: skip
    return settings


def draw_newer(rng, case):
    """What came later, from numbers of its own: mT5, LLaMA 3's tokenizer, scaled rotary positions."""
    text = case["text"]
    if text["model_type"] == "t5" and rng.random() < 0.4:
        case["text"] = text | {"model_type": "mt5"}
        case["tokenizer"] = {"pieces": case["tokenizer"]["pieces"], "rule": case["tokenizer"]["rule"], "kind": "mt5"}
        if rng.random() < 0.5:
            case["text"].pop("feed_forward_proj")  # gated-gelu
    if text["model_type"] not in ("llama", "mistral"):
        return
    if rng.random() < 0.35 and case["layout"] != "2023":
        case["tokenizer"] = {"pieces": case["tokenizer"]["pieces"], "kind": "llama3"}
        for key in ("bos_token_id", "eos_token_id"):
            text.pop(key, None)  # what follows from the tokenizer
        case.pop("generation_config", None)
        for key in ("drop_files", "drop_after"):
            case[key] = [name for name in case.get(key, []) if not name.endswith("tokenizer.json")]
        for key in ("tokenizer_edits", "disagreeing_tokenizer"):
            case.pop(key, None)
    if rng.random() < 0.5:
        draw_rope(rng, text)


def draw_rope(rng, text):
    kind = rng.choice(("linear", "dynamic", "dynamic", "llama3"))
    scaling = {"factor": rng.choice((2.0, 4.0, 8.0, 1.5, 32.0))}
    if kind == "dynamic":  # prompts reach it before, in or behind their answers
        text["max_position_embeddings"] = rng.choice((16, 40, 64, 100, 200, 400))
        # The reference's Mistral fails without it.
        text.setdefault("head_dim", text["hidden_size"] // text["num_attention_heads"])
    if kind == "llama3":
        text["rope_theta"] = rng.choice((500000.0, 10000.0))
        scaling |= {"low_freq_factor": rng.choice((1.0, 1.5)), "high_freq_factor": rng.choice((4.0, 2.0, 8)),
                    "original_max_position_embeddings": rng.choice((32, 100, 1000, 8192))}  # fmt: skip
    spelled = rng.choice(("rope_type", "rope_type", "type") if text["model_type"] == "llama" else ("rope_type",))
    text["rope_scaling"] = {spelled: kind, **scaling}


def draw_blip(rng, seed, layouts):
    decoder_only = rng.random() < 0.5
    vision_width, vision_heads = heads(rng, 18, 48)
    qformer_width, qformer_heads = heads(rng, 16, 44)
    side, patch = rng.choice(IMAGE_SIDES), rng.choice((7, 14, 14, 9))
    case = {
        "name": f"random_{seed}", "seed": seed, "layout": rng.choice(layouts),
        "dtype": rng.choice(("F32", "F16", "BF16", "F32", "MIXED")),
        "shard_bytes": rng.choice((None, None, 60_000, 150_000, 400_000)), "queries": rng.choice((1, 3, 5, 8, 12, 32)),
        "vision": cases.vision(vision_width, vision_heads, rng.randint(1, 3), side, patch, rng.randint(16, 64),
                               qkv_bias=rng.random() < 0.85,
                               layer_norm_eps=rng.choice((1e-6, 1e-6, 1e-5, 1e-3))),
        "qformer": cases.qformer(qformer_width, qformer_heads, rng.randint(1, 5), rng.randint(1, 3),
                                 rng.randint(16, 64), words=rng.choice((0, 1, 7)),
                                 positions=rng.choice((512, 600, 1024)),
                                 layer_norm_eps=rng.choice((1e-12, 1e-12, 1e-5))),
        "spare_rows": rng.choice((0, 1, 8, 40)), "eos_share": rng.choice((0.02, 0.05, 0.1)),
        "tokenizer": draw_tokenizer(rng, decoder_only), "quiet": rng.choice((1.0, 1.0, 0.01, 0.003)),
    }  # fmt: skip
    case["text"] = draw_llama(rng, case) if decoder_only else draw_t5(rng)
    case["drop_files"] = rng.choice(
        ([], ["added_tokens.json"], ["spiece.model", "tokenizer.model"], ["generation_config.json"],
         ["spiece.model", "tokenizer.model", "added_tokens.json", "special_tokens_map.json"])
    )  # fmt: skip
    if rng.random() < 0.3:
        case["text_edits"] = draw_generation_keys(rng)
    if case["layout"] == "2024":
        draw_2024(rng, case)
    if case["layout"] == "2023":
        case.update(cut_rows=decoder_only and rng.random() < 0.5, processor_config=rng.random() < 0.5,
                    int_size=rng.random() < 0.3)  # fmt: skip
        case["loud_image_row"] = not case["cut_rows"] and rng.random() < 0.5
        if case["dtype"] == "MIXED":
            case["dtype"] = "F32"
    return case


def draw_2024(rng, case):
    chance = rng.random()
    if chance < 0.15:
        case["drop_files"] = ["tokenizer.json", "added_tokens.json"]
        case["drop_after"] = ["qformer_tokenizer/tokenizer.json"]
        case["tokenizer_edits"] = {"add_prefix_space": True}
    elif chance < 0.25:
        case["drop_files"], case["disagreeing_tokenizer"] = [], True
    if case["vision"].get("qkv_bias", True) and rng.random() < 0.15 and case["dtype"] != "MIXED":
        case["old_vision_bias"] = True
    if rng.random() < 0.15:
        case["pixels"] = rng.choice([s for s in (28, 42, 56, 70, 84) if s != case["vision"]["image_size"]])


def draw_generation_keys(rng):
    """What text_config may say about decoding; transformers 5 reads only some of it."""
    keys = {
        "max_new_tokens": rng.randint(3, 20), "num_beams": rng.choice((1, 2, 3)),
        "repetition_penalty": rng.choice((1.0, 1.2, 0.9)), "length_penalty": rng.choice((1.0, 0.0, -0.5)),
        "no_repeat_ngram_size": rng.choice((0, 3)), "early_stopping": rng.choice((True, False)),
        "min_new_tokens": rng.choice((0, 2, 5)), "min_length": rng.choice((0, 4, 12, 45)),
    }  # fmt: skip
    return {key: value for key, value in keys.items() if key == "max_new_tokens" or rng.random() < 0.6}


def draw_tokenizer(rng, decoder_only):
    result = {"pieces": rng.choice((430, 520, 700)), "options": {}}
    if decoder_only:
        chance = rng.random()
        if chance < 0.25:
            result["options"] = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        if rng.random() < 0.3:
            result["options"]["legacy"] = rng.choice((True, False))
        if rng.random() < 0.1:
            result["options"]["add_bos_token"] = False
    else:
        result["options"]["extra_ids"] = rng.choice((5, 100))
        result["rule"] = rng.choice(("reduced", "nmt_nfkc", "nmt_nfkc"))
        if rng.random() < 0.3:
            result["options"]["legacy"] = rng.choice((True, False))
    return result


def draw_t5(rng):
    decoder = rng.randint(1, 3)
    tied = rng.random() < 0.3
    more = {} if rng.random() < 0.3 else {"dense_act_fn": "gelu"}
    return cases.t5(
        rng.randint(16, 48), rng.randint(1, 4), rng.randint(5, 24), rng.randint(16, 72), rng.randint(decoder, 3), decoder,
        tie_word_embeddings=tied, relative_attention_num_buckets=rng.choice((32, 32, 32, 16)),
        relative_attention_max_distance=rng.choice((128, 128, 128, 64)), **more,
    )  # fmt: skip


def draw_llama(rng, case):
    count = rng.choice((1, 2, 4, 6))
    size = 2 * rng.randint(2, 9)
    groups = rng.choice([g for g in (1, 2, 3, 6, 4) if count % g == 0])
    more = {"head_dim": size} if rng.random() < 0.3 else {}
    width = rng.randint(10, 26) * 2 if more else count * size
    stop = rng.choice((2, 2, 2, 1, [2, 99], [2, 50, 51]))
    if case["tokenizer"]["options"].get("bos_token") == "<s>":
        more["bos_token_id"] = 1
    return cases.llama(
        width, count, groups, rng.randint(16, 80), rng.randint(1, 3), eos_token_id=stop,
        rope_theta=rng.choice((10000.0, 10000.0, 500.0)), rms_norm_eps=rng.choice((1e-6, 1e-5)),
        tie_word_embeddings=rng.random() < 0.15, **{"bos_token_id": 2, **more},
    )  # fmt: skip


def draw_opt(rng, case):
    """Puts an OPT in the place of the language model that was drawn."""
    count = rng.choice((1, 2, 3, 4))
    width = count * rng.randint(5, 14)
    case["text"] = cases.opt(
        width, count, rng.randint(16, 80), rng.randint(1, 3), max_position_embeddings=rng.choice((900, 1024)),
        do_layer_norm_before=rng.random() < 0.75, _remove_final_layer_norm=case["seed"] % 5 == 0,
        bos_token_id=rng.choice((2, 2, 0, 33)), tie_word_embeddings=rng.random() < 0.7,
    )  # fmt: skip
    if rng.random() < 0.25:
        case["text"]["eos_token_id"] = rng.choice((2, [202, 2], [202, 60, 61]))
    case["tokenizer"] = {"pieces": rng.choice((330, 480, 700))}
    for key in ("drop_after", "disagreeing_tokenizer", "cut_rows"):
        case.pop(key, None)
    case["tokenizer_edits"] = rng.choice(({}, {"clean_up_tokenization_spaces": True}))
    case["drop_files"] = rng.choice(
        (["vocab.json", "merges.txt"], ["tokenizer.json"], [], ["vocab.json", "merges.txt", "generation_config.json"])
    )


def draw_llava(rng, seed, layouts):
    width, count = heads(rng, 18, 48)
    side, patch, depth = rng.choice(IMAGE_SIDES), rng.choice((7, 14, 14, 9)), rng.randint(1, 4)
    layers = (-2, -2, -1, rng.randint(0, depth), [rng.randint(-depth, depth) for _ in range(rng.randint(1, 3))])
    case = {
        "name": f"random_{seed}", "family": "llava", "seed": seed, "layout": rng.choice(layouts),
        "dtype": rng.choice(("F32", "F16", "BF16", "F16", "MIXED")),
        "shard_bytes": rng.choice((None, None, 60_000, 150_000)), "spare_rows": rng.choice((0, 1, 8, 40)),
        "vision": cases.vision(width, count, depth, side, patch, rng.randint(16, 64),
                               layer_norm_eps=rng.choice((1e-5, 1e-5, 1e-3)),
                               hidden_act=rng.choice(("quick_gelu", "quick_gelu", "gelu"))),
        "projector": {"vision_feature_layer": rng.choice(layers),
                      "vision_feature_select_strategy": rng.choice(("default", "default", "full")),
                      "multimodal_projector_bias": rng.random() < 0.8},
        "tokenizer": {"pieces": rng.choice((430, 520, 700)), "options": {"legacy": rng.random() < 0.5}},
        "eos_share": rng.choice((0.02, 0.05, 0.1)), "quiet": rng.choice((1.0, 1.0, 0.01, 0.003)),
        "drop_files": [],
    }  # fmt: skip
    case["text"] = draw_llama(rng, case) | {"bos_token_id": 1}
    if rng.random() < 0.3:
        case["shortest_edge"] = rng.choice((side + 1, side + 9, side - 7))
    settings = {"eos_token_id": case["text"]["eos_token_id"], "bos_token_id": 1, **draw_generation_keys(rng)}
    chance = rng.random()
    if chance < 0.25:
        case["generation_config"] = settings
    elif chance < 0.5:
        case["drop_files"] = ["generation_config.json"]
    if case["layout"] == "2024":
        if rng.random() < 0.3:
            case["text_edits"] = draw_generation_keys(rng)
        case["in_memory_names"] = rng.random() < 0.3
        case["projector"]["linear"] = rng.random() < 0.2
        case["position_ids"] = not case["in_memory_names"] and rng.random() < 0.3
        case["drop_after"] = rng.choice(([], ["processor_config.json"]))
        case["drop_files"] = case["drop_files"] + rng.choice(([], ["tokenizer.json"], ["tokenizer.model"]))
    if case["layout"] == "2024" and rng.random() < 0.3:  # the reference computes with torchvision then
        case["pixel_settings"] = {"image_processor_type": "CLIPImageProcessorFast"}
    return case


def draw_llava_next(rng, seed, layouts):
    case = draw_llava(rng, seed, layouts) | {"family": "llava_next"}
    side = case["vision"]["image_size"]
    grid = [[side * rng.randint(1, 4), side * rng.randint(1, 4)] for _ in range(rng.randint(1, 6))]
    case["projector"] |= {"image_grid_pinpoints": grid, "vision_feature_select_strategy": "default", "linear": False}
    if case.get("pixel_settings"):
        case["pixel_settings"] = {"image_processor_type": "LlavaNextImageProcessorFast"}
    if rng.random() < 0.4:
        case["text"] |= {"model_type": "mistral", "sliding_window": rng.choice((None, 8192))}
    return case


ALPHABETS = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
    (0x1100, 0x11FF), (0x2000, 0x206F), (0x2100, 0x214F), (0x2460, 0x24FF), (0x3000, 0x30FF), (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFE00, 0xFEFF), (0xFF00, 0xFFEF), (0x1F300, 0x1FAFF),
    (0x20000, 0x2A6DF), (0x1, 0x1F),
)  # fmt: skip
MORSELS = ("</s>", "<s>", "<unk>", "[PAD]", "[SEP]", "[DEC]", "<extra_id_1>", "<pad>", "  ", "\n", "\t", "\u00a0", "\u200d")


def draw_text(rng):
    if rng.random() < 0.4:
        return requests_table.INSTRUCTIONS[rng.choice(list(requests_table.INSTRUCTIONS))]
    words = " ".join(requests_table.INSTRUCTIONS.values()).split(" ")
    parts = []
    for _ in range(rng.randint(0, 14)):
        chance = rng.random()
        if chance < 0.6:
            parts.append(rng.choice(words))
        elif chance < 0.75:
            parts.append(rng.choice(MORSELS))
        else:
            low, high = rng.choice(ALPHABETS)
            letters = (chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6)))
            parts.append("".join(c for c in letters if unicodedata.category(c) not in ("Cn", "Cs")))
    text = rng.choice(("", " ")).join(parts) if rng.random() < 0.3 else " ".join(parts)
    return text.replace("<image>", "").replace("<video>", "")


def draw_options(rng, from_config, may_be_silent, interpolate):
    options = {"max_new_tokens": rng.choice((1, 2, 6, 12, 20, 30))}
    beams = rng.choice((1, 1, 2, 3, 5))
    if beams > 1 or from_config:
        options["num_beams"] = beams
    if beams > 1:
        options["length_penalty"] = rng.choice((-1.0, 0.0, 0.6, 1.0, 2.0))
        options["early_stopping"] = rng.choice((True, False, "never"))
        options["num_return_sequences"] = rng.randint(1, beams)
    if rng.random() < 0.3:
        options["repetition_penalty"] = rng.choice((1.5, 1.15, 0.8, 3.0))
    if rng.random() < 0.3:
        options["no_repeat_ngram_size"] = rng.choice((1, 2, 3))
    if rng.random() < 0.25:
        options["min_new_tokens"] = rng.randint(0, options["max_new_tokens"])
    if from_config and may_be_silent and rng.random() < 0.4:
        options = {}
    if interpolate:
        options["interpolate_pos_encoding"] = True
    return options


def draw_bans(rng):
    """Tokens that may not be chosen, from a generator of their own: other draws stay what they were."""
    ids = range(3, 300)  # of every toy vocabulary
    bans = {}
    if rng.random() < 0.2:
        bans["bad_words_ids"] = [[rng.choice(ids) for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))] for _ in range(150)]
    if rng.random() < 0.15:
        bans["suppress_tokens"] = rng.sample(ids, 120) + [-1]
    if rng.random() < 0.1:
        bans["begin_suppress_tokens"] = rng.sample(ids, 250)
    return bans


def draw_pictures(rng, family, images):
    if family == "instructblipvideo":
        count = rng.choice((4, 4, 4, 1, 2, 3, 6, 9))
        same = rng.random() < 0.4  # of one size, as the frames of a film are
        among = rng.choice((["coffee.jpg", "rocket.jpg"], [rng.choice(images)])) if same else images
        return {"images": [rng.choice(among) for _ in range(count)]}
    return {"image": rng.choice(images)}


def draw_requests(seed, case, images, count):
    rng = random.Random(seed + 1)
    family = case.get("family", "instructblip")
    interpolate = "pixels" in case
    from_config = bool(case.get("text_edits") or case.get("generation_config"))
    may_be_silent = case["layout"] != "2026"  # transformers 5 does not read every key
    if family.startswith("llava"):  # settings of text_config may be out of the game
        may_be_silent = may_be_silent and "generation_config" in case
    requests = []
    for i in range(count):
        options = draw_options(rng, from_config, may_be_silent, interpolate)
        if options:
            options |= draw_bans(random.Random(f"bans {seed} {i}"))
        asked = draw_pictures(rng, family, images)
        text = draw_text(rng)
        if family.startswith("llava") and rng.random() < 0.4:  # a whole prompt
            at = rng.randint(0, len(text))
            text = text[:at] + "<image>" + text[at:]
        requests.append({"name": f"request-{i}", **asked, "instruction": text, "options": options})
    return requests
