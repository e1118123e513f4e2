"""Builds models of LAVIS, by LAVIS's own classes, from checkpoint directories in the layouts of transformers.

LAVIS is imported from a checkout; what its constructors download (ViT, BERT's config and weights, tokenizers) is put in
their way, the language model lies in a folder as from_pretrained wants it, and the rest comes by load_state_dict: so each
tensor is rounded where LAVIS rounds it. Wants transformers 4.33.2, which LAVIS pins.
"""

import contextlib
import functools
import importlib
import pathlib
import re
import sys
import types
from unittest import mock

import torch
from lavis_folders import read_json, write_language_folder, write_qformer_vocabulary
from safetensors.torch import load_file

COMMIT = "506965b9c4a18c1e565bd32acaccabe0198433f7"
MODELS = {  # (family, language model): module, class, names of the language model, projection and stage
    ("instructblip", "t5"): ("blip2_t5_instruct", "Blip2T5Instruct", "t5_model", "t5_proj"),
    ("instructblip", "llama"): ("blip2_vicuna_instruct", "Blip2VicunaInstruct", "llm_model", "llm_proj"),
    ("instructblipvideo", "t5"): ("blip2_t5_instruct", "Blip2T5Instruct", "t5_model", "t5_proj"),
    ("instructblipvideo", "llama"): ("blip2_vicuna_instruct", "Blip2VicunaInstruct", "llm_model", "llm_proj"),
    ("blip-2", "t5"): ("blip2_t5", "Blip2T5", "t5_model", "t5_proj"),
    ("blip-2", "opt"): ("blip2_opt", "Blip2OPT", "opt_model", "opt_proj"),
    ("blip-2", None): ("blip2_image_text_matching", "Blip2ITM", None, None),
}
RENAMED = [  # transformers -> LAVIS, the first that fits
    (r"vision_model\.embeddings\.class_embedding", "visual_encoder.cls_token"),
    (r"vision_model\.embeddings\.position_embedding", "visual_encoder.pos_embed"),
    (r"vision_model\.embeddings\.patch_embedding\.", "visual_encoder.patch_embed.proj."),
    (r"vision_model\.post_layernorm\.", "ln_vision."),
    (r"vision_model\.encoder\.layers\.(\d+)\.self_attn\.projection\.", r"visual_encoder.blocks.\1.attn.proj."),
    (r"vision_model\.encoder\.layers\.(\d+)\.self_attn\.", r"visual_encoder.blocks.\1.attn."),
    (r"vision_model\.encoder\.layers\.(\d+)\.layer_norm", r"visual_encoder.blocks.\1.norm"),
    (r"vision_model\.encoder\.layers\.(\d+)\.", r"visual_encoder.blocks.\1."),
    (r"qformer\.embeddings\.layernorm\.", "Qformer.bert.embeddings.LayerNorm."),
    (r"qformer\.layernorm\.", "Qformer.bert.embeddings.LayerNorm."),
    (r"embeddings\.", "Qformer.bert.embeddings."),
    (r"qformer\.(encoder\.layer\.\d+\.\w+)\.attention\.", r"Qformer.bert.\1.self."),
    (r"qformer\.", "Qformer.bert."),
    (r"vision_projection\.", "vision_proj."),
    (r"text_projection\.", "text_proj."),
]


def import_lavis(directory):
    """lavis.models and lavis.processors without what their __init__ would pull in: all models, all data sets."""
    root = pathlib.Path(directory).resolve()
    if not (root / "lavis" / "models" / "blip2_models").is_dir():
        raise SystemExit(f"{directory}: no checkout of LAVIS")
    for name in ("lavis", "lavis.models", "lavis.processors"):
        package = types.ModuleType(name)
        package.__path__ = [str(root / name.replace(".", "/"))]
        sys.modules[name] = package
    # its registry wants the base classes in the packages
    sys.modules["lavis.models"].BaseModel = importlib.import_module("lavis.models.base_model").BaseModel
    base = importlib.import_module("lavis.processors.base_processor")
    sys.modules["lavis.processors"].BaseProcessor = base.BaseProcessor


def processors(module):
    return importlib.import_module(f"lavis.processors.{module}")


def family_of(config):
    text = None if "Retrieval" in config.get("architectures", [""])[0] else config["text_config"]["model_type"]
    return config["model_type"], text


def read_tensors(directory):
    tensors = {}
    for path in sorted(pathlib.Path(directory).glob("*.safetensors")):
        if not path.name.startswith("stages"):
            tensors |= load_file(path)
    return tensors


def lavis_name(name):
    for pattern, replacement in RENAMED:
        renamed, count = re.subn("^" + pattern, replacement, name)
        if count:
            return renamed
    return name


def lavis_tensors(tensors, projection):
    """What LAVIS's state dict holds, the language model aside. It has no bias of the keys, which changes no answer."""
    result = {}
    for name, tensor in tensors.items():
        if name.startswith("language_model.") or name.endswith("position_ids"):
            continue
        renamed = lavis_name(name).replace("language_projection.", f"{projection}.")
        if renamed.endswith("attn.qkv.bias"):
            query, _, value = tensor.chunk(3)
            stem = renamed.removesuffix("qkv.bias")
            result |= {stem + "q_bias": query, stem + "v_bias": value}
        else:
            result[renamed] = tensor
    return result


