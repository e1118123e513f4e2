#!/usr/bin/env bash
# Puts on this machine what a build needs: Debian packages, and LibTorch under .deps/torch.
#
# Safe to run again at any time: what is there already is left alone, so that a second run takes well under a
# second. Every download is announced with its size before it starts.
#
#   INSTRUCTBLIP_TORCH_DIR=/path/to/torch   use the torch folder of an installed PyTorch 2.11: nothing is downloaded
#   INSTRUCTBLIP_DEPS_MIRROR=/path          take the wheels from this folder instead of downloading them
#   INSTRUCTBLIP_WITH_OPENCV=OFF            leave OpenCV out
#   INSTRUCTBLIP_WITH_SENTENCEPIECE=OFF     leave SentencePiece out
#
# With --tests also what only scripts/test.sh needs: clang 14 with its fuzzer, formatter and checks, and SIMDe.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The wheels that hold LibTorch and the two libraries its CPU part is linked against; megabytes, SHA-256, file.
readonly torch_requirements=(torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
readonly torch_wheels=(
  "531 7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl"
  "2 7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548 nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
  "11 4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8 nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl"
)

for_tests=0
if [[ ${1:-} == --tests ]]; then
  for_tests=1
fi

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

find_python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      echo "$python"
      return
    fi
  done
}

needs_torch() {
  [[ -z ${INSTRUCTBLIP_TORCH_DIR:-} && ! -e .deps/torch/complete-2.11.0 ]]
}

wanted_packages() {
  echo g++ cmake ninja-build pkg-config nlohmann-json3-dev libre2-dev libcli11-dev libgtest-dev
  if [[ ${INSTRUCTBLIP_WITH_SENTENCEPIECE:-ON} != OFF ]]; then
    echo libsentencepiece-dev
  fi
  if [[ ${INSTRUCTBLIP_WITH_OPENCV:-ON} != OFF ]]; then
    echo libopencv-dev libgif-dev libjpeg-dev libopenjp2-7-dev libpng-dev libtiff-dev
  fi
  if [[ $for_tests == 1 ]]; then
    echo clang libclang-rt-14-dev clang-format clang-tidy libsimde-dev
  fi
  # Python fetches the wheels and is not needed afterwards.
  if needs_torch && [[ -z ${INSTRUCTBLIP_DEPS_MIRROR:-} && -z $(find_python_with_pip) ]]; then
    echo ca-certificates python3-pip
  fi
}

