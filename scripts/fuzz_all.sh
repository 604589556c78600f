#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz_all.sh [TARGET] [--seconds N]: every libFuzzer program of build/fuzz/fuzz for N seconds (30), each
# starting from fuzz/corpus/TARGET; what it finds new stays in build/fuzz/corpus/TARGET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target='' seconds=30
while [[ $# -gt 0 ]]; do
    case $1 in
        --seconds) seconds=${2:?--seconds N}; shift 2 ;;
        -*) echo "usage: ./dev fuzz [TARGET] [--seconds N]" >&2; exit 2 ;;
        *) target=$1; shift ;;
    esac
done

passed=0 failed=0
for program in build/fuzz/fuzz/*; do
    [[ -f $program && -x $program ]] || continue
    name=${program##*/}
    [[ -z $target || $target == "$name" ]] || continue
    seeds=()
    [[ -d fuzz/corpus/$name ]] && seeds=("fuzz/corpus/$name")
    found=build/fuzz/corpus/$name
    mkdir -p "$found"
    echo "== $name, $seconds s"
    if "$program" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 -artifact_prefix="$found-" \
        "$found" "${seeds[@]}" > "$found.log" 2>&1; then
        passed=$((passed + 1))
        grep -E 'number_of_executed_units|new_units_added' "$found.log" | sed 's/^/   /'
    else
        failed=$((failed + 1))
        tail -30 "$found.log"
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
