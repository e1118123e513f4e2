#!/usr/bin/env bash
# scripts/device.sh on a machine without a GPU, or without LibTorch for CUDA: one error, and a report that says it too.
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
NVIDIA_SMI=$folder/silent expect_problem 'the NVIDIA driver does not answer'
NVIDIA_SMI=$folder/fine expect_problem '\(nvcc is neither\|no LibTorch for CUDA\|is not in the PATH\)'
grep -q '"machine": "Fake GPU, 580.1, 80 MiB"' "$folder/report/device.json"
