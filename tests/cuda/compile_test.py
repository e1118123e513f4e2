#!/usr/bin/env python3
"""Compiles a CUDA kernel's source for every architecture, and fails if a kernel spills registers or does not use the
instructions that its source says it does.

A source says so in lines of its head comment: "nvcc gate: mma.sync cp.async griddepcontrol.wait@sm_90a"; what follows
an @ is the one architecture that has the instruction.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ARCHITECTURES = ["sm_80", "sm_90a"]


def spills(report):
    """Kernels whose registers do not suffice, from what `ptxas -v` says."""
    found = []
    kernel = "?"
    for line in report.splitlines():
        if match := re.search(r"Compiling entry function '(\S+)'", line):
            kernel = match[1]
        match = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if match and any(int(group) for group in match.groups()):
            found.append(f"{kernel}: {match[0]}")
    return found


def expected(source, architecture):
    words = [word for line in re.findall(r"^// nvcc gate: (.*)$", source, re.M) for word in line.split()]
    pairs = [word.partition("@") for word in words]
    return [name for name, _, only in pairs if only in ("", architecture)]


def compile_for(arguments, architecture, folder):
    common = [arguments.nvcc, "-std=c++20", "-O3", "-I", arguments.include]
    gencode = ["-gencode", f"arch={architecture.replace('sm', 'compute')},code={architecture}"]
    stem = folder / architecture
    report = subprocess.run(common + gencode + ["--keep", "--keep-dir", str(folder), "-Xptxas", "-v", "-c",
                                                arguments.source, "-o", f"{stem}.o"],
                            capture_output=True, text=True)
    if report.returncode:
        return [report.stderr]
    entries = len(re.findall("Compiling entry function", report.stderr))
    if not entries:
        return ["nvcc compiled no kernel"]
    ptx = "".join(path.read_text() for path in folder.glob("*.ptx"))
    for path in folder.glob("*.ptx"):
        path.unlink()
    source = pathlib.Path(arguments.source).read_text()
    wanted = expected(source, architecture)
    if not wanted:
        return ["the source names no instructions (// nvcc gate: ...)"]
    findings = spills(report.stderr)
    findings += [f"no {name} in its PTX" for name in wanted if name not in ptx]
    registers = re.findall(r"Used (\d+) registers", report.stderr)
    print(f"{architecture}: {entries} kernels, at most {max(map(int, registers))} registers")
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nvcc", required=True)
    parser.add_argument("--include", required=True)
    parser.add_argument("source")
    arguments = parser.parse_args()
    failed = False
    for architecture in ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            for finding in compile_for(arguments, architecture, pathlib.Path(folder)):
                print(f"{arguments.source}, {architecture}: {finding}")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
