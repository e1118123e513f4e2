"""Writes image_config_goldens.json: preprocessor files and what the reference's image processors make of them.

Version: transformers 4.57.3. Nothing is random. Run:  python make_image_config_goldens.py
"""

import json
import pathlib
import tempfile

import transformers
from transformers import AutoImageProcessor, BlipImageProcessor

assert transformers.__version__ == "4.57.3"
transformers.logging.set_verbosity_error()
OUT = pathlib.Path(__file__).parent / "image_config_goldens.json"
FULL = {
    "crop_size": None, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
    "image_mean": [0.5, 0.25, 0.125], "image_processor_type": "BlipImageProcessorFast",
    "image_std": [0.1, 0.2, 0.3], "processor_class": "InstructBlipProcessor", "resample": 3,
    "rescale_factor": 0.00392156862745098, "size": {"height": 224, "width": 224},
}
PROCESSOR = {"processor_class": "InstructBlipProcessor", "num_query_tokens": 32}
CASES = [  # preprocessor_config.json, processor_config.json
    ("empty", {}, None),
    ("full", FULL, None),
    ("beside a processor", FULL, PROCESSOR),
    ("size as a number", {"size": 224}, None),
    ("size as a list", {"size": [28, 42]}, None),
    ("not square", {"size": {"height": 28, "width": 42}}, None),
    ("numbers for all channels", {"image_mean": 0.5, "image_std": 0.25}, None),
    ("nulls", {"size": None, "image_mean": None, "image_std": None}, None),
    ("null flags", {"do_resize": None, "do_rescale": None, "do_normalize": None, "do_convert_rgb": None}, None),
    ("steps off", {"do_resize": False, "do_rescale": False, "do_normalize": False, "do_convert_rgb": False}, None),
    ("inside processor_config.json", None, {**PROCESSOR, "image_processor": FULL}),
    ("processor_config.json without image settings", None, PROCESSOR),
    ("preprocessor_config.json wins", {"size": 28}, {**PROCESSOR, "image_processor": FULL}),
    ("nested in preprocessor_config.json", {"image_processor": {"size": 56}}, None),
]

CLIP = {
    "crop_size": {"height": 336, "width": 336}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
    "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.25, 0.125],
    "image_processor_type": "CLIPImageProcessor", "image_std": [0.1, 0.2, 0.3],
    "processor_class": "LlavaProcessor", "resample": 3, "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 336},
}
LLAVA = {"processor_class": "LlavaProcessor", "patch_size": 14}
NAMED = {"image_processor_type": "CLIPImageProcessor"}
BY_NAME = [  # the same beside a config.json of LLaVA, where the file names the class
    ("clip", CLIP, None),
    ("clip, fast", {**CLIP, "image_processor_type": "CLIPImageProcessorFast"}, None),
    ("clip, inside processor_config.json", None, {**LLAVA, "image_processor": CLIP}),
    ("clip, defaults", NAMED, None),
    ("clip, numbers", {**NAMED, "size": 56, "crop_size": 42}, None),
    ("clip, lists", {**NAMED, "size": [56, 70], "crop_size": [28, 42]}, None),
    ("clip, both sides", {**NAMED, "size": {"height": 20, "width": 30}}, None),
    ("clip, nulls", {**NAMED, "size": None, "crop_size": None, "image_mean": None}, None),
    ("clip, not cropped", {**NAMED, "do_center_crop": False}, None),
    ("clip, not cropped, both sides", {**NAMED, "do_center_crop": False, "size": [20, 30]}, None),
    ("clip, null flags", {**NAMED, "do_center_crop": None, "do_resize": None, "do_rescale": None}, None),
    ("clip, not resized", {**NAMED, "do_resize": False}, None),
    ("clip, squares", {**NAMED, "use_square_size": True, "size": {"shortest_edge": 56}, "crop_size": 42}, None),
    ("clip, squares, a number", {**NAMED, "use_square_size": True, "size": 56, "do_center_crop": False}, None),
    ("clip, default_to_square is its fast one's", {**NAMED, "default_to_square": True, "size": 56}, None),
    ("clip, padding is not its own", {**NAMED, "do_pad": True}, None),
    ("feature extractor", {"feature_extractor_type": "CLIPFeatureExtractor", "size": 28, "crop_size": 28}, None),
    ("feature extractor beside a name", {**NAMED, "feature_extractor_type": "BlipFeatureExtractor"}, None),
    ("blip", {"image_processor_type": "BlipImageProcessor", "size": 28, "do_center_crop": True}, None),
    ("llava", {"image_processor_type": "LlavaImageProcessor", "do_pad": True, "size": 28}, None),
    ("llava, not padded", {"image_processor_type": "LlavaImageProcessor"}, None),
    ("no name", {"do_pad": True, "size": {"shortest_edge": 42}, "crop_size": 30}, None),
    ("nothing", {}, None),
]


def each(value):
    return list(value) if isinstance(value, (list, tuple)) else [value] * 3


def geometry(read):
    """As this project keeps it: the final size, and what is resized to where that is another one."""
    crop = getattr(read, "do_center_crop", False) and not isinstance(read, BlipImageProcessor)
    edge = read.size.get("shortest_edge", 0)
    resized = (edge, edge) if edge else (read.size["height"], read.size["width"])
    final = (read.crop_size["height"], read.crop_size["width"]) if crop else resized
    apart = resized if crop and not edge else (0, 0)
    return {
        "shortest_edge": edge, "center_crop": bool(crop), "height": final[0], "width": final[1],
        "resized_height": apart[0], "resized_width": apart[1],
        "pad": type(read).__name__ == "LlavaImageProcessor" and read.do_pad,
    }


rows = []
for by_name, (name, preprocessor, processor) in [(False, case) for case in CASES] + [(True, case) for case in BY_NAME]:
    with tempfile.TemporaryDirectory() as directory:
        for file, content in (("preprocessor_config.json", preprocessor), ("processor_config.json", processor),
                              ("config.json", {"model_type": "llava"} if by_name else None)):
            if content is not None:
                (pathlib.Path(directory) / file).write_text(json.dumps(content))
        if by_name:
            read = AutoImageProcessor.from_pretrained(directory, use_fast=False)
        else:
            read = BlipImageProcessor.from_pretrained(directory)
    rows.append({
        "name": name, "by_name": by_name, "preprocessor": preprocessor, "processor": processor,
        "expected": {
            "convert_rgb": bool(read.do_convert_rgb), "resize": bool(read.do_resize),
            "rescale": bool(read.do_rescale), "normalize": bool(read.do_normalize), **geometry(read),
            "resample": int(read.resample), "rescale_factor": read.rescale_factor,
            "mean": each(read.image_mean), "std": each(read.image_std),
        },
    })
lines = ",\n".join(json.dumps(row) for row in rows)
OUT.write_text(f'{{"transformers": "{transformers.__version__}", "cases": [\n{lines}\n]}}\n')
print(OUT, len(rows))
