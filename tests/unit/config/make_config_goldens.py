"""Writes config_goldens_<major>.json: config files and what the reference makes of them.

Versions: transformers 4.57.3 -> config_goldens_4.json; transformers 5.23.0 -> config_goldens_5.json.
Nothing is random. Run with either interpreter:  python make_config_goldens.py
"""

import json
import pathlib
import warnings

import transformers
from transformers import GenerationConfig, InstructBlipConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
MAJOR = int(transformers.__version__.split(".")[0])
OUT = pathlib.Path(__file__).parent / f"config_goldens_{MAJOR}.json"

T5 = {"model_type": "t5", "decoder_start_token_id": 0}
MT5 = {"model_type": "mt5"}
LLAMA = {"model_type": "llama"}
LINEAR = {"rope_type": "linear", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}  # fmt: skip
OPT = {"model_type": "opt"}


def case(name, text, **top):
    return name, {"model_type": "instructblip", "text_config": text, **top}


CASES_4 = [
    case("t5 defaults", T5),
    case("llama defaults", LLAMA),
    case("null sections", LLAMA, vision_config=None, qformer_config=None),
    case(
        "only model types",
        LLAMA,
        vision_config={"model_type": "instructblip_vision_model"},
        qformer_config={"model_type": "instructblip_qformer", "vocab_size": 30523},
    ),
    case(
        "encoder_hidden_size is overwritten",
        T5,
        vision_config={"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
                       "intermediate_size": 128, "image_size": 28, "layer_norm_eps": 1e-5,
                       "hidden_act": "quick_gelu", "qkv_bias": False, "patch_size": 7},
        qformer_config={"encoder_hidden_size": 1024, "hidden_size": 48, "num_attention_heads": 4,
                        "num_hidden_layers": 3, "cross_attention_frequency": 1, "hidden_act": "relu",
                        "intermediate_size": 96, "max_position_embeddings": 20, "layer_norm_eps": 1e-6},
        num_query_tokens=6,
        image_token_index=5,
    ),
    case("use_decoder_only is recomputed", T5, use_decoder_only_language_model=True),
    case(
        "flan-t5-xl",
        {**T5, "d_model": 2048, "d_ff": 5120, "num_layers": 24, "num_decoder_layers": 24, "num_heads": 32,
         "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu", "is_gated_act": True,
         "tie_word_embeddings": False, "bos_token_id": 1},
        image_token_index=32100,
    ),
    case("t5 gated-gelu without dense_act_fn", {**T5, "feed_forward_proj": "gated-gelu"}),
    case("t5 gated-silu", {**T5, "feed_forward_proj": "gated-silu"}),
    case("t5 gelu", {**T5, "feed_forward_proj": "gelu"}),
    case("t5 dense_act_fn overrides relu", {**T5, "dense_act_fn": "silu"}),
    case("t5 is_gated_act overrides", {**T5, "feed_forward_proj": "gated-gelu", "is_gated_act": False}),
    case("t5 num_decoder_layers defaults to num_layers", {**T5, "num_layers": 3}),
    case("t5 general names win", {**T5, "d_model": 32, "hidden_size": 48, "num_heads": 2,
                                  "num_attention_heads": 4, "num_layers": 2, "num_hidden_layers": 3,
                                  "d_kv": 8, "head_dim": 16}),
    case("t5 tied", {**T5, "tie_word_embeddings": True}),
    case("t5 starts from bos", {"model_type": "t5", "bos_token_id": 3}),
    case("t5 start wins over bos", {"model_type": "t5", "bos_token_id": 3, "decoder_start_token_id": 2}),
    case("t5 ids", {**T5, "eos_token_id": [1, 7], "pad_token_id": 4, "bos_token_id": 5}),
    case("t5 null ids", {**T5, "eos_token_id": None, "pad_token_id": None}),
    case("t5 null top_k is no limit", {**T5, "top_k": None}),
    case("llama null top_k is the default", {**LLAMA, "top_k": None}),
    case(
        "vicuna-7b",
        {**LLAMA, "vocab_size": 32064, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": -1,
         "rms_norm_eps": 1e-6, "architectures": ["LlamaForCausalLM"]},
        image_token_index=32001,
    ),
    case("llama grouped heads", {**LLAMA, "hidden_size": 96, "num_attention_heads": 6,
                                 "num_key_value_heads": 2, "intermediate_size": 100,
                                 "num_hidden_layers": 2, "max_position_embeddings": 64}),
    case("llama head_dim", {**LLAMA, "hidden_size": 96, "num_attention_heads": 5, "head_dim": 32,
                            "num_key_value_heads": 5}),
    case("llama null head_dim and kv heads", {**LLAMA, "head_dim": None, "num_key_value_heads": None}),
    case("llama rope", {**LLAMA, "rope_theta": 500000, "rope_scaling": None}),
    case("llama default rope_scaling", {**LLAMA, "rope_scaling": {"rope_type": "default"}}),
    case("llama linear", {**LLAMA, "rope_scaling": LINEAR}),
    case("llama linear by its older name", {**LLAMA, "rope_scaling": {"type": "linear", "factor": 2}}),
    case("llama: the older name of the type wins", {**LLAMA, "rope_scaling": {**LINEAR, "type": "dynamic"}}),
    case("llama dynamic", {**LLAMA, "rope_scaling": {"rope_type": "dynamic", "factor": 1.5}, "max_position_embeddings": 99}),
    case("llama 3.1", {**LLAMA, "rope_scaling": LLAMA3, "rope_theta": 500000.0, "max_position_embeddings": 131072}),
    case("llama: another base beside the type is not read", {**LLAMA, "rope_scaling": {**LINEAR, "rope_theta": 5.0}}),
    case("mt5 defaults", MT5),
    case("mt5 tied", {**MT5, "tie_word_embeddings": True, "feed_forward_proj": "gated-silu", "d_kv": 16}),
    case("mt5 of its own start", {**MT5, "decoder_start_token_id": 4, "bos_token_id": 3, "dense_act_fn": "relu",
                                  "num_layers": 3}),
    case("llama biases and tie", {**LLAMA, "attention_bias": True, "mlp_bias": True,
                                  "tie_word_embeddings": True, "hidden_act": "gelu_pytorch_tanh"}),
    case("llama eos list", {**LLAMA, "eos_token_id": [2, 5, 9]}),
    case("llama null eos", {**LLAMA, "eos_token_id": None, "bos_token_id": None}),
    case(
        "generation keys",
        {**LLAMA, "max_new_tokens": 30, "min_new_tokens": 2, "max_length": 99, "min_length": 3,
         "num_beams": 5, "num_return_sequences": 2, "top_k": 7, "no_repeat_ngram_size": 3,
         "temperature": 0.7, "top_p": 0.9, "typical_p": 0.8, "repetition_penalty": 1.5,
         "length_penalty": -1, "do_sample": True, "early_stopping": "never"},
    ),
    case("generation keys at their defaults",
         {**T5, "max_length": 20, "min_length": 0, "do_sample": False, "early_stopping": False, "num_beams": 1,
          "num_beam_groups": 1, "diversity_penalty": 0.0, "temperature": 1.0, "top_k": 50, "top_p": 1.0,
          "typical_p": 1.0, "repetition_penalty": 1.0, "length_penalty": 1.0, "no_repeat_ngram_size": 0,
          "encoder_no_repeat_ngram_size": 0, "bad_words_ids": None, "num_return_sequences": 1,
          "forced_bos_token_id": None, "forced_eos_token_id": None, "remove_invalid_values": False,
          "exponential_decay_length_penalty": None, "suppress_tokens": None, "begin_suppress_tokens": None}),
    case("bans and min_p", {**T5, "min_p": 0.25, "bad_words_ids": [[5], [6, 7, 5]], "suppress_tokens": [3, 9],
                            "begin_suppress_tokens": [4]}),
    case("early stopping", {**T5, "early_stopping": True, "num_beams": 3}),
    case("null image token", T5, image_token_index=None),
    case("opt defaults", OPT),
    case("opt is what a missing model_type means", {"hidden_size": 48, "num_attention_heads": 6}),
    case(
        "opt-2.7b of BLIP-2",
        {**OPT, "vocab_size": 50304, "hidden_size": 2560, "word_embed_proj_dim": 2560, "ffn_dim": 10240,
         "num_hidden_layers": 32, "num_attention_heads": 32, "eos_token_id": 50118, "activation_dropout": 0.0,
         "prefix": "</s>"},
        image_token_index=50265,
    ),
    case(
        "opt-350m",
        {**OPT, "hidden_size": 1024, "word_embed_proj_dim": 512, "ffn_dim": 4096, "num_hidden_layers": 24,
         "num_attention_heads": 16, "do_layer_norm_before": False},
    ),
    case("opt, every switch",
         {**OPT, "_remove_final_layer_norm": True, "enable_bias": False, "layer_norm_elementwise_affine": False,
          "tie_word_embeddings": False, "activation_function": "gelu", "max_position_embeddings": 40,
          "word_embed_proj_dim": None}),
    case("opt ids", {**OPT, "eos_token_id": [50118, 2], "bos_token_id": None, "pad_token_id": None}),
    case("opt null top_k is the default", {**OPT, "top_k": None, "num_beams": 5, "length_penalty": 1.2}),
]