def vision_transformer(vision, eva_vit, _size, drop_path_rate, use_checkpoint, precision):
    """create_eva_vit_g with the sizes of a checkpoint."""
    width = vision["hidden_size"]
    model = eva_vit.VisionTransformer(
        img_size=vision["image_size"],
        patch_size=vision["patch_size"],
        use_mean_pooling=False,
        embed_dim=width,
        depth=vision["num_hidden_layers"],
        num_heads=vision["num_attention_heads"],
        mlp_ratio=(vision["intermediate_size"] + 0.5) / width,  # it cuts the product
        qkv_bias=vision.get("qkv_bias", True),
        drop_path_rate=drop_path_rate,
        norm_layer=functools.partial(torch.nn.LayerNorm, eps=vision.get("layer_norm_eps", 1e-6)),
        use_checkpoint=use_checkpoint,
    )
    if precision == "fp16":
        eva_vit.convert_weights_to_fp16(model)
    return model


def bert_config(qformer, words, config_class):
    return config_class(
        vocab_size=words,
        hidden_size=qformer["hidden_size"],
        num_hidden_layers=qformer["num_hidden_layers"],
        num_attention_heads=qformer["num_attention_heads"],
        intermediate_size=qformer["intermediate_size"],
        max_position_embeddings=qformer.get("max_position_embeddings", 512),
        layer_norm_eps=qformer.get("layer_norm_eps", 1e-12),
        hidden_act=qformer.get("hidden_act", "gelu"),
    )


@contextlib.contextmanager
def nothing_downloaded(config, words, vocabulary):
    """While it lasts, LAVIS's constructors find the sizes and the vocabulary of a checkpoint in place of downloads."""
    blip2 = importlib.import_module("lavis.models.blip2_models.blip2")
    eva_vit = importlib.import_module("lavis.models.eva_vit")
    config_class, model_class, tokenizer_class = blip2.BertConfig, blip2.BertLMHeadModel, blip2.BertTokenizer

    def stand_in(function):
        return types.SimpleNamespace(from_pretrained=function)

    every = (config["qformer_config"].get("cross_attention_frequency", 2),)
    qformer = stand_in(lambda _name: bert_config(config["qformer_config"], words, config_class))
    with (
        mock.patch.object(blip2, "create_eva_vit_g", functools.partial(vision_transformer, config["vision_config"], eva_vit)),
        mock.patch.object(blip2, "BertConfig", qformer),
        mock.patch.object(blip2, "BertLMHeadModel", stand_in(lambda _name, config: model_class(config))),
        mock.patch.object(blip2, "BertTokenizer", stand_in(lambda _name, **more: tokenizer_class.from_pretrained(vocabulary, **more))),
        mock.patch.object(blip2.Blip2Base.init_Qformer.__func__, "__defaults__", every),
    ):
        yield


def build(directory, work):
    """A model as load_model_and_preprocess(..., is_eval=True, device="cpu") leaves it: rounded, then float32."""
    directory, work = pathlib.Path(directory), pathlib.Path(work)
    config = read_json(directory / "config.json")
    module, name, language, projection = MODELS[family_of(config)]
    cls = getattr(importlib.import_module(f"lavis.models.blip2_models.{module}"), name)
    tensors = read_tensors(directory)
    rest = lavis_tensors(tensors, projection)
    table = rest.get("Qformer.bert.embeddings.word_embeddings.weight")
    vocabulary = write_qformer_vocabulary(directory, work / "bert")
    arguments = {"img_size": config["vision_config"]["image_size"], "num_query_token": rest["query_tokens"].shape[1]}
    if language:
        folder = work / "language_model"
        write_language_folder(directory, config["text_config"], tensors, folder)
        arguments[language] = str(folder)
    else:
        arguments |= {"embed_dim": rest["vision_proj.weight"].shape[0],
                      "cross_attention_freq": config["qformer_config"].get("cross_attention_frequency", 2)}  # fmt: skip
    with nothing_downloaded(config, 5 if table is None else table.shape[0], vocabulary):
        model = cls(**arguments)
    load(model, rest, language)
    return model.float().eval()


def load(model, tensors, language):
    """Strict where LAVIS is not: all that is not the language model's must be there, and nothing else."""
    key = "Qformer.bert.embeddings.word_embeddings.weight"
    if key in tensors:  # rows that its tokenizer has no ids for
        tensors[key] = tensors[key][: len(model.tokenizer)]
    answer = model.load_state_dict(tensors, strict=False)
    unused = ("Qformer.cls.", f"{language}.", "temp", "Qformer.bert.embeddings.position_ids")
    missing = [name for name in answer.missing_keys if not name.startswith(unused)]
    if missing or answer.unexpected_keys:
        raise SystemExit(f"LAVIS lacks {missing[:5]}, does not know {answer.unexpected_keys[:5]}")


def language_model(model):
    for name in ("t5_model", "llm_model", "opt_model"):
        if hasattr(model, name):
            return getattr(model, name)
    return None


def language_tokenizer(model):
    for name in ("t5_tokenizer", "llm_tokenizer", "opt_tokenizer"):
        if hasattr(model, name):
            return getattr(model, name)
    return None
