#!/usr/bin/env bash
# Sets the machine up, builds, and answers an instruction about a photograph.
# Arguments are further options of `instructblip run`: scripts/demo.sh --num-beams 4 --json
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
scripts/build.sh

readonly model=tests/golden/checkpoints/t5_2024
readonly image=tests/data/images/astronaut.jpg
readonly instruction="What is unusual about this image?"
cat <<EOF

A photograph   $image
An instruction $instruction
A model        $model, a tiny Flan-T5 one

The weights of this model are random numbers: every stage runs as it does in a trained one, but the words of the
answer mean nothing. Point --model at a trained InstructBLIP checkpoint for an answer that does.

EOF
set -x
build/bin/instructblip run --model "$model" --image "$image" --instruction "$instruction" --max-new-tokens 24 "$@"
