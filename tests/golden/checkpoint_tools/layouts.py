"""Writes a random model with its processor into a directory in the layouts that are found in the wild."""

import json
import os
import pathlib
import shutil
import subprocess

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_json(path):
    return json.loads(pathlib.Path(path).read_text())


def write_json(path, value):
    pathlib.Path(path).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def stored(model, dtype):
    """The model cast to the dtype in which it is to lie on disk; 'MIXED' leaves it to each tensor's turn."""
    if dtype == "MIXED":
        for i, parameter in enumerate(model.parameters()):
            parameter.data = parameter.data.to(list(DTYPES.values())[i % 3])
        return model
    return model.to(DTYPES[dtype])


def write_2024(directory, family, model, processor, dtype="F32", shard_bytes=None):
    """As transformers 4.57.3 saves: the layout of the hub since October 2024."""
    directory = pathlib.Path(directory)
    shutil.rmtree(directory, ignore_errors=True)
    model = stored(model, dtype)
    model.save_pretrained(directory, max_shard_size=shard_bytes or "1GB", safe_serialization=True)
    processor.save_pretrained(directory)
    family.finish(directory)


def drop_key(path, key):
    """Removes a key ("vision_config.hidden_act") from a JSON file."""
    content = read_json(path)
    *parents, last = key.split(".")
    node = content
    for parent in parents:
        node = node[parent]
    if node.pop(last, None) is not None:
        write_json(path, content)


def sparse_config(directory, keys):
    """Removes keys from config.json where they only repeat a default."""
    for key in keys:
        drop_key(pathlib.Path(directory) / "config.json", key)


def edit_json(path, changes, inside=None):
    content = read_json(path)
    (content[inside] if inside else content).update(changes)
    write_json(path, content)


def drop_files(directory, *patterns):
    for pattern in patterns:
        for path in pathlib.Path(directory).glob(pattern):
            path.unlink()


def tensor_files(directory):
    return sorted(pathlib.Path(directory).glob("*.safetensors"))


def rewrite_tensors(directory, change):
    """Loads every shard, lets `change(tensors)` edit the dict, stores it again and mends the index."""
    weight_map = {}
    for path in tensor_files(directory):
        if path.name == "stages.safetensors":
            continue
        tensors = change(load_file(path))
        save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"})
        weight_map.update({name: path.name for name in tensors})
    index = pathlib.Path(directory) / "model.safetensors.index.json"
    if index.exists():
        content = read_json(index)
        content["weight_map"] = dict(sorted(weight_map.items()))
        write_json(index, content)


def rename_tensors(directory, prefixes):
    """The first of `prefixes` (old to new) that a name starts with is exchanged."""

    def renamed(name):
        old = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        return name if old is None else prefixes[old] + name.removeprefix(old)

    rewrite_tensors(directory, lambda tensors: {renamed(name): tensor for name, tensor in tensors.items()})


# LLaVA as transformers 5 holds it in memory and some tools write it, from the names of the hub.
IN_MEMORY = {"vision_tower.vision_model.": "model.vision_tower.", "multi_modal_projector.": "model.multi_modal_projector.",
             "language_model.model.": "model.language_model.", "language_model.lm_head.": "lm_head.",
             "image_newline": "model.image_newline"}  # fmt: skip


def add_position_ids(directory, name, count):
    """A buffer that early files carry: integers nobody needs, in the first shard."""
    path = tensor_files(directory)[0]
    save_file({**load_file(path), name: torch.arange(count)[None]}, path, metadata={"format": "pt"})
    rewrite_tensors(directory, lambda tensors: tensors)  # mends the index


def split_qkv_bias(tensors):
    """The names of the first converter: q_bias and v_bias instead of the fused qkv.bias (whose K third is zero)."""
    result = {}
    for name, tensor in tensors.items():
        if name.endswith("self_attn.qkv.bias"):
            q, k, v = tensor.chunk(3)
            assert not k.any(), name
            stem = name.removesuffix("qkv.bias")
            result[stem + "q_bias"], result[stem + "v_bias"] = q, v
        else:
            result[name] = tensor
    return result


def zero_key_bias(model):
    with torch.no_grad():
        for layer in model.vision_model.encoder.layers:
            layer.self_attn.qkv.bias.chunk(3)[1].zero_()


