"""Writes image_config_goldens.json: preprocessor files and what BlipImageProcessor makes of them.

Version: transformers 4.57.3. Nothing is random. Run:  python make_image_config_goldens.py
"""

import json
import pathlib
import tempfile

import transformers
from transformers import BlipImageProcessor

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
    ("steps off", {"do_resize": False, "do_rescale": False, "do_normalize": False, "do_convert_rgb": False}, None),
    ("inside processor_config.json", None, {**PROCESSOR, "image_processor": FULL}),
    ("processor_config.json without image settings", None, PROCESSOR),
    ("preprocessor_config.json wins", {"size": 28}, {**PROCESSOR, "image_processor": FULL}),
    ("nested in preprocessor_config.json", {"image_processor": {"size": 56}}, None),
]

rows = []
for name, preprocessor, processor in CASES:
    with tempfile.TemporaryDirectory() as directory:
        for file, content in (("preprocessor_config.json", preprocessor), ("processor_config.json", processor)):
            if content is not None:
                (pathlib.Path(directory) / file).write_text(json.dumps(content))
        read = BlipImageProcessor.from_pretrained(directory)
    each = lambda value: list(value) if isinstance(value, (list, tuple)) else [value] * 3
    rows.append({
        "name": name, "preprocessor": preprocessor, "processor": processor,
        "expected": {
            "convert_rgb": read.do_convert_rgb, "resize": read.do_resize, "rescale": read.do_rescale,
            "normalize": read.do_normalize, "height": read.size["height"], "width": read.size["width"],
            "resample": int(read.resample), "rescale_factor": read.rescale_factor,
            "mean": each(read.image_mean), "std": each(read.image_std),
        },
    })
lines = ",\n".join(json.dumps(row) for row in rows)
OUT.write_text(f'{{"transformers": "{transformers.__version__}", "cases": [\n{lines}\n]}}\n')
print(OUT, len(rows))
