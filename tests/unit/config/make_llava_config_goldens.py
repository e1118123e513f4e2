"""Writes llava_config_goldens_<major>.json: config.json and generation_config.json of LLaVA directories, and what the
reference makes of them.

Versions: transformers 4.57.3 -> llava_config_goldens_4.json; transformers 5.23.0 -> llava_config_goldens_5.json.
Nothing is random. Run with either interpreter:  python make_llava_config_goldens.py
"""

import json
import pathlib
import tempfile
import warnings

import torch
import transformers
from transformers import GenerationConfig, LlavaConfig, LlavaForConditionalGeneration

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
MAJOR = int(transformers.__version__.split(".")[0])
OUT = pathlib.Path(__file__).parent / f"llava_config_goldens_{MAJOR}.json"
NEW = {"transformers_version": "5.23.0"} if MAJOR == 5 else {}


def case(name, generation=None, **top):
    return name, {"model_type": "llava", **NEW, **top}, generation


CLASSIC = {"max_length": 99, "min_length": 3, "num_beams": 5, "num_return_sequences": 2, "top_k": 7,
           "no_repeat_ngram_size": 3, "temperature": 0.7, "top_p": 0.9, "typical_p": 0.8, "repetition_penalty": 1.5,
           "length_penalty": -1, "do_sample": True, "early_stopping": "never"}
BOTH = [
    case("nothing"),
    case("null sections", vision_config=None, text_config=None),
    case("empty sections", vision_config={}, text_config={}),
    case("only model types", vision_config={"model_type": "clip_vision_model"}, text_config={"model_type": "llama"}),
    case(
        "llava-1.5-7b-hf",
        {"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 32001},
        image_token_index=32000, pad_token_id=32001, projector_hidden_act="gelu",
        text_config={"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
                     "vocab_size": 32064},
        vision_config={"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                       "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24,
                       "patch_size": 14, "projection_dim": 768, "vocab_size": 32000},
        vision_feature_layer=-2, vision_feature_select_strategy="default",
    ),
    case("every key of the tower", vision_config={
        "hidden_size": 48, "intermediate_size": 40, "num_hidden_layers": 5, "num_attention_heads": 3, "image_size": 50,
        "patch_size": 7, "hidden_act": "gelu", "layer_norm_eps": 1e-6, "num_channels": 3}),
    case("last layer", vision_feature_layer=-1),
    case("embedding", vision_feature_layer=0),
    case("first from the back", vision_feature_layer=-25),
    case("several layers", vision_feature_layer=[-2, 5, -25, 5]),
    case("one layer in a list", vision_feature_layer=[3]),
    case("full", vision_feature_select_strategy="full"),
    case("projector", projector_hidden_act="linear", multimodal_projector_bias=False),
    case("image token", image_token_index=77),
    case("image token by its other name", image_token_id=78),
    case("both names", image_token_index=77, image_token_id=78),
    case("file of classic keys", {**CLASSIC, "max_new_tokens": 30, "min_new_tokens": 2}),
    case("file of bans", {"min_p": 0.5, "bad_words_ids": [[5, 6], [7]], "suppress_tokens": [3, 9],
                          "begin_suppress_tokens": []}, text_config={"suppress_tokens": [8], "min_p": 0.1}),
    case("file of nothing", {}),
    case("file of nulls", {"eos_token_id": None, "pad_token_id": None, "top_k": None, "max_new_tokens": None}),
    case("file of several ends", {"eos_token_id": [2, 5, 9], "bos_token_id": 3, "pad_token_id": 0}),
    case("file beside text_config", {"eos_token_id": 7},
         text_config={"eos_token_id": 8, "pad_token_id": 9, "max_new_tokens": 4}),
    case("file derived from config.json", {"_from_model_config": True, "eos_token_id": 7, "max_new_tokens": 5},
         eos_token_id=11),
]
ONLY_4 = [
    case("ids above and in text_config", eos_token_id=5, text_config={"eos_token_id": 8, "pad_token_id": 9}),
    case("null ids above", eos_token_id=None, text_config={"eos_token_id": [8, 9], "bos_token_id": None}),
    case("null end in text_config", text_config={"eos_token_id": None}),
    case("keys of text_config", text_config={**CLASSIC, "max_new_tokens": 30, "min_new_tokens": 2}),
    case("keys above", **CLASSIC, max_new_tokens=30, min_new_tokens=2),
    case("keys above win", num_beams=4, repetition_penalty=1.2, max_length=64, max_new_tokens=3,
         text_config={**CLASSIC, "max_new_tokens": 30}),
    case("standard keys above do not", num_beams=1, repetition_penalty=1.0, max_length=20, top_k=50, do_sample=False,
         text_config=CLASSIC),
    case("null top_k in text_config", text_config={"top_k": None}),
    case("bans above and in text_config", suppress_tokens=[4], min_p=0.0,
         text_config={"suppress_tokens": [8], "begin_suppress_tokens": [9], "bad_words_ids": [[1, 2]], "min_p": 0.1}),
    case("derived file yields to a ban", {"_from_model_config": True, "num_beams": 2}, bad_words_ids=[[3]]),
    case("derived file does not yield to min_p", {"_from_model_config": True, "num_beams": 2}, min_p=0.3),
    case("null top_k above", top_k=None, text_config={"top_k": 9}),
    case("derived file yields", {"_from_model_config": True, "eos_token_id": 7, "max_new_tokens": 5, "num_beams": 2},
         repetition_penalty=1.3, text_config={"eos_token_id": 8}),
    case("derived file does not yield to standard keys", {"_from_model_config": True, "eos_token_id": 7},
         repetition_penalty=1.0, text_config={"eos_token_id": 8, "repetition_penalty": 1.4}),
    case("file that is not derived does not yield", {"eos_token_id": 7}, repetition_penalty=1.3),
]

VISION = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size",
          "hidden_act", "layer_norm_eps"]
