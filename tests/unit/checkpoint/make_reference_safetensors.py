"""Writes reference_f32.safetensors and reference_mixed.safetensors with the reference's own writer.

Versions: safetensors 0.8.0, numpy 2.4.6. Seed 7.
Run:  python make_reference_safetensors.py
"""

import pathlib

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)
f32 = {
    "b.weight": rng.standard_normal((3, 5), dtype=np.float32),
    "a": rng.standard_normal((1,), dtype=np.float32),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((4, 0, 2), np.float32),
    'quote " back\\slash caf\u00e9': np.arange(4, dtype=np.float32).reshape(2, 2),
}
save_file(f32, HERE / "reference_f32.safetensors", metadata={"format": "pt"})
mixed = {
    "half": np.arange(3, dtype=np.float16),
    "double": np.arange(2, dtype=np.float64),
    "ids": np.arange(5, dtype=np.int64),
    "flags": np.array([True, False, True]),
    "bytes": np.arange(7, dtype=np.uint8),
    "single": np.array([[1.5, -2.0]], np.float32),
}
save_file(mixed, HERE / "reference_mixed.safetensors")
