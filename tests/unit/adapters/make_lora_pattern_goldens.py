"""Writes lora_pattern_goldens.json: which modules peft takes keys of rank_pattern and alpha_pattern to be for
(peft 0.21.2, utils/other.py, get_pattern_key(): re.match(rf"(.*\\.)?({key})$", module)), one "1" or "0" for each module.

Run:  python make_lora_pattern_goldens.py
"""

import json
import pathlib
import re

MODULES = [
    "q_proj", "model.layers.0.self_attn.q_proj", "model.layers.10.self_attn.q_proj", "model.layers.1.self_attn.k_proj",
    "model.layers.1.mlp.down_proj", "model.q_proj.more", "layersx0.q", "layers.0.q", "model.layers.0.q", "model.q", "a.model.q",
    "language_model.encoder.block.0.layer.0.SelfAttention.q", "language_model.decoder.block.11.layer.1.EncDecAttention.v",
    "qformer.encoder.layer.3.crossattention.attention.query", "vision_model.encoder.layers.7.mlp.fc1", "lm-head", "lm_head2",
]
KEYS = [
    "q_proj", "proj", "layers.0.self_attn.q_proj", "layers.0.q", r"layers\.0\.q", "^model.q", "^q_proj$", "q_proj$", "^q|^model.q",
    ".*q_proj", ".*", ".+", "(q|k)_proj", "(?:q|k)_proj", "q_proj|k_proj", "[qk]_proj", "[^q]_proj", "[a-z]_proj", r"\w_proj",
    r"layers\.\d+\.self_attn\.q_proj", r"layers\.\d\..*", r"layers.[0-9]+?.self_attn.[a-l]_proj", r"model\.layers\.(0|1)\..*proj",
    r"(encoder|decoder)\.block\.\d+\..*\.[qv]", r".*\.(fc[12]|query)", "fc[]1]", "fc[^]2]", r"lm[\-_]head\d?", "lm[_-]head", "lm[-_]head2*",
    "(l(m(.(head)+)))", "()", "a|", "(|model.)q", r"q_proj{1}", r"layers\.\d{1,2}\..*proj", r".*\bq", r"[\w.]+\.q$", r"\S+q", r"\W?q", r"\D+", "q(_proj)?", "((a*)*)*q", "q_proj.*", "model.q_proj",
]  # fmt: skip
rows = {key: "".join(str(int(bool(re.match(rf"(.*\.)?({key})$", module)))) for module in MODULES) for key in KEYS}
path = pathlib.Path(__file__).parent / "lora_pattern_goldens.json"
path.write_text(json.dumps({"modules": MODULES, "keys": rows}, indent=1) + "\n")
