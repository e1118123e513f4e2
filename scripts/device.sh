#!/usr/bin/env bash
# Everything that wants a GPU, in one run of ten minutes at most on 16 cores: builds the preset `device`, runs the tests of
# devices, compute-sanitizer and the benchmarks, and compares the ids of the embedded models with the processor's.
#
#   scripts/device.sh [FOLDER]     writes FOLDER/device.json, anew after each step, FOLDER/device.log, what each benchmark printed
#                                  as FOLDER/NAME.json, and FOLDER/verified.json, the kernels that passed; FOLDER is $OUT, else build-device/report
#   scripts/device.sh --built [FOLDER]    the same with the preset as it has been built elsewhere: in build-device, from this very tree
#   scripts/device.sh --pack       copies what such machines lack, GoogleTest, nlohmann_json, CLI11 and RE2, from this one to .carried
#
#   STEPS='ids|bench'                        runs the steps that this expression matches, else all
#   LIMIT=570                               seconds for all of it: what is still to be done then is left out
#   INSTRUCTBLIP_TORCH_DIR=/path/to/torch   the torch folder of PyTorch 2.11 for CUDA 13; else that of python3
#   NVIDIA_SMI=/path/to/nvidia-smi          else the one in the PATH
#
# Needs nvcc 13.0, CMake 3.25, Ninja and a C++ compiler, and no network.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quoted() { local text=${1//\\/\\\\}; text=${text//\"/\\\"}; text=${text//$'\n'/\\n}; printf '"%s"' "${text//[[:cntrl:]]/ }"; }

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
  # What it needs beside the C and C++ libraries: Abseil, where RE2 is a newer one.
  ldd .carried/lib/libre2.so | awk '$3 ~ /^\// && $1 !~ /^lib(c|m|gcc_s|stdc\+\+|pthread|dl|rt)\.so/ { print $3 }' |
    while read -r needed; do cp -L "$needed" .carried/lib/; done
  cp -r /usr/src/googletest .carried/googletest
  rm -rf .carried/googletest/*/test .carried/googletest/*/samples .carried/googletest/*/docs
  echo "device: .carried holds $(du -sh .carried | cut -f1)"
  exit
fi

built=no
[[ ${1:-} != --built ]] || { built=yes; shift; }
folder=${1:-${OUT:-build-device/report}}
mkdir -p "$folder"
folder=$(realpath "$folder")
log=$folder/device.log json=$folder/device.json
rm -f "$json" "$folder"/verified.json "$folder"/bench-*.json*  # an earlier run's say nothing of this one
: >"$log"
exec 3>&2
steps=() left_out=() benches=() failed=0 problem="" child="" running="" started=$SECONDS limit=${LIMIT:-570}
smi=${NVIDIA_SMI:-nvidia-smi}
machine=$(cd "$folder" && "$smi" --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1)
machine=${machine%%$'\n'*}
commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)

listed() { local separator="" one; for one in "$@"; do printf '%s\n    %s' "$separator" "$one"; separator=,; done; }

report() {
  {
    printf '{\n  "ok": %s,\n  "complete": %s,\n  "problem": %s,\n' "$([[ $failed == 0 && -z $problem ]] && echo true || echo false)" \
      "${complete:-false}" "$(quoted "$problem")"
    printf '  "commit": %s,\n  "machine": %s,\n  "nvcc": %s,\n  "torch": %s,\n  "seconds": %d,\n' "$(quoted "$commit")" \
      "$(quoted "$machine")" "$(quoted "${nvcc_version:-}")" "$(quoted "${torch_version:-}")" $((SECONDS - started))
    printf '  "steps": [%s\n  ],\n  "left_out": [%s\n  ],\n  "benchmarks": [%s\n  ]\n}\n' "$(listed "${steps[@]}")" \
      "$(listed "${left_out[@]}")" "$(listed "${benches[@]}")"
  } >"$json.new" && mv "$json.new" "$json"
}

fail() {
  problem=$1
  echo "device: error: $1" | tee -a "$log" >&3
  report
  echo "device: $json and $log" >&3
  exit 1
}

# A machine that is lent may be taken away: what has been found out by then is kept.
trap '[[ -z $child ]] || kill "$child"; fail "ended by a signal${running:+ in $running}"' INT TERM HUP

leave_out() {  # NAME WHY
  left_out+=("{\"name\": $(quoted "$1"), \"why\": $(quoted "$2")}")
  echo "device: $1: left out: $2" | tee -a "$log" >&2
  report
}

left() { echo $((limit - (SECONDS - started))); }  # seconds

within() {  # COMMAND...: for as long as there is time
  local time
  time=$(left)
  ((time > 0)) || return 124  # to `timeout` 0 is no limit
  timeout --kill-after=5 "$time" "$@" &
  child=$!  # which is waited for, so that a signal is not
  wait "$child"
  local code=$?
  child=""
  return $code
}

step() {  # NAME COMMAND...: notes how it ended; goes on either way
  local name=$1 begin=$SECONDS code=0
  shift
  [[ $name =~ ${STEPS:-.} ]] || return 0
  (($(left) > 0)) || { leave_out "$name" "no time was left of $limit seconds"; return 124; }
  running=$name
  printf '\n=== %s: %s\n' "$name" "$*" >>"$log"
  "$@" >>"$log" 2>&1 || code=$?
  ((code == 0)) || failed=1
  running=""
  steps+=("{\"name\": $(quoted "$name"), \"exit\": $code, \"seconds\": $((SECONDS - begin))}")
  echo "device: $name: $([[ $code == 0 ]] && echo fine || echo "FAILED ($code)"), $((SECONDS - begin)) s" >&2
  report
  return $code
}

tests() {  # PROGRAM ARGUMENTS...: fails, too, where every test has skipped itself, as tests of devices do without one
  local code=0 said
  said=$(mktemp)
  within "$@" >"$said" 2>&1 || code=$?
  cat "$said"
  if ((code == 0)) && ! grep -q '^\[  PASSED  \] [1-9]' "$said"; then
    echo "device: no test has run"
    code=77
  fi
  rm -f "$said"
  return $code
}

command -v "$smi" >/dev/null || fail "no NVIDIA driver: $smi is not there"
report
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
  options=(-DINSTRUCTBLIP_TORCH_DIR="$torch" -DCMAKE_CUDA_COMPILER="$nvcc" -DINSTRUCTBLIP_PRECOMPILE=ON -DINSTRUCTBLIP_JOIN_SOURCES=ON)
  [[ -d .carried ]] && options+=(-DINSTRUCTBLIP_CARRIED_DIR="$PWD/.carried")
  step configure within cmake --preset device "${options[@]}" || {
    (($? != 124)) || fail "the preset is not configured within $limit seconds"
    fail "the preset does not configure: see $log; where GoogleTest, nlohmann_json, CLI11 or RE2 is missing, bring .carried, which scripts/device.sh --pack makes elsewhere"
  }
  jobs=$(awk -v cores="$(nproc)" '/MemAvailable/ { fit = int($2 / 1.5e6); print fit < 1 ? 1 : fit < cores ? fit : cores }' /proc/meminfo)
  # What does not build takes nothing else with it.
  step build within cmake --build --preset device --parallel "$jobs" --target instructblip_cli instructblip_cuda || {
    (($? != 124)) || fail "the preset is not built within $limit seconds"
    fail "the preset does not build: see $log"
  }
  step build-tests within cmake --build --preset device --parallel "$jobs" --target pipeline_test emulated_device_test cuda_kernels_test -- -k 0
  step build-benchmarks within cmake --build --preset device --parallel "$jobs" --target benchmark_device
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

cuda_is_there() {
  within build-device/bin/instructblip doctor >"$folder/doctor.txt" || return
  cat "$folder/doctor.txt"
  grep -q '^device auto *cuda:0' "$folder/doctor.txt"
}
# What has run, to be committed as tests/cuda/verified.json.
kernels() {
  tests build-device/bin/cuda_kernels_test && python3 tests/cuda/unverified.py --record "$folder/verified.json"
}

step doctor cuda_is_there
step kernels kernels
# Not in one process: the stand-in puts its own memory in the place of CUDA's.
step stand-in tests env CUDA_VISIBLE_DEVICES= build-device/bin/pipeline_test --gtest_filter='*Device*:-*CudaDevice*'
step devices tests build-device/bin/pipeline_test --gtest_filter='*CudaDevice*'
step devices-in-half tests build-device/bin/emulated_device_test --gtest_filter='*CudaDevice*'
step repeated tests build-device/bin/pipeline_test --gtest_filter='*CudaDevice*' --gtest_repeat=5

# A picture that needs no decoder.
picture=build-device/noise.ppm
{ printf 'P6\n96 80\n255\n'; cat models/scene.png models/tiny-t5/*.safetensors | head -c $((96 * 80 * 3)); } >"$picture"
answer() {  # MODEL DEVICE TYPE BEAMS INSTRUCTION: the ids, into build-device/DEVICE.ids
  within build-device/bin/instructblip run --model "models/$1" --image "$picture" --instruction "$5" --num-beams "$4" --max-new-tokens 20 \
    --device "$2" --dtype "$3" --json >build-device/answer.json || return
  grep -o '"tokens":\[[^]]*\]' build-device/answer.json >"build-device/$2.ids"
}
same_ids() {  # MODEL TYPE: ids of greedy search and of beams on the processor, in float32, and on the device
  local instruction beams
  for instruction in "What is in the picture?" "Which colour is the largest thing?"; do
    for beams in 1 5; do
      answer "$1" cpu f32 $beams "$instruction" && answer "$1" cuda "$2" $beams "$instruction" || return
      diff build-device/cpu.ids build-device/cuda.ids || return
    done
  done
}
for model in tiny-t5 tiny-vicuna; do
  for type in f32 f16 bf16; do
    step "ids-$model-$type" same_ids $model $type
  done
done

benchmark() {  # FILE COMMAND...: what it prints becomes FILE
  local file=$1
  shift
  within "$@" >"$folder/$file" && benches+=("$(quoted "$file")")
}
bench=(build-device/bin/instructblip bench --device cuda --rows 1,5 --new-tokens 20 --warm-up 4 --json)
step bench-t5 benchmark bench-t5.json "${bench[@]}" --synthetic instructblip-flan-t5-xl --dtype bf16
step bench-vicuna benchmark bench-vicuna.json "${bench[@]}" --synthetic instructblip-vicuna-7b --dtype bf16 --prompt 72
step bench-alone benchmark bench-alone.json "${bench[@]}" --synthetic instructblip-vicuna-7b --dtype bf16 --prompt 72 --stages decode,end_to_end --kernels next_rows=none
step bench-few-bits benchmark bench-few-bits.json "${bench[@]}" --synthetic instructblip-vicuna-7b --dtype q8,q4 --prompt 72 --stages decode
step bench-kernels benchmark bench-kernels.jsonl build-device/bin/device_kernels

# Kernels by themselves, and models in half precision, which launch them: a sanitizer takes a hundred times as long.
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
sanitized() {  # TOOL PROGRAM FILTER
  within timeout "${SANITIZER_LIMIT:-45}" "$sanitizer" --tool "$1" --error-exitcode 9 "$2" --gtest_filter="$3"
}
for tool in memcheck racecheck synccheck; do
  if [[ -z $sanitizer ]]; then
    leave_out "$tool" "compute-sanitizer is not there"
    continue
  fi
  step "$tool-models" sanitized $tool build-device/bin/emulated_device_test '*CudaDeviceInHalf*tiny*'
  step "$tool-kernels" sanitized $tool build-device/bin/cuda_kernels_test '*Tiled*:*Attention*:*Rows*'
done

complete=true
report
echo "device: $json and $log" >&2
exit $failed
