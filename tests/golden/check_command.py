#!/usr/bin/env python3
"""Holds the instructblip command against golden.json of stored checkpoints; needs no transformers.

    python check_command.py BINARY [CHECKPOINT ...]

Exit status 1 if anything differs.
"""

import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "checkpoint_tools")  # not HERE: its tokenizers.py would hide the package of that name

from safetensors.torch import load_file  # noqa: E402

from binary import Binary, answer_faults, runs_in_one_call, stage_faults, token_faults, visual_rows  # noqa: E402


def check(binary, directory, tensors):
    golden = json.loads((directory / "golden.json").read_text())
    requests = [request for request in golden["requests"] if runs_in_one_call(directory, request)]
    bad = 0
    for request in requests:
        try:
            faults = token_faults(request["prompt_tokens"], binary.tokenize(directory, request))
            faults += answer_faults(request, binary.run(directory, request), visual_rows(directory, request))
            if tensors and request["stages"]:
                prefix = request["stages"] + "."
                stored = load_file(directory / "stages.safetensors")
                expected = {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}
                faults += stage_faults(expected, binary.features(directory, request))
        except (RuntimeError, ValueError, KeyError) as error:
            faults = [str(error)]
        bad += bool(faults)
        for fault in faults:
            print(f"  {directory.name} {request['name']}: {fault}")
    left_out = len(golden["requests"]) - len(requests)
    rest = f", {left_out} with several pictures left out" if left_out else ""
    print(f"{directory.name}: {len(requests) - bad} of {len(requests)} equal{rest}", flush=True)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("checkpoints", nargs="*", type=pathlib.Path)
    parser.add_argument("--images", default=str(HERE.parent / "data" / "images"))
    parser.add_argument("--no-stages", action="store_true")
    options = parser.parse_args()
    directories = options.checkpoints or sorted(path.parent for path in (HERE / "checkpoints").glob("*/golden.json"))
    binary = Binary(options.binary, options.images)
    sys.exit(1 if sum(check(binary, d, not options.no_stages) for d in directories) else 0)


if __name__ == "__main__":
    main()
