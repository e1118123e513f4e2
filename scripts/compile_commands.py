#!/usr/bin/env python3
"""A build's compile commands for clang-tidy: compile_commands.py FROM TO

Without what only GCC knows, and with a command for each file that is compiled together with others.
"""

import json
import pathlib
import re
import sys

source, target = map(pathlib.Path, sys.argv[1:])
commands = []
for entry in json.loads(source.read_text()):
    command = re.sub(r" -(Wno-restrict|Wno-maybe-uninitialized|fno-loop-unroll-and-jam)\b", "", entry["command"])
    command = re.sub(r" -Winvalid-pch -include \S*cmake_pch\.hxx", "", command)
    files = [entry["file"]]
    joined = pathlib.Path(entry["file"])
    if joined.parent.name == "Unity" and joined.exists():
        files = re.findall(r'^#include "(.*)"$', joined.read_text(), re.MULTILINE)
    commands += [{"directory": entry["directory"], "command": command.replace(entry["file"], file), "file": file}
                 for file in files]  # fmt: skip
target.write_text(json.dumps(commands, indent=1))