TEXT = ["vocab_size", "hidden_size", "num_hidden_layers", "rms_norm_eps", "max_position_embeddings"]
GENERATION = ["eos_token_id", "bos_token_id", "pad_token_id", "max_new_tokens", "min_new_tokens", "max_length",
              "min_length", "num_beams", "num_return_sequences", "top_k", "no_repeat_ngram_size", "temperature",
              "top_p", "typical_p", "repetition_penalty", "length_penalty", "do_sample", "early_stopping"]
BANS = ["min_p", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens"]  # left out where they are null


def take(config, keys):
    return {key: getattr(config, key) for key in keys}


def generation_of(config, directory):
    """What from_pretrained() leaves in the model and generate() then starts from."""
    small = LlavaConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    small.vision_config.num_hidden_layers = small.text_config.num_hidden_layers = 1
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(small)
    try:
        model.generation_config = GenerationConfig.from_pretrained(directory)
    except OSError:
        if MAJOR >= 5:
            model.generation_config = GenerationConfig.from_pretrained(
                directory, config_file_name="config.json", _from_model_config=True)
    return model._prepare_generation_config(None)[0]


def expectation(config_dict, generation):
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "config.json").write_text(json.dumps(config_dict))
        if generation is not None:
            (pathlib.Path(directory) / "generation_config.json").write_text(json.dumps(generation))
        config = LlavaConfig.from_pretrained(directory)
        settings = generation_of(config, directory)
    states = range(config.vision_config.num_hidden_layers + 1)
    layers = config.vision_feature_layer
    return {
        "vision": take(config.vision_config, VISION),
        "feature_layers": [states[i] for i in (layers if isinstance(layers, list) else [layers])],
        "class_row": config.vision_feature_select_strategy == "full",
        "projector_hidden_act": config.projector_hidden_act,
        "multimodal_projector_bias": config.multimodal_projector_bias,
        "image_token": config.image_token_id,
        "text": take(config.text_config, TEXT),
        "generation": take(settings, GENERATION)
        | {key: value for key, value in take(settings, BANS).items() if value is not None},
    }


rows = [
    {"name": name, "config": config, "generation_file": generation, "expected": expectation(config, generation)}
    for name, config, generation in BOTH + (ONLY_4 if MAJOR == 4 else [])
]
lines = ",\n".join(json.dumps(row) for row in rows)
OUT.write_text(f'{{"transformers": "{transformers.__version__}", "cases": [\n{lines}\n]}}\n')
print(OUT, len(rows))
