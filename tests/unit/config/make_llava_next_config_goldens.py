"""Writes llava_next_config_goldens.json: config.json of LLaVA-NeXT directories, and what the reference makes of them.

Version: transformers 4.57.3. Nothing is random. Run:  python make_llava_next_config_goldens.py
"""

import json
import pathlib
import tempfile

import transformers
from transformers import LlavaNextConfig

assert transformers.__version__ == "4.57.3"
transformers.logging.set_verbosity_error()
OUT = pathlib.Path(__file__).parent / "llava_next_config_goldens.json"
VISION = {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "model_type": "clip_vision_model",
          "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768,
          "vocab_size": 32000}  # fmt: skip
SMALL = {"image_size": 28, "patch_size": 9}
CASES = [
    ("nothing", {}),
    ("llava-v1.6-vicuna-7b-hf", {
        "ignore_index": -100, "image_token_index": 32000, "projector_hidden_act": "gelu",
        "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
        "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
                        "vocab_size": 32064, "pad_token_id": 0},
        "tie_word_embeddings": False, "vision_config": VISION, "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default", "use_image_newline_parameter": True}),
    ("llava-v1.6-mistral-7b-hf", {
        "image_token_index": 32000,
        "text_config": {"model_type": "mistral", "intermediate_size": 14336, "max_position_embeddings": 32768,
                        "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
                        "sliding_window": None, "vocab_size": 32064},
        "vision_config": VISION}),
    ("mistral's defaults", {"text_config": {"model_type": "mistral"}, "vision_config": VISION}),
    ("mistral, all heads", {"text_config": {"model_type": "mistral", "num_key_value_heads": None, "head_dim": 64,
                                            "sliding_window": 8192}}),
    ("null sections", {"vision_config": None, "text_config": None}),
    ("null grid", {"image_grid_pinpoints": None}),
    ("a grid of its own", {"vision_config": SMALL, "image_grid_pinpoints": [[56, 28], [28, 28], [56, 28]]}),
    ("several layers", {"vision_config": {**SMALL, "num_hidden_layers": 3}, "vision_feature_layer": [-1, 0],
                        "image_grid_pinpoints": [[28, 84]]}),
]  # fmt: skip
TEXT = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "rms_norm_eps", "rope_theta", "max_position_embeddings", "tie_word_embeddings"]  # fmt: skip


def expectation(directory):
    config = LlavaNextConfig.from_pretrained(directory)
    text, vision = config.text_config, config.vision_config
    states = range(vision.num_hidden_layers + 1)
    layers = config.vision_feature_layer
    return {
        "grid": config.image_grid_pinpoints,
        "side": vision.image_size,
        "patches": vision.image_size // vision.patch_size,
        "feature_layers": [states[i] for i in (layers if isinstance(layers, list) else [layers])],
        "image_token": config.image_token_id,
        "text": {key: getattr(text, key) for key in TEXT},
        "head_dim": getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        "window": getattr(text, "sliding_window", None),
        "ends": text.eos_token_id,
    }


rows = []
for name, keys in CASES:
    config = {"model_type": "llava_next", **keys}
    if config.get("image_token_index", 32000) == 32000:  # our reader refuses an id without a row
        config["image_token_index"] = 77
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "config.json").write_text(json.dumps(config))
        rows.append({"name": name, "config": config, "expected": expectation(directory)})
lines = ",\n".join(json.dumps(row) for row in rows)
OUT.write_text(f'{{"transformers": "{transformers.__version__}", "cases": [\n{lines}\n]}}\n')
print(OUT, len(rows))
