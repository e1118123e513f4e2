#!/usr/bin/env bash
# Sets the machine up, checks the format, builds, and runs every test; the last lines are ctest's summary of the whole
# suite. Where files differ from the branch main, clang-tidy reads those as well.
# Arguments go to ctest: scripts/test.sh -R tokenizer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh --tests
# Other versions of clang-format want other lines, and outside a clone nothing says which files are ours.
lints=0
if git rev-parse --is-inside-work-tree >/dev/null 2>&1 && [[ $(clang-format --version 2>&1) == *"version 14."* ]]; then
  lints=1
  scripts/lint.sh
else
  echo "test: no clone, or no clang-format 14: the format is not checked"
fi

# The components that know no torch, under AddressSanitizer and UndefinedBehaviorSanitizer: by clang, which also fuzzes
# every reader for some seconds. GCC compiles them below.
sanitized=fuzz
if ! command -v clang++ >/dev/null; then
  sanitized=sanitize
  echo "test: no clang: nothing is fuzzed"
fi
cmake --preset $sanitized -DINSTRUCTBLIP_JOIN_SOURCES=ON
cmake --build --preset $sanitized
ctest --preset $sanitized --parallel "$(nproc)" --no-tests=error

# With the part for CUDA where there is a compiler for it.
cuda=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
if [[ -n $cuda ]] && "$cuda" --version | grep -q 'release 1[3-9]'; then
  scripts/build.sh -DINSTRUCTBLIP_WITH_CUDA=ON
else
  scripts/build.sh
fi
if ((lints)); then
  scripts/lint.sh --tidy --changed
fi
ctest --test-dir build --parallel "$(nproc)" --output-on-failure --no-tests=error "$@"
