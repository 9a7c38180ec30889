#!/bin/sh
# Writes digests.txt anew: what the reference makes of the project's own models. Needs the pinned reference:
#   make_digests.sh REFERENCE.py > digests.txt
# REFERENCE.py golden MODEL_DIR TYPE… prints TYPE SIZE SHA256, or TYPE 0 refused: WHY, for each type.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
types='F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q2_K_S Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K IQ1_S IQ1_M
IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS IQ3_XS IQ3_S IQ3_M IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4_MOE Q1_0 Q2_0'
for name in tiny-llama tiny-tied-f16 tiny-mistral-raw tiny-qwen2 tiny-rope31; do
    python3 "$here/make_model.py" "$name" "$work/$name"
    # shellcheck disable=SC2086
    python3 "$1" golden "$work/$name" $types 2>/dev/null | sed "s/^/$name /"
done
