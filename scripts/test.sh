#!/usr/bin/env bash
# Sets the machine up, builds, and runs every test; the last lines are ctest's summary of the whole suite.
# Arguments go to ctest: scripts/test.sh -R tokenizer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh

# The components that know no torch, under AddressSanitizer and UndefinedBehaviorSanitizer.
cmake --preset sanitize
cmake --build --preset sanitize
ctest --preset sanitize --label-regex torch_free --parallel "$(nproc)" --no-tests=error

# With the part for CUDA where there is a compiler for it.
cuda=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
if [[ -n $cuda ]] && "$cuda" --version | grep -q 'release 1[3-9]'; then
  scripts/build.sh -DINSTRUCTBLIP_WITH_CUDA=ON
else
  scripts/build.sh
fi
ctest --test-dir build --parallel "$(nproc)" --output-on-failure --no-tests=error "$@"
