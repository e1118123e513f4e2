"""Writes reference_state.bin, the same in the format of before PyTorch 1.6 (reference_legacy.bin), reference_lavis.pth, and
a training run with every plain value that may stand beside weights (reference_run*.pth) with torch.save(), all of which
torch_file_test.cpp reads.

Versions: torch 2.11.0, numpy 2.4.6. Seed 7.
Run:  python make_reference_torch_files.py
"""

import argparse
import collections
import datetime
import pathlib

import numpy as np
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


def with_attribute(tensor):
    tensor.kind = "weight"
    return tensor


run = {
    "args": argparse.Namespace(lr=1e-5, output=pathlib.PurePosixPath("runs/1"), betas=[0.9, {"eps": 1e-8}]),
    "shape": torch.Size([1, 32, 768]),
    "dtypes": [torch.float16, torch.complex64, torch.uint16],
    "device": torch.device("cpu"),
    "frozen": {"visual_encoder", "t5_model"},
    "pairs": frozenset({(1, 2), (3, 4)}),
    "empty": [set(), frozenset()],
    "seen": collections.Counter({"cat": 3}),
    "losses": collections.defaultdict(list, {"itc": [0.5]}),
    "recent": collections.deque([1, 2, 3], maxlen=4),
    "hash": bytes(range(256)),
    "long bytes": b"a" * 300,
    "array of bytes": bytearray(b"ab"),
    "complex": 1 - 2j,
    "seeds": [2**63 + 5, -(2**64), 2**200, 2**2100],
    "when": [datetime.datetime(2023, 9, 26, 12, 0), datetime.timedelta(hours=3)],
    "best": np.float64(0.5),
    "step": np.int64(7),
    "curve": np.linspace(0, 1, 5),
    "answers": np.array(["yes", "no"]),
    "generators": [np.random.RandomState(7).get_state(), torch.get_rng_state()],
    "type": np.float32,
    "range": range(3),
    "types": [int, str, bytes],
    "storage": torch.zeros(3).untyped_storage(),
    "codes": torch.arange(3).to(torch.uint16),
    "eighths": torch.ones(2).to(torch.float8_e4m3fn),
    "model": {
        "plain": torch.tensor([1.0, 2.0]),
        "parameter": with_attribute(torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))),
        "tensor": with_attribute(torch.tensor([5.0, 6.0])),
        "buffer": torch.nn.Buffer(torch.tensor([7.0])),
        "codes": torch.arange(4).to(torch.uint16)[1:],
        "temperature": np.float64(0.07),
        "version": torch.Size([2]),
    },
}
torch.save(run, HERE / "reference_run.pth")
torch.save(run, HERE / "reference_run_5.pth", pickle_protocol=5)
for untyped in ("storage", "codes", "eighths"):  # which torch writes in that format, but cannot read again
    del run[untyped]
del run["model"]["codes"]
torch.save(run, HERE / "reference_run_legacy.pth", _use_new_zipfile_serialization=False)
