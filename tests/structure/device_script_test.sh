#!/usr/bin/env bash
# scripts/device.sh on a machine without a GPU, or without LibTorch for CUDA: one error, and a report that says it too. Then
# with programs that only say what they are told to: one that fails or takes too long takes no other's result with it.
set -euo pipefail
script=$1/scripts/device.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

expect_problem() {  # PART OF IT; the environment says what is missing
  local code=0
  INSTRUCTBLIP_TORCH_DIR=/no/such/torch "$script" "$folder/report" 2>"$folder/said" || code=$?
  [[ $code == 1 ]] || { echo "exit code $code, expected 1"; exit 1; }
  grep -q "^device: error: .*$1" "$folder/said" || { cat "$folder/said"; exit 1; }
  grep -q '"ok": false' "$folder/report/device.json"
  grep -q "\"problem\": \".*$1" "$folder/report/device.json"
  grep -q "$1" "$folder/report/device.log"
}

NVIDIA_SMI=/no/such/smi expect_problem 'no NVIDIA driver: /no/such/smi'

printf '#!/bin/sh\necho "cannot talk to the \\"driver\\""; exit 9\n' >"$folder/silent"
printf '#!/bin/sh\necho "Fake GPU, 580.1, 80 MiB"\n' >"$folder/fine"
chmod +x "$folder/silent" "$folder/fine"
NVIDIA_SMI=$folder/silent expect_problem 'the NVIDIA driver does not answer: cannot talk to'
NVIDIA_SMI=$folder/fine expect_problem '\(nvcc is neither\|no LibTorch for CUDA\|is not in the PATH\)'
grep -q '"machine": "Fake GPU, 580.1, 80 MiB"' "$folder/report/device.json"

# A tree with nothing but the script and such programs.
tree=$folder/tree
mkdir -p "$tree/scripts" "$tree/tests" "$tree/build-device/bin" "$tree/models/tiny-t5" "$tree/torch/lib"
cp "$script" "$tree/scripts/"
cp -r "$1/tests/cuda" "$tree/tests/"
(cd "$1" && cp -r --parents -t "$tree" src)
head -c 40000 /dev/zero >"$tree/models/scene.png"
touch "$tree/models/tiny-t5/model.safetensors" "$tree/torch/lib/libtorch_cuda.so"
program() { printf '#!/bin/sh\n%s\n' "$2" >"$tree/build-device/bin/$1"; chmod +x "$tree/build-device/bin/$1"; }
program instructblip 'case $1 in doctor) echo "device auto   cuda:0";; run) echo "{\"tokens\":[1,2]}";; bench) echo "{\"rows\":[]}";; esac'
program cuda_kernels_test 'echo "[  PASSED  ] 0 tests."'
program pipeline_test 'echo "[  PASSED  ] 3 tests."'
program emulated_device_test 'echo "[  PASSED  ] 2 tests."; exit 1'
program device_kernels 'echo "{}"'

run_tree() {  # CODE
  local code=0
  INSTRUCTBLIP_TORCH_DIR=$tree/torch NVIDIA_SMI=$folder/fine "$tree/scripts/device.sh" --built "$folder/report" 2>"$folder/said" || code=$?
  [[ $code == "$1" ]] || { cat "$folder/said"; echo "exit code $code, expected $1"; exit 1; }
  python3 -m json.tool "$folder/report/device.json" >"$folder/shown"
}
has() { tr -d '\n' <"$folder/shown" | grep -Eq "$1" || { cat "$folder/shown"; echo "expected $1"; exit 1; }; }
ended() { has "\"name\": \"$1\", +\"exit\": $2,"; }  # STEP CODE

run_tree 1
[[ ! -e $folder/report/verified.json ]] || { echo "kernels are verified that no test has run"; exit 1; }
grep -q '=== doctor' "$folder/report/device.log" && grep -q '=== bench-t5' "$folder/report/device.log"
grep -q 'Fake GPU' "$folder/report/device.log"
has '"ok": false, +"complete": true'
ended doctor 0
ended kernels 77
ended devices 0
ended devices-in-half 1
ended ids-tiny-vicuna-bf16 0
ended bench-t5 0
has '"benchmarks": \[ +"bench-t5.json"'
python3 -m json.tool "$folder/report/bench-vicuna.json" >/dev/null

program cuda_kernels_test 'echo "[  PASSED  ] 9 tests."'
program emulated_device_test 'echo "[  PASSED  ] 2 tests."'
STEPS="doctor|kernels|devices|ids" run_tree 0
has '"ok": true'
grep -q '"skinny.cu": "' "$folder/report/verified.json"

program cuda_kernels_test 'echo "[  FAILED  ] 1 test"; exit 1'
STEPS="kernels" run_tree 1
[[ ! -e $folder/report/verified.json ]] || { echo "an earlier run's kernels are called verified"; exit 1; }

program pipeline_test 'sleep 60'
LIMIT=2 STEPS='devices|ids' run_tree 1
ended devices 124
has '"left_out": \[ +\{ +"name": "devices-in-half", +"why": "no time was left of 2 seconds"'

# Taken away meanwhile, once in a step by itself, once where several programs answer.
taken_away() {  # STEP
  INSTRUCTBLIP_TORCH_DIR=$tree/torch NVIDIA_SMI=$folder/fine STEPS=$1 "$tree/scripts/device.sh" --built "$folder/report" 2>"$folder/said" &
  local script_runs=$! code=0
  until grep -q "=== $1" "$folder/report/device.log" 2>/dev/null; do sleep 0.1; done
  sleep 0.5
  kill -TERM "$script_runs"
  wait "$script_runs" || code=$?
  [[ $code == 1 ]] || { echo "exit code $code, expected 1"; exit 1; }
  python3 -m json.tool "$folder/report/device.json" >"$folder/shown"
  has "\"problem\": \"ended by a signal in $1"
  grep -q "ended by a signal in $1" "$folder/said"
}
rm "$folder/report/device.log"
taken_away repeated
program instructblip 'case $1 in run) sleep 60;; esac'
rm "$folder/report/device.log"
taken_away ids-tiny-t5-f16
