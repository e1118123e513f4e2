#!/usr/bin/env python3
"""Lists the CUDA kernels whose source is not the one that last ran on a device, and fails if a document quotes a speed
for one of them.

  tests/cuda/unverified.py            the list, and the check
  tests/cuda/unverified.py --record [FILE]   after the tests have passed on a device: writes down what has run, here or elsewhere

A kernel is its .cu file, or the .cpp file that launches several of them in turn, with the headers of ours that it
includes, and what those of src/kernels/cuda include; the emulator's are not among them.
"""

import argparse
import hashlib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"
CUDA = SOURCES / "kernels/cuda"
RECORD = pathlib.Path(__file__).with_name("verified.json")  # source to hash
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
SPEED = re.compile(r"\d\s*(µs|us|ms|ns|[GT]B/s|[TG]FLOP|tokens?/s|images?/s|%|x)(?![\w-])")


def included(text):
    """Headers of ours that it names."""
    return [name for name in INCLUDE.findall(text) if "/emulator/" not in name]


def sources_of(kernel):
    """The file and all that it includes, by whatever way."""
    found, waiting = {kernel}, [kernel]
    while waiting:
        path = waiting.pop()
        for name in included(path.read_text()) if CUDA in path.parents else []:
            if (path := SOURCES / name) not in found:
                found.add(path)
                waiting.append(path)
    return sorted(found)


def hashes():
    found = {}
    for kernel in [*sorted(CUDA.glob("*.cu")), CUDA / "qformer_layer.cpp"]:
        digest = hashlib.sha256()
        for path in sources_of(kernel):
            digest.update(path.read_bytes())
        found[kernel.name] = digest.hexdigest()
    return found


def unverified(now, record):
    return [name for name, digest in now.items() if record.get(name) != digest]


def quoted(kernels, text):
    """Lines that name such a kernel and a speed."""
    return [line for line in text.splitlines() if any(name in line for name in kernels) and SPEED.search(line)]


def check_itself():
    assert included('#  include "a/b.h"\n#include "c/emulator/d.h"\n#include <e.h>\n// "f.h"\n') == ["a/b.h"]
    names = {path.name for path in sources_of(CUDA / "pixels.cu")}
    assert {"pixels.cu", "pixels.h", "dev.h", "copies.h", "resample.h"} <= names, names
    assert not {"kernels.h", "registry.h"} & names, names
    assert unverified({"a.cu": "1", "b.cu": "2"}, {"a.cu": "1", "b.cu": "1"}) == ["b.cu"]
    assert quoted(["b.cu"], "`b.cu` takes 3.1 µs") and quoted(["b.cu"], "| b.cu | 85 % |")
    assert not quoted(["b.cu"], "`a.cu` takes 3.1 µs\n`b.cu` takes heads of 8 to 128")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", nargs="?", type=pathlib.Path, const=RECORD, metavar="FILE")
    arguments = parser.parse_args()
    check_itself()
    now = hashes()
    if not now:
        print(f"no kernels in {CUDA}")
        return 1
    if arguments.record:
        arguments.record.write_text(json.dumps(now, indent=2) + "\n")
        return 0
    listed = unverified(now, json.loads(RECORD.read_text()) if RECORD.exists() else {})
    for name in listed:
        print(f"unverified on device: {name}")
    failed = False
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for line in quoted(listed, path.read_text()):
            print(f"{path.relative_to(ROOT)} quotes a speed for a kernel that has not run on a device: {line}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
