#!/usr/bin/env bash
# Builds the library, the command line, the examples and the tests; leaves build/bin/instructblip. Only what has
# changed is built again. Arguments are options for CMake: scripts/build.sh -DINSTRUCTBLIP_WITH_OPENCV=OFF
#
#   scripts/build.sh --command [OPTION...]  the command and what it needs, nothing else
#   INSTRUCTBLIP_TORCH_DIR=/path/to/torch   as for setup.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

targets=()
if [[ ${1:-} == --command ]]; then
  targets=(--target instructblip_cli)
  shift
fi
configure=(cmake -S . -B build)
if [[ ! -e build/CMakeCache.txt ]]; then
  configure+=(-DCMAKE_BUILD_TYPE=Release)
  if command -v ninja >/dev/null; then
    configure+=(-G Ninja)
  fi
fi
configure+=("-DINSTRUCTBLIP_TORCH_DIR=${INSTRUCTBLIP_TORCH_DIR:-}" -DINSTRUCTBLIP_PRECOMPILE=ON
            -DINSTRUCTBLIP_JOIN_SOURCES=ON)
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}  # or ccache, where there is one, stands aside
"${configure[@]}" "$@"

# A file that includes ATen takes up to 1.5 GB to compile.
jobs=$(awk -v cores="$(nproc)" '/MemAvailable/ { fit = int($2 / 1.5e6); print fit < 1 ? 1 : fit < cores ? fit : cores }' \
  /proc/meminfo)
cmake --build build --parallel "$jobs" "${targets[@]}"
