#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz_all.sh [TARGET] [--seconds N]: the libFuzzer programs of build/fuzz/fuzz, one or all, for N seconds in all
# (60), the time split evenly. Each starts from fuzz/seeds/TARGET and from what earlier runs found, which stays in
# build/fuzz/corpus/TARGET. An input that breaks something is build/fuzz/corpus/TARGET-crash-*: replay it with
# build/*/fuzz/fuzz_TARGET FILE, mend, and keep it under fuzz/seeds/TARGET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target='' seconds=60
while [[ $# -gt 0 ]]; do
    case $1 in
        --seconds) seconds=${2:-}; shift; shift || true ;;
        -*) echo "usage: ./dev fuzz [TARGET] [--seconds N]" >&2; exit 2 ;;
        *)
            [[ -z $target ]] || { echo "fuzz: one target or all, not $target and ${1#fuzz_}" >&2; exit 2; }
            target=${1#fuzz_}; shift ;;
    esac
done
[[ $seconds =~ ^[1-9][0-9]{0,7}$ ]] || { echo "fuzz: --seconds $seconds is no number of seconds" >&2; exit 2; }

programs=()
for program in build/fuzz/fuzz/fuzz_*; do
    [[ -f $program && -x $program ]] || continue
    [[ -z $target || $target == "${program##*/fuzz_}" ]] && programs+=("$program")
done
[[ ${#programs[@]} -gt 0 ]] || { echo "fuzz: no target ${target:-at all} in build/fuzz" >&2; exit 2; }
each=$((seconds / ${#programs[@]}))
((each > 0)) || each=1

passed=0 failed=0
for program in "${programs[@]}"; do
    name=${program##*/fuzz_}
    found=build/fuzz/corpus/$name
    mkdir -p "$found"
    printf '== %-14s %4d s' "$name" "$each"
    if "$program" -max_total_time="$each" -timeout=30 -rss_limit_mb=2500 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$found-" "$found" "fuzz/seeds/$name" > "$found.log" 2>&1; then
        passed=$((passed + 1))
        printf '  %s inputs run, %s new kept\n' \
            "$(awk '/number_of_executed_units/ {print $2}' "$found.log")" \
            "$(awk '/new_units_added/ {print $2}' "$found.log")"
    else
        failed=$((failed + 1))
        printf '  FAILED (%s.log)\n' "$found"
        tail -30 "$found.log"
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