def write_2023(directory, twin, lm_tokenizer_dir, rows=None, processor_config=False, int_size=False):
    """The layout of mid-2023, made from a 2024 twin with the same weights.

    No image token anywhere (config, tokenizer), no num_query_tokens in the processor, whole configs with the keys of
    that time, buffers that later versions dropped. `rows` cuts the vocabulary to the rows of the tokenizer.
    """
    directory, twin = pathlib.Path(directory), pathlib.Path(twin)
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(twin, directory)
    for name in os.listdir(directory):
        if name not in ("config.json", "preprocessor_config.json", "qformer_tokenizer") and ".safetensors" not in name:
            (directory / name).unlink()
    shutil.copytree(lm_tokenizer_dir, directory, dirs_exist_ok=True)
    config = read_json(directory / "config.json")
    for key in ("image_token_index", "dtype"):
        config.pop(key, None)
    config["torch_dtype"] = "float32"
    config["transformers_version"] = None
    text = config["text_config"]
    classic = {"max_length": 20, "min_length": 0, "do_sample": False, "num_beams": 1, "temperature": 1.0,
               "top_k": 50, "top_p": 1.0, "typical_p": 1.0, "repetition_penalty": 1.0, "length_penalty": 1.0,
               "no_repeat_ngram_size": 0, "num_return_sequences": 1, "early_stopping": False,
               "bad_words_ids": None, "torchscript": False, "transformers_version": "4.30.0"}  # fmt: skip
    text.update({key: value for key, value in classic.items() if key not in text})
    text.pop("dtype", None)
    if text["model_type"] == "llama":
        text["architectures"] = ["LLaMAForCausalLM"]
        drop_later_keys(text)
    if rows:
        text["vocab_size"] = rows
    write_json(directory / "config.json", config)
    write_json(directory / "generation_config.json", {"_from_model_config": True, "max_new_tokens": 3, "num_beams": 2})
    if processor_config:
        processor = read_json(twin / "processor_config.json")["processor_class"]
        write_json(directory / "processor_config.json", {"processor_class": processor})
    pixels = read_json(directory / "preprocessor_config.json")
    if int_size:
        pixels["size"] = pixels["size"]["height"]
    write_json(directory / "preprocessor_config.json", pixels)
    done = set()

    def older(tensors):
        for name in list(tensors):
            if rows and name in ("language_model.lm_head.weight", "language_model.model.embed_tokens.weight"):
                tensors[name] = tensors[name][:rows].clone()
            if name.endswith("self_attn.q_proj.weight"):
                stem = name.removesuffix("q_proj.weight")
                size = text.get("head_dim", text["hidden_size"] // text["num_attention_heads"])
                inverse = 1.0 / (text.get("rope_theta", 10000.0) ** (torch.arange(0, size, 2).float() / size))
                tensors[stem + "rotary_emb.inv_freq"] = inverse
        if "positions" not in done and config["model_type"] == "instructblip":
            done.add("positions")
            count = config["qformer_config"]["max_position_embeddings"]
            tensors["qformer.embeddings.position_ids"] = torch.arange(count)[None]
        return tensors

    rewrite_tensors(directory, older)


def edit_pixel_settings(directory, settings):
    """In the file with the settings of pictures or videos, as transformers 4 writes it."""
    names = ("video_preprocessor_config.json", "preprocessor_config.json")
    path = next(path for path in (pathlib.Path(directory) / name for name in names) if path.exists())
    edit_json(path, settings)


def older_video_files(directory):
    """Pixel settings of a video checkpoint as transformers wrote them before 4.52: in preprocessor_config.json."""
    path = pathlib.Path(directory) / "video_preprocessor_config.json"
    settings = read_json(path)
    path.unlink()
    keys = ("do_convert_rgb", "do_normalize", "do_rescale", "do_resize", "image_mean", "image_std", "processor_class",
            "resample", "rescale_factor", "size")  # fmt: skip
    asked = ("do_center_crop", "crop_size", "do_sample_frames", "num_frames")
    keys += tuple(key for key in asked if settings.get(key))
    older = {key: settings[key] for key in keys} | {"image_processor_type": "InstructBlipVideoImageProcessor"}
    write_json(path.with_name("preprocessor_config.json"), older)


def drop_later_keys(text):
    """Keys that LLaMA's config got after mid-2023, where they say what their absence says."""
    absent = {"head_dim": text["hidden_size"] // text["num_attention_heads"], "rope_theta": 10000.0,
              "rope_scaling": None, "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0,
              "num_key_value_heads": text["num_attention_heads"], "pretraining_tp": 1}  # fmt: skip
    for key, value in absent.items():
        if key in text and text[key] == value:
            del text[key]


def write_2026(directory, twin, python5, shard_bytes=None):
    """Lets transformers 5 load the 2024 twin and save it again in its own way."""
    script = pathlib.Path(__file__).with_name("resave_with_transformers5.py")
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run([python5, str(script), str(twin), str(directory), str(shard_bytes or "1GB")], check=True)


def tokenizer_length(directory):
    return len(AutoTokenizer.from_pretrained(directory))


def swap_pieces(path, seed):
    """Makes a tokenizer.json that disagrees with the .model beside it: ordinary pieces trade their ids."""
    content = read_json(path)
    vocabulary = content["model"]["vocab"]
    added = {token["id"] for token in content["added_tokens"]}
    generator = torch.Generator().manual_seed(seed)
    if isinstance(vocabulary, list):  # unigram: [piece, score] in the order of ids
        ids = [i for i in range(len(vocabulary)) if i not in added]
        shuffled = [ids[j] for j in torch.randperm(len(ids), generator=generator).tolist()]
        old = list(vocabulary)
        for i, j in zip(ids, shuffled):
            vocabulary[i] = old[j]
    else:
        names = [name for name, i in vocabulary.items() if i not in added and not name.startswith("<0x")]
        ids = [vocabulary[name] for name in names]
        for name, j in zip(names, torch.randperm(len(ids), generator=generator).tolist()):
            vocabulary[name] = ids[j]
        content["model"]["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    write_json(path, content)


def stored_names(directory):
    names = []
    for path in tensor_files(directory):
        with safe_open(path, "pt") as file:
            names += [(name, file.get_slice(name).get_dtype()) for name in file.keys()]
    return names
