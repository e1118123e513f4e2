#!/usr/bin/env bash
# Everything that wants a GPU, in one run of ten minutes at most on 16 cores: builds the preset `device`, runs the tests of
# devices, compute-sanitizer and the benchmark, and compares the ids of the embedded models with the processor's.
#
#   scripts/device.sh [FOLDER]     writes FOLDER/device.json and FOLDER/device.log; FOLDER is $OUT, else build-device/report
#   scripts/device.sh --built [FOLDER]    the same with the preset as it has been built elsewhere: in build-device, from this very tree
#   scripts/device.sh --pack       copies what such machines lack, GoogleTest, nlohmann_json, CLI11 and RE2, from this one to .carried
#
#   STEPS='ids|bench'                        runs the steps that this expression matches, else all
#   INSTRUCTBLIP_TORCH_DIR=/path/to/torch   the torch folder of PyTorch 2.11 for CUDA 13; else that of python3
#   NVIDIA_SMI=/path/to/nvidia-smi          else the one in the PATH
#
# Needs nvcc 13.0, CMake 3.25, Ninja and a C++ compiler, and no network.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quoted() { local text=${1//\\/\\\\}; text=${text//\"/\\\"}; text=${text//$'\t'/ }; printf '"%s"' "${text//$'\n'/\\n}"; }

if [[ ${1:-} == --pack ]]; then
  for needed in /usr/include/nlohmann/json.hpp /usr/include/re2/re2.h /usr/include/CLI/App.hpp /usr/src/googletest/CMakeLists.txt; do
    [[ -e $needed ]] || { echo "device: error: $needed is missing: run scripts/setup.sh first" >&2; exit 1; }
  done
  rm -rf .carried
  mkdir -p .carried/include
  cp -r /usr/include/nlohmann /usr/include/re2 /usr/include/CLI .carried/include/
  mkdir .carried/lib
  cp -L "$(pkg-config --variable=libdir re2)/libre2.so" .carried/lib/libre2.so
  cp .carried/lib/libre2.so ".carried/lib/$(objdump -p .carried/lib/libre2.so | awk '$1 == "SONAME" { print $2 }')"
  cp -r /usr/src/googletest .carried/googletest
  rm -rf .carried/googletest/*/test .carried/googletest/*/samples .carried/googletest/*/docs
  echo "device: .carried holds $(du -sh .carried | cut -f1)"
  exit
fi

built=no
[[ ${1:-} != --built ]] || { built=yes; shift; }
folder=${1:-${OUT:-build-device/report}}
mkdir -p "$folder"
log=$(realpath "$folder")/device.log json=$(realpath "$folder")/device.json
: >"$log"
steps=() failed=0 problem="" started=$SECONDS
smi=${NVIDIA_SMI:-nvidia-smi}
machine=$(cd "$folder" && "$smi" --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1 | head -n 1) || machine=""
commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)
bench=null

report() {
  {
    printf '{\n  "ok": %s,\n  "problem": %s,\n' "$([[ $failed == 0 && -z $problem ]] && echo true || echo false)" "$(quoted "$problem")"
    printf '  "commit": %s,\n  "machine": %s,\n  "nvcc": %s,\n  "torch": %s,\n  "seconds": %d,\n' "$(quoted "$commit")" \
      "$(quoted "$machine")" "$(quoted "${nvcc_version:-}")" "$(quoted "${torch_version:-}")" $((SECONDS - started))
    printf '  "steps": ['
    local separator="" step
    for step in "${steps[@]}"; do printf '%s\n    %s' "$separator" "$step"; separator=,; done
    printf '\n  ],\n  "bench": %s\n}\n' "$bench"
  } >"$json"
  echo "device: $json and $log" >&2
}

fail() {
  problem=$1
  echo "device: error: $1" | tee -a "$log" >&2
  report
  exit 1
}

step() {  # NAME COMMAND...: notes how it ended; goes on either way
  local name=$1 begin=$SECONDS code=0
  shift
  [[ $name =~ ${STEPS:-.} ]] || return 0
  printf '\n=== %s: %s\n' "$name" "$*" >>"$log"
  "$@" >>"$log" 2>&1 || code=$?
  ((code == 0)) || failed=1
  steps+=("{\"name\": $(quoted "$name"), \"exit\": $code, \"seconds\": $((SECONDS - begin))}")
  echo "device: $name: $([[ $code == 0 ]] && echo fine || echo "FAILED ($code)"), $((SECONDS - begin)) s" >&2
  return $code
}

command -v "$smi" >/dev/null || fail "no NVIDIA driver: $smi is not there"
"$smi" >>"$log" 2>&1 || fail "the NVIDIA driver does not answer: $machine"
torch=${INSTRUCTBLIP_TORCH_DIR:-$(python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null)}
[[ -e $torch/lib/libtorch_cuda.so ]] || fail "no LibTorch for CUDA in '$torch': set INSTRUCTBLIP_TORCH_DIR to the torch folder of PyTorch 2.11"
torch_version=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/version.py" 2>/dev/null)

build() {
  local nvcc options tool jobs
  nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) || fail "nvcc is neither in the PATH nor in /usr/local/cuda"
  nvcc_version=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
  for tool in cmake ninja c++; do
    command -v $tool >/dev/null || fail "$tool is not in the PATH"
  done
  options=(-DINSTRUCTBLIP_TORCH_DIR="$torch" -DCMAKE_CUDA_COMPILER="$nvcc")
  [[ -d .carried ]] && options+=(-DINSTRUCTBLIP_CARRIED_DIR="$PWD/.carried")
  step configure cmake --preset device "${options[@]}" || fail "the preset does not configure: see $log"
  jobs=$(awk -v cores="$(nproc)" '/MemAvailable/ { fit = int($2 / 1.5e6); print fit < 1 ? 1 : fit < cores ? fit : cores }' /proc/meminfo)
  step build cmake --build --preset device --parallel "$jobs" --target instructblip_cli instructblip_cuda nn_test pipeline_test emulated_device_test cuda_kernels_test ||
    fail "the preset does not build: see $log"
}

if [[ $built == no ]]; then
  build
else
  [[ -x build-device/bin/instructblip ]] || fail "build-device/bin/instructblip is missing: build the preset \`device\`, or leave --built out"
  # Where libraries lie here, and not where the programs were linked.
  LD_LIBRARY_PATH=$PWD/build-device/lib:$PWD/.carried/lib:$torch/lib:/usr/local/cuda/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  for libraries in "$torch"/../nvidia/*/lib; do LD_LIBRARY_PATH+=:$libraries; done
  export LD_LIBRARY_PATH
