"""Random models of any family and size: configuration from a plain dict, weights in which every tensor matters.

An architecture is a dict {"family": name, "vision": {...}, "qformer": {...}, "text": {...}, "queries": int,
"head_spread": float, "quiet": float}; the inner dicts hold keys of the Hugging Face configs. LLaVA has no Q-Former but a "projector", whose
keys go to the top level; "linear" there asks for one layer only.
"""

import math

import torch

import families

# Deviations of a Linear from the 1/sqrt(fan_in) rule. With these, one grey level on 0.3 % of the pixels changes a third
# of the answers, while float64 changes next to none: close is not enough, and rounding does not decide.
GAINS = {
    "qkv": 2.5, "query": 4.0, "key": 2.0, "value": 3.0, "q_proj": 1.8, "k_proj": 1.8, "v_proj": 1.6,
    "q": 1.6, "k": 1.6, "v": 1.6, "language_projection": 4.0,
}  # fmt: skip


TABLES = ("class_embedding", "position_embedding", "embed_positions")


def configuration(architecture, placeholder, stored_dtype="float32"):
    config = families.of_case(architecture).configuration(architecture, placeholder)
    config.torch_dtype = stored_dtype
    return config


def random_model(architecture, image_token, seed):
    """A model whose weights are all drawn anew: norms around 1, biases, K bias, tables and both feed-forwards."""
    config = configuration(architecture, image_token)
    torch.manual_seed(seed)
    with torch.device("cpu"):
        model = families.of_case(architecture).new_model(config, architecture)
    generator = torch.Generator().manual_seed(seed)
    spread = architecture.get("head_spread", 4.0)
    tied = config.text_config.tie_word_embeddings
    is_t5 = config.text_config.model_type in ("t5", "mt5")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = _draw(name, parameter, generator, config, spread, tied, is_t5)
            parameter.copy_(drawn * _volume(name, architecture.get("quiet", 1.0), tied))
    model.tie_weights()
    return model


def _draw(name, parameter, generator, config, spread, tied, is_t5):
    noise = torch.empty(parameter.shape).normal_(generator=generator)
    kind = name.split(".")[-2] if "." in name else name
    is_norm = "norm" in kind.lower()
    if name.endswith("bias") and parameter.dim() == 1:
        return 0.3 * noise
    if is_norm:
        return 1 + 0.3 * noise
    if name in ("query_tokens",) or any(table in name for table in TABLES):
        return 0.8 * noise
    if "relative_attention_bias" in name:
        return 1.2 * noise
    width = parameter.shape[-1]
    if kind in ("shared", "embed_tokens"):
        if not tied:
            return noise
        # A tied T5 head divides by sqrt(width), a tied LLaMA head does not.
        return spread * noise if is_t5 else spread / math.sqrt(width) * noise
    if kind == "word_embeddings":
        return noise
    if kind == "lm_head":
        return spread / math.sqrt(width) * noise
    fan_in = parameter[0].numel()
    gain = GAINS.get(kind, 1.3)
    writes = kind in ("o", "wo", "o_proj", "down_proj") or ("decoder.layers." in name and kind in ("out_proj", "fc2"))
    if tied and writes:  # else the input token would predict itself for ever
        gain *= 12 if is_t5 else 2
    if is_t5 and kind == "q":  # T5 does not scale its scores
        gain /= math.sqrt(config.text_config.d_kv)
    return gain / math.sqrt(fan_in) * noise


# What writes into the residual streams of the ViT and of the language model.
STREAM = ("patch_embedding", "class_embedding", "position_embedding", "self_attn.projection", "mlp.fc2",
          "language_projection", "shared", "embed_tokens", "SelfAttention.o", "EncDecAttention.o", "DenseReluDense.wo",
          "o_proj", "down_proj", "out_proj", "fc2", "embed_positions", "project_in", "multi_modal_projector.linear_2",
          "multi_modal_projector", "image_newline")  # fmt: skip
QFORMER_INPUT = ("query_tokens", "word_embeddings", "position_embeddings")


def _volume(name, quiet, tied):
    """Below 1, activations get so small that the epsilon of each norm decides about the answers."""
    if any(name.endswith(part) or f"{part}." in name for part in QFORMER_INPUT):
        return quiet**2.5
    if tied and ("shared" in name or "embed_tokens" in name):  # it is the head as well
        return 1.0
    return quiet if any(name.endswith(part) or f"{part}." in name for part in STREAM) else 1.0


def season_with_ends(model, stop_ids, samples, share):
    """Tilts the head rows of the stop ids so that about `share` of the greedy steps of `samples` choose one.

    Without it a random head with hundreds of rows would hardly ever end an answer.
    """
    states, firsts = [], []
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _m, args: states.append(args[0][:, -1].detach().clone()))
    stop = torch.tensor(stop_ids)
    with torch.no_grad():
        kept = head.weight[stop].clone()
        head.weight[stop] = 0  # no sample may end early
        for sample in samples:
            firsts.append(len(states))
            model.generate(**sample, max_new_tokens=24, do_sample=False, num_beams=1, repetition_penalty=1.0)
        hook.remove()
        hidden = torch.cat(states)
        mean = hidden.mean(0)
        direction = mean / mean.pow(2).sum()
        along = (hidden @ direction).clamp_min(1e-3)
        best = (hidden @ head.weight.T).max(-1).values
        for i, token in enumerate(stop_ids):
            row = kept[i] * 0.7
            needed = (best - hidden @ row) / along
            # Few answers may be empty: the first steps are held to less.
            lift = min(torch.quantile(needed, share / len(stop_ids)), torch.quantile(needed[firsts], 0.1))
            head.weight[token] = row + lift * direction
