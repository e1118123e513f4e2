#!/usr/bin/env python3
"""Writes explanations/: what the Q-Former attends to in the reference, and what answers owe to its queries.

    python make_explanations.py

Reference: transformers 4.57.3 (CPU, float32), `output_attentions` of the Q-Former by itself, and the language model given
the visual rows without one of them. Gradients are autograd's, taken where the Q-Former itself keeps attention maps and their
gradients when `save_attention` is set (ALBEF's and BLIP's Grad-CAM). transformers has no explanation of its own.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE itself: its tokenizers.py would hide the package of that name

import torch  # noqa: E402
from reference import Reference, versions  # noqa: E402
from requests_table import TEXTS, pictures  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

CHECKPOINTS = ["t5_2024", "vicuna_2024", "video_t5", "blip2_opt", "blip2_t5"]
ANSWER = "a yellow"


def answer_tokens(reference):
    tokenizer = reference.processor.tokenizer
    ids, around = tokenizer(ANSWER).input_ids, tokenizer("").input_ids
    return ids[len(around) :] + reference.stop_ids()[:1] if reference.decoder_only else ids


def qformer(reference, inputs):
    model = reference.model
    pixels = inputs["pixel_values"].flatten(0, -4)
    vision = model.vision_model(pixel_values=pixels).last_hidden_state
    queries = model.query_tokens.expand(len(pixels), -1, -1)
    out = model.qformer(
        query_embeds=queries, encoder_hidden_states=vision, output_attentions=True,
        encoder_attention_mask=torch.ones(vision.shape[:-1], dtype=torch.long), **reference.family.qformer_text(inputs, queries),
    )  # fmt: skip
    rows = model.language_projection(out.last_hidden_state[:, : queries.shape[1]]).flatten(0, 1)
    return out, rows


def logprobs(reference, inputs, rows, tokens):
    """Of the tokens behind these visual rows and the text."""
    model = reference.model.language_model
    ids = inputs["input_ids"][0]
    text = ids[ids != reference.image_token]
    if reference.decoder_only:
        words = model.get_input_embeddings()(torch.cat([text, torch.tensor(tokens)]))
        logits = model(inputs_embeds=torch.cat([rows, words])[None]).logits[0][-len(tokens) - 1 : -1]
    else:
        embeds = torch.cat([rows, model.get_input_embeddings()(text)])[None]
        start = model.config.decoder_start_token_id
        logits = model(inputs_embeds=embeds, decoder_input_ids=torch.tensor([[start] + tokens[:-1]])).logits[0]
    return logits.double().log_softmax(-1).gather(1, torch.tensor([tokens]).T)[:, 0]


def gradcam(reference, inputs, tokens):
    """[tokens, pictures, cross layers, queries, positions]: the mean over heads of attention times its gradient, where positive."""
    modules = [m for n, m in reference.model.qformer.named_modules() if n.endswith("crossattention.attention")]
    for module in modules:
        module.save_attention = True
    _, rows = qformer(reference, inputs)
    maps = []
    for value in logprobs(reference, inputs, rows, tokens):
        reference.model.zero_grad()
        value.backward(retain_graph=True)
        products = [m.get_attention_map().detach() * m.get_attn_gradients() for m in modules]  # [pictures, H, Q, P]
        maps.append(torch.stack([product.clamp(min=0).mean(1) for product in products], 1))
    return torch.stack(maps).float()


def explain(name):
    reference = Reference(HERE / "checkpoints" / name, str(HERE.parent / "data" / "images"))
    asked = {"images": ["coffee.jpg", "astronaut.jpg"]} if "video" in name else {"image": "coffee.jpg"}
    request = {**asked, "instruction": TEXTS["vqa"], "options": {}}
    inputs, tokens = reference.inputs(request), answer_tokens(reference)
    with torch.no_grad():
        out, rows = qformer(reference, inputs)
        whole = logprobs(reference, inputs, rows, tokens)
        left_out = [whole - logprobs(reference, inputs, torch.cat([rows[:r], rows[r + 1 :]]), tokens) for r in range(len(rows))]
    tensors = {"logprobs": whole.float(), "relevance": torch.stack(left_out, 1).float().contiguous()}
    tensors["gradcam"] = gradcam(reference, inputs, tokens)
    # The recorder of 4.57.3 puts cross-attention, which holds a module of the same name, among the others as well.
    own = [layer for layer in out.attentions if not any(layer is other for other in out.cross_attentions)]
    for i, _ in enumerate(pictures(request)):
        tensors[f"cross.{i}"] = torch.stack([layer[i] for layer in out.cross_attentions])
        tensors[f"self.{i}"] = torch.stack([layer[i] for layer in own])
    about = {"checkpoint": name, **asked, "instruction": request["instruction"], "answer": ANSWER, "tokens": tokens}
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "explanations" / f"{name}.safetensors")
    return about


def main():
    torch.set_num_threads(1)
    (HERE / "explanations").mkdir(exist_ok=True)
    lines = ",\n".join("    " + json.dumps(explain(name)) for name in CHECKPOINTS)
    text = f'{{\n  "reference": {json.dumps(versions())},\n  "explanations": [\n{lines}\n  ]\n}}\n'
    (HERE / "explanations" / "explanations.json").write_text(text)


if __name__ == "__main__":
    main()
