#!/usr/bin/env bash
# Sets the machine up, builds the command, and asks the embedded model about a picture.
# Arguments are further options of `instructblip run`: scripts/demo.sh --num-beams 4 --json
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
scripts/build.sh --command
exec scripts/demo_questions.sh build/bin/instructblip "$@"
