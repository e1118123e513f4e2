"""Writes reference_state.bin, the same in the format of before PyTorch 1.6 (reference_legacy.bin) and reference_lavis.pth
with torch.save(), which torch_file_test.cpp reads.

Versions: torch 2.11.0. Seed 7.
Run:  python make_reference_torch_files.py
"""

import collections
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
torch.manual_seed(7)
shared = torch.arange(12, dtype=torch.float32)
state = collections.OrderedDict(
    {
        "plain": torch.tensor([[1.5, -2.0], [0.25, 4.0]]),
        "half": torch.arange(3, dtype=torch.float16),
        "bfloat": torch.arange(3, dtype=torch.bfloat16),
        "double": torch.arange(2, dtype=torch.float64),
        "ids": torch.arange(5),
        "flags": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(4, 0, 2),
        "parameter": torch.nn.Parameter(torch.tensor([7.0, 8.0])),
        "tied": shared,
        "tied again": shared,
        "rows 1 and 2": shared.view(4, 3)[1:3],
        "transposed": shared.view(4, 3).t(),
        "every second": shared[::2],
        "café": torch.ones(1),
    }
)
state._metadata = collections.OrderedDict({"": {"version": 1}})
torch.save(state, HERE / "reference_state.bin")
torch.save(state, HERE / "reference_legacy.bin", _use_new_zipfile_serialization=False)
lavis = {
    "model": {"llm_proj.weight": torch.tensor([[1.0, 2.0]]), "query_tokens": torch.zeros(1, 2, 2)},
    "optimizer": {"state": {0: {"step": 5, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-5, "betas": (0.9, 0.999)}]},
    "config": {"run": {"task": "vqa", "amp": True, "seed": 42, "splits": ["train", None, -1, 2**40]}},
    "scaler": {},
    "epoch": 300,
}
torch.save(lavis, HERE / "reference_lavis.pth")
