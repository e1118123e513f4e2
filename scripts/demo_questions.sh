#!/usr/bin/env bash
# What scripts/demo.sh shows, of a command that is built: scripts/demo_questions.sh COMMAND [OPTION...]
set -euo pipefail
readonly command=$(realpath "$1")
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly model=models/tiny-t5
readonly image=models/scene.png
cat <<EOT

A model    $model: an InstructBLIP of 1.9 million parameters, trained on pictures like the one below
A picture  $image

EOT
ask() {
  printf '%s\n  ' "$1"
  "$command" run --model "$model" --image "$image" --instruction "$1" "${@:2}"
  echo
}
ask "A short image description:" "$@"
ask "What color is the circle?" "$@"
ask "How many diamonds are there?" "$@"
ask "Where is the blue ring?" "$@"
ask "Is the black diamond large?" "$@"
ask "What does the sign say?" "$@"
ask "Question: What size is the circle? Answer: large. Question: Where is it? Answer:" "$@"
cat <<EOT
Ask it yourself:
  build/bin/instructblip run --model $model --image $image --instruction "Is there a blue square?"
EOT
