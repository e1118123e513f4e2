#!/usr/bin/env bash
# Checks the format of all C++ files, and with --tidy also runs clang-tidy: over everything that build/ compiles, over
# the files that are named, or over those that are not as they are on the branch main.
#
#   scripts/lint.sh [--fix]              clang-format; --fix writes the files
#   scripts/lint.sh --tidy [FILE...]     clang-format, then clang-tidy (build first)
#   scripts/lint.sh --tidy --changed     the same for up to twelve files that differ from main
#
# Needs Debian 12's clang-format and clang-tidy (14): other versions format a little differently.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need() {
  command -v "$1" >/dev/null || { echo "lint: $1 is missing: apt-get install $1" >&2; exit 1; }
}

need clang-format
mode=(--dry-run --Werror)
if [[ ${1:-} == --fix ]]; then
  mode=(-i)
fi
git ls-files -z --cached --others --exclude-standard -- '*.cpp' '*.h' '*.cu' | xargs -0 clang-format "${mode[@]}"
echo "lint: format is fine"

if [[ ${1:-} == --tidy ]]; then
  shift
  need clang-tidy
  [[ -e build/compile_commands.json ]] || { echo "lint: run scripts/build.sh first" >&2; exit 1; }
  if [[ ${1:-} == --changed ]]; then
    main=$(git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet main || git rev-parse HEAD)
    mapfile -t files < <(git diff --name-only --diff-filter=d "$(git merge-base HEAD "$main")" -- \
      'src/*.cpp' 'tools/*.cpp' 'examples/*.cpp' | head -n 12)
    if ((${#files[@]} == 0)); then
      echo "lint: no file differs from main"
      exit
    fi
  elif (($#)); then
    files=("$@")
  else
    mapfile -d '' files < <(git ls-files -z -- 'src/*.cpp' 'tools/*.cpp' 'examples/*.cpp')
  fi
  mkdir -p build/lint
  python3 scripts/compile_commands.py build/compile_commands.json build/lint/compile_commands.json
  printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p build/lint
  echo "lint: clang-tidy has no complaint"
fi
