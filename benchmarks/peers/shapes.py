"""Sizes of the models that `instructblip bench --synthetic` names, as its src/costs/published_models.cpp has them."""

VIT = {"hidden_size": 1408, "intermediate_size": 6144, "num_hidden_layers": 39, "num_attention_heads": 16,
       "image_size": 224, "patch_size": 14}  # fmt: skip
QFORMER = {"vocab_size": 30523, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
           "intermediate_size": 3072, "encoder_hidden_size": 1408, "cross_attention_frequency": 2}  # fmt: skip


def t5(width, heads, feed_forward):
    return {"model_type": "t5", "d_model": width, "num_heads": heads, "d_kv": 64, "d_ff": feed_forward, "num_layers": 24,
            "num_decoder_layers": 24, "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu", "vocab_size": 32128,
            "tie_word_embeddings": False, "eos_token_id": 1, "pad_token_id": 0, "decoder_start_token_id": 0}  # fmt: skip


def llama(width, heads, feed_forward, layers):
    return {"model_type": "llama", "hidden_size": width, "num_attention_heads": heads, "intermediate_size": feed_forward,
            "num_hidden_layers": layers, "vocab_size": 32064, "max_position_embeddings": 2048, "eos_token_id": 2,
            "bos_token_id": 1, "pad_token_id": 0}  # fmt: skip


def opt(width, feed_forward):
    return {"model_type": "opt", "hidden_size": width, "num_attention_heads": 32, "ffn_dim": feed_forward,
            "num_hidden_layers": 32, "vocab_size": 50304, "word_embed_proj_dim": width, "eos_token_id": 50118}  # fmt: skip


TEXTS = {
    "flan-t5-xl": t5(2048, 32, 5120),
    "flan-t5-xxl": t5(4096, 64, 10240),
    "vicuna-7b": llama(4096, 32, 11008, 32),
    "vicuna-13b": llama(5120, 40, 13824, 40),
    "opt-2.7b": opt(2560, 10240),
    "opt-6.7b": opt(4096, 16384),
}


def config_of(model, layers):
    """Family, vision, Q-Former and text settings of a name, at most `layers` in each stack; 0 = all."""
    family, _, text = model.partition("-")
    if family not in ("instructblip", "blip2") or text not in TEXTS:
        raise SystemExit(f"{model}: expected instructblip-NAME or blip2-NAME with one of {', '.join(TEXTS)}")
    parts = [dict(VIT), dict(QFORMER), dict(TEXTS[text])]
    for part in parts:
        for key in ("num_hidden_layers", "num_layers", "num_decoder_layers"):
            if layers and key in part:
                part[key] = min(part[key], layers)
    return family, *parts
