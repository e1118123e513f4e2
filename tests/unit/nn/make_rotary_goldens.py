"""Writes rotary_goldens.json: what LlamaRotaryEmbedding of transformers 4.57.3 makes of prompts and of tokens behind them.

Nothing is random. Of each call, [first position, number of positions], the last row's cosines and sines are stored.
"""

import json
import pathlib

import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

OUT = pathlib.Path(__file__).with_name("rotary_goldens.json")
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
CASES = [  # head_dim, theta, longest ordinary text, scaling, calls
    (8, 10000.0, 2048, None, [(0, 5), (5, 1), (2999, 1)]),
    (10, 10000.0, 2048, {"rope_type": "linear", "factor": 4.0}, [(0, 7), (7, 1), (1000, 1)]),
    (12, 500000.0, 131072, LLAMA3 | {"original_max_position_embeddings": 8192}, [(0, 9), (9000, 1)]),
    (16, 10000.0, 400, LLAMA3 | {"original_max_position_embeddings": 100, "low_freq_factor": 1.5}, [(0, 300), (300, 1)]),
    (8, 10000.0, 20, {"rope_type": "dynamic", "factor": 2.0}, [(0, 19), (19, 1), (20, 1), (21, 1), (90, 1)]),
    (6, 5000.0, 20, {"rope_type": "dynamic", "factor": 1.1}, [(0, 33), (33, 1), (34, 1)]),
    (4, 10000.0, 7, {"rope_type": "dynamic", "factor": 32}, [(0, 6), (6, 1), (7, 1), (300, 1)]),
]

rows = []
for head_dim, theta, longest, scaling, calls in CASES:
    config = LlamaConfig(hidden_size=head_dim, num_attention_heads=1, rope_theta=theta, max_position_embeddings=longest,
                         rope_scaling=dict(scaling) if scaling else None)  # fmt: skip
    rotary = LlamaRotaryEmbedding(config)
    answers = []
    for first, count in calls:
        cosine, sine = rotary(torch.zeros(1), torch.arange(first, first + count)[None])
        half = head_dim // 2
        answers.append({"first": first, "count": count, "cosine": cosine[0, -1, :half].tolist(),
                        "sine": sine[0, -1, :half].tolist()})  # fmt: skip
    rows.append({"head_dim": head_dim, "theta": theta, "longest": longest, "scaling": scaling, "calls": answers})
lines = ",\n".join(json.dumps(row) for row in rows)
OUT.write_text(f'{{"transformers": "4.57.3", "cases": [\n{lines}\n]}}\n')
