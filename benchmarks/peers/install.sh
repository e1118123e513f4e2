#!/usr/bin/env bash
# Puts the peers into a virtual environment outside of the tree: install.sh DIRECTORY [PEER...]
# Peers: transformers llama.cpp ctranslate2; all of them where none is named. llama.cpp is compiled for this
# machine from its Python package's source, which takes minutes. Versions are those of docs/performance.md.
set -euo pipefail
if (($# == 0)); then
  sed -n 2,4p "${BASH_SOURCE[0]}" >&2
  exit 2
fi
directory=$1
shift
peers=("$@")
if ((${#peers[@]} == 0)); then
  peers=(transformers llama.cpp ctranslate2)
fi
[[ -x $directory/bin/python ]] || python3 -m venv "$directory"
pip=("$directory/bin/python" -m pip install --quiet --disable-pip-version-check)
for peer in "${peers[@]}"; do
  echo "installing $peer into $directory"
  case $peer in
    transformers) "${pip[@]}" transformers==4.57.3 torch==2.11.0 torchvision pillow ;;
    llama.cpp)
      CMAKE_ARGS="-DGGML_NATIVE=ON -DMTMD_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_CURL=OFF" \
        "${pip[@]}" --no-binary llama-cpp-python llama-cpp-python==0.3.36 gguf==0.19.0 numpy
      ;;
    ctranslate2) "${pip[@]}" ctranslate2==4.8.5 numpy ;;
    *) echo "unknown peer $peer: expected transformers, llama.cpp or ctranslate2" >&2; exit 2 ;;
  esac
done