NEW = {"transformers_version": "5.23.0"}
CASES_5 = [
    case("t5 written from an untied model",
         {**T5, "tie_word_embeddings": True, "scale_decoder_outputs": False, "feed_forward_proj": "gated-gelu",
          "dense_act_fn": "gelu", "is_gated_act": True, "eos_token_id": 1, "pad_token_id": 0}, **NEW),
    case("t5 written from a tied model",
         {**T5, "tie_word_embeddings": True, "scale_decoder_outputs": True}, **NEW),
    case("llama rope_parameters",
         {**LLAMA, "rope_parameters": {"rope_theta": 12345.0, "rope_type": "default"}}, **NEW),
    case("llama linear", {**LLAMA, "rope_parameters": {**LINEAR, "rope_theta": 12345.0}}, **NEW),
    case("llama: the newer name of the type wins",
         {**LLAMA, "rope_parameters": {**LINEAR, "type": "dynamic", "rope_theta": 12345.0}}, **NEW),
    case("llama: rope_scaling before rope_parameters",
         {**LLAMA, "rope_scaling": LINEAR, "rope_parameters": {"rope_type": "default", "rope_theta": 12345.0}}, **NEW),
    case("llama: an empty rope_scaling", {**LLAMA, "rope_scaling": {}, "rope_parameters": LLAMA3}, **NEW),
    case("llama 3.1 without its first length",
         {**LLAMA, "rope_parameters": {**{k: v for k, v in LLAMA3.items() if "orig" not in k}, "rope_theta": 5e5},
          "max_position_embeddings": 777}, **NEW),
    case("llama dynamic", {**LLAMA, "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}, **NEW),
    case("mt5 written from an untied model", {**MT5, "tie_word_embeddings": True, "dense_act_fn": "gelu_new"}, **NEW),
    case("image_token_id", T5, image_token_id=7, **NEW),
    case("opt", {**OPT, "num_beams": 5, "eos_token_id": 50118, "tie_word_embeddings": True}, **NEW),
    case("generation keys that are dropped",
         {**LLAMA, "max_new_tokens": 30, "min_new_tokens": 2, "num_beams": 5, "do_sample": True, "top_k": 7,
          "repetition_penalty": 1.5, "max_length": 99, "early_stopping": True}, **NEW),
    case("bans are dropped, min_p is not", {**T5, "min_p": 0.25, "bad_words_ids": [[5]], "suppress_tokens": [3],
                                            "begin_suppress_tokens": [4]}, **NEW),
]

VISION = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size",
          "patch_size", "hidden_act", "layer_norm_eps", "qkv_bias"]
QFORMER = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
           "max_position_embeddings", "cross_attention_frequency", "encoder_hidden_size", "hidden_act",
           "layer_norm_eps"]