fi

step doctor build-device/bin/instructblip doctor
step kernels timeout 180 build-device/bin/cuda_kernels_test
# Not in one process: the stand-in puts its own memory in the place of CUDA's.
step stand-in env CUDA_VISIBLE_DEVICES= build-device/bin/pipeline_test --gtest_filter='*Device*:-*CudaDevice*'
step devices build-device/bin/pipeline_test --gtest_filter='*CudaDevice*'
step devices-in-half build-device/bin/emulated_device_test --gtest_filter='*CudaDevice*'
step repeated build-device/bin/pipeline_test --gtest_filter='*CudaDevice*' --gtest_repeat=5

# A picture that needs no decoder.
picture=build-device/noise.ppm
{ printf 'P6\n96 80\n255\n'; cat models/scene.png models/tiny-t5/*.safetensors | head -c $((96 * 80 * 3)); } >"$picture"
answer() {  # MODEL DEVICE TYPE BEAMS INSTRUCTION: the ids
  build-device/bin/instructblip run --model "models/$1" --image "$picture" --instruction "$5" --num-beams "$4" --max-new-tokens 20 \
    --device "$2" --dtype "$3" --json | grep -o '"tokens":\[[^]]*\]'
}
same_ids() {  # MODEL TYPE: ids of greedy search and of beams on the processor, in float32, and on the device
  local instruction beams
  for instruction in "What is in the picture?" "Which colour is the largest thing?"; do
    for beams in 1 5; do
      diff <(answer "$1" cpu f32 $beams "$instruction") <(answer "$1" cuda "$2" $beams "$instruction") || return
      [[ -n $(answer "$1" cuda "$2" $beams "$instruction") ]] || return
    done
  done
}
for model in tiny-t5 tiny-vicuna; do
  for type in f32 f16 bf16; do
    step "ids-$model-$type" same_ids $model $type
  done
done

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
if [[ -n $sanitizer ]]; then
  for tool in memcheck racecheck; do
    step "$tool" timeout 120 "$sanitizer" --tool $tool --error-exitcode 9 build-device/bin/pipeline_test \
      --gtest_filter='*CudaDevice*t5_2024:*CudaDevice*vicuna_gqa'
  done
else
  echo "device: compute-sanitizer is not there: left out" | tee -a "$log" >&2
fi

if step bench timeout 180 build-device/bin/instructblip bench --synthetic instructblip-flan-t5-xl --layers 4 --json; then
  bench=$(sed -n '/^=== bench/,$p' "$log" | sed 1d | sed -n '/^{/,$p')
  [[ -n $bench ]] || bench=null
fi
report
exit $failed