install_packages() {
  local missing=() package
  for package in $(wanted_packages); do
    if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
      missing+=("$package")
    fi
  done
  if ((${#missing[@]} == 0)); then
    return
  fi

  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null || { [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; }; then
      fail "packages are missing and this user may not install them. As root, run:
  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    fi
    as_root=(sudo)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3
             -o DPkg::Lock::Timeout=300)
  local install=(install --yes --no-install-recommends "${missing[@]}")

  say "package lists (apt-get update, about 10 MB)"
  "${apt[@]}" update --quiet=2 </dev/null
  local files
  files=$("${apt[@]}" --quiet=2 --print-uris "${install[@]}" </dev/null)
  say "$(awk 'NF >= 3 { bytes += $3; ++count }
              END { printf "%d packages, %.0f MB, for: ", count, bytes / 1e6 }' <<<"$files")${missing[*]}"
  "${apt[@]}" --quiet=2 -o Dpkg::Use-Pty=0 "${install[@]}" </dev/null >.deps/apt.log 2>&1 || {
    tail -n 20 .deps/apt.log >&2
    fail "apt-get could not install them; the whole output is in .deps/apt.log"
  }
}

is_intact() {  # SHA256 FILE
  [[ -f $2 ]] && sha256sum --status --check <<<"$1  $2"
}

fetch_wheels() {  # FOLDER
  local python index megabytes sum file
  for index in "${!torch_wheels[@]}"; do
    read -r megabytes sum file <<<"${torch_wheels[index]}"
    if is_intact "$sum" "$1/$file"; then
      continue
    fi
    python=$(find_python_with_pip)
    [[ -n $python ]] || fail "python3 with pip is needed to download LibTorch"
    say "${torch_requirements[index]}, $megabytes MB"
    # pip puts a file into the folder only when it is complete; until then it is in TMPDIR.
    rm -f "$1/$file"
    TMPDIR=$(realpath "$1") "$python" -m pip download --quiet --disable-pip-version-check --no-input --no-cache-dir --no-deps \
      --only-binary=:all: --python-version 3.11 --implementation cp --platform manylinux_2_28_x86_64 \
      --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64 --dest "$1" \
      "${torch_requirements[index]}" </dev/null ||
      fail "pip could not download it; INSTRUCTBLIP_TORCH_DIR and INSTRUCTBLIP_DEPS_MIRROR do without the network"
    is_intact "$sum" "$1/$file" || fail "$1/$file is not the file that was expected (SHA-256 $sum)"
  done
}

# Takes what a CPU program needs, a fifth of the wheels' content. The libraries of torch look for those of
# NVIDIA beside them.
unpack_wheels() {  # FOLDER
  local wheels=$1 target=.deps/torch.partial torch runtime cupti
  read -r _ _ torch <<<"${torch_wheels[0]}"
  read -r _ _ runtime <<<"${torch_wheels[1]}"
  read -r _ _ cupti <<<"${torch_wheels[2]}"
  say "unpacking into .deps/torch, 500 MB"
  rm -rf "$target" .deps/torch
  mkdir -p "$target"
  (
    cd "$target"
    cmake -E tar xf "$wheels/$torch" -- torch/version.py torch/include/ATen torch/include/c10 \
      torch/include/torch torch/lib/libtorch_cpu.so torch/lib/libc10.so torch/lib/libgomp.so.1 \
      torch-2.11.0.dist-info/licenses
    cmake -E tar xf "$wheels/$runtime" -- nvidia/cu13/lib/libcudart.so.13
    cmake -E tar xf "$wheels/$cupti" -- nvidia/cu13/lib/libcupti.so.13
    mv nvidia/cu13/lib/* torch/lib/
    mv torch-2.11.0.dist-info/licenses torch/
    touch torch/complete-2.11.0
  )
  mv "$target/torch" .deps/torch
  rm -rf "$target"
}

install_torch() {
  if [[ -n ${INSTRUCTBLIP_TORCH_DIR:-} ]]; then
    [[ -e $INSTRUCTBLIP_TORCH_DIR/lib/libtorch_cpu.so ]] ||
      fail "INSTRUCTBLIP_TORCH_DIR=$INSTRUCTBLIP_TORCH_DIR holds no lib/libtorch_cpu.so"
    return
  fi
  if ! needs_torch; then
    return
  fi
  [[ $(uname -m) == x86_64 ]] ||
    fail "LibTorch is downloaded for x86-64 only; install PyTorch 2.11 and set INSTRUCTBLIP_TORCH_DIR to its folder"

  local wheels=.deps/wheels index sum file
  if [[ -n ${INSTRUCTBLIP_DEPS_MIRROR:-} ]]; then
    wheels=$INSTRUCTBLIP_DEPS_MIRROR
    for index in "${!torch_wheels[@]}"; do
      read -r _ sum file <<<"${torch_wheels[index]}"
      is_intact "$sum" "$wheels/$file" ||
        fail "INSTRUCTBLIP_DEPS_MIRROR=$wheels lacks $file with SHA-256 $sum"
    done
  else
    mkdir -p "$wheels"
    fetch_wheels "$wheels"
  fi
  unpack_wheels "$(realpath "$wheels")"
  rm -rf .deps/wheels
}

mkdir -p .deps
exec 9>.deps/lock
flock 9  # one set-up at a time; the lock goes with the process
if command -v dpkg-query >/dev/null; then
  install_packages
else
  say "not a Debian: these or their like must be installed: $(wanted_packages | xargs)"
fi
install_torch
say "ready"