TEXT = {
    "t5": ["vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads",
           "relative_attention_num_buckets", "relative_attention_max_distance", "layer_norm_epsilon",
           "dense_act_fn", "is_gated_act"],
    "mt5": ["vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads",
            "relative_attention_num_buckets", "relative_attention_max_distance", "layer_norm_epsilon",
            "dense_act_fn", "is_gated_act"],
    "llama": ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
              "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "hidden_act",
              "attention_bias", "mlp_bias", "tie_word_embeddings"],
    "opt": ["vocab_size", "hidden_size", "ffn_dim", "num_hidden_layers", "num_attention_heads",
            "max_position_embeddings", "word_embed_proj_dim", "activation_function", "do_layer_norm_before",
            "_remove_final_layer_norm", "layer_norm_elementwise_affine", "enable_bias", "tie_word_embeddings"],
}
GENERATION = ["eos_token_id", "bos_token_id", "pad_token_id", "max_new_tokens", "min_new_tokens", "max_length",
              "min_length", "num_beams", "num_return_sequences", "top_k", "no_repeat_ngram_size", "temperature",
              "top_p", "typical_p", "repetition_penalty", "length_penalty", "do_sample", "early_stopping"]
BANS = ["min_p", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens"]  # left out where they are null


def take(config, keys):
    return {key: getattr(config, key) for key in keys}


def expectation(config_dict):
    config = InstructBlipConfig.from_dict(json.loads(json.dumps(config_dict)))
    text = config.text_config
    kind = text.model_type
    assert config.use_decoder_only_language_model == (kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    out = {
        "vision": take(config.vision_config, VISION),
        "qformer": take(config.qformer_config, QFORMER),
        "text": take(text, TEXT[kind]),
        "num_query_tokens": config.num_query_tokens,
        "image_token_index": config.image_token_index,
    }
    generation = GenerationConfig.from_model_config(text)
    out["generation"] = take(generation, GENERATION)
    out["generation"] |= {key: value for key, value in take(generation, BANS).items() if value is not None}
    if kind in ("t5", "mt5"):
        # Version 5 scales no mT5.
        newer = getattr(text, "scale_decoder_outputs", False)
        out["scaled"] = newer if MAJOR >= 5 else text.tie_word_embeddings
        start = generation.decoder_start_token_id
        out["decoder_start"] = start if start is not None else generation.bos_token_id
    elif kind == "llama":
        out["rope_theta"] = text.rope_parameters["rope_theta"] if MAJOR >= 5 else text.rope_theta
        rope = (text.rope_parameters if MAJOR >= 5 else text.rope_scaling) or {}
        out["rope"] = {"rope_type": "default", **{k: v for k, v in rope.items() if k != "type"}}
    return out


cases = CASES_4 if MAJOR == 4 else CASES_5
rows = [{"name": name, "config": config, "expected": expectation(config)} for name, config in cases]
lines = ",\n".join(json.dumps(row) for row in rows)
OUT.write_text(f'{{"transformers": "{transformers.__version__}", "cases": [\n{lines}\n]}}\n')
print(OUT, len(rows))
