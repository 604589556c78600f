#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./dev test: every step in turn, its output in build/test-logs/, and one closing line "N passed, N failed"
# over all test cases. A step that ends with such a line of its own is counted by it, else it counts as one.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extent=${1:-}
case $extent in "" | --quick | --full) ;; *) echo "usage: ./dev test [--quick|--full|-k NAME]" >&2; exit 2 ;; esac
jobs=${MTCP_JOBS:-$(nproc)}
logs=$PWD/build/test-logs

refuse() { echo "test: $*" >&2; exit 1; }
# One at a time in a checkout; no step inherits the lock.
mkdir -p build
exec 9<> build/.test_lock || refuse "build/ is another user's: test as that user, or remove it"
flock -n 9 || refuse "another ./dev test runs in this checkout ($(< build/.test_lock)): wait for its end, or use a git worktree"
echo "process $$" > build/.test_lock
rm -rf "$logs" && mkdir -p "$logs" || refuse "build/test-logs cannot be made anew: remove it by hand"
passed=0 failed=0 skipped=0 failures=() begun=$SECONDS

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; return; fi
    command -v sudo > /dev/null || { echo "$1 needs root, and there is no sudo here: call ./dev as root"; return 1; }
    sudo -E "$@"
}

count() {  # NAME, PASSED, FAILED, SECONDS
    passed=$((passed + $2)) failed=$((failed + $3))
    if (($3 > 0)); then failures+=("$1 (build/test-logs/$1.log)"); fi
    printf '   %-24s %5d passed, %d failed, %d s\n' "$1" "$2" "$3" "$4"
}

# step NAME COMMAND...: run it, count it.
step() {
    local name=$1 start=$SECONDS status=0 line good=0 bad=0
    shift
    printf '== %s\n' "$name"
    "$@" > "$logs/$name.log" 2>&1 < /dev/null 9>&- || status=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$logs/$name.log" | tail -1)
    if [[ $status -eq 77 ]]; then
        skipped=$((skipped + 1))
        printf '   %-24s skipped: %s\n' "$name" "$(tail -1 "$logs/$name.log")"
        return 0
    elif [[ -n $line ]]; then
        good=${line%% *} bad=$(awk '{print $3}' <<< "$line")
        [[ $line != *skipped ]] || skipped=$((skipped + $(awk '{print $5}' <<< "$line")))
        # A step that fails although none of its cases did is a failure of its own.
        ((status == 0 || bad > 0)) || bad=1
    elif ((status == 0)); then good=1
    else bad=1; fi
    count "$name" "$good" "$bad" $((SECONDS - start))
    ((bad == 0)) || { echo "   --- the end of $name.log"; tail -40 "$logs/$name.log" | sed 's/^/   | /'; }
    ((bad == 0))
}

# tests NAME PRESET [CTEST ARGUMENTS]: one ctest run, counted case by case.
tests() {
    local name=$1 preset=$2 start=$SECONDS report="$logs/$1.xml" all bad idle
    shift 2
    printf '== %s\n' "$name"
    ctest --test-dir "build/$preset" -j "$jobs" --timeout 300 --output-on-failure --output-junit "$report" "$@" \
        > "$logs/$name.log" 2>&1 < /dev/null 9>&-
    local status=$?
    all=$(sed -n 's/^\s*tests="\([0-9]*\)".*/\1/p' "$report" 2> /dev/null | head -1)
    bad=$(sed -n 's/^\s*failures="\([0-9]*\)".*/\1/p' "$report" 2> /dev/null | head -1)
    idle=$(grep -cE '<testcase .*status="(notrun|disabled)"' "$report" 2> /dev/null)
    if [[ -z $all || $all -eq 0 ]]; then
        count "$name" 0 1 $((SECONDS - start))
        tail -5 "$logs/$name.log" | sed 's/^/   | /'
        return 1
    fi
    if ((status != 0 && bad == 0)); then bad=1; fi
    skipped=$((skipped + idle))
    count "$name" $((all - bad - idle)) "$bad" $((SECONDS - start))
    ((bad == 0)) || { sed -n '/^The following tests FAILED/,$p' "$logs/$name.log" | head -40 | sed 's/^/   | /'; }
}

build() { ./dev build "$1"; }  # it waits for other builds in this checkout

finish() {
    printf '\n%d s' $((SECONDS - begun))
    ((skipped == 0)) || printf ', %d skipped' "$skipped"
    printf '\n'
    ((${#failures[@]} == 0)) || printf 'failed: %s\n' "${failures[@]}"
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0))
    exit $?
}

step layers scripts/check_layers.py
step tidy scripts/tidy.py
step headers scripts/check_headers.sh
step rfc-table scripts/rfc_coverage.py --check
step build-release build release || finish
step pure scripts/check_pure.sh build/release
step prefetch scripts/check_prefetch.sh build/release
if [[ $extent == --quick ]]; then
    tests unit release -L unit
    finish
fi
tests release release

simulate() { "$(find "build/$1" -name mtcp_sim -type f -perm -u+x -print -quit)" --seeds "$2"; }
seeds=1000
[[ $extent == --full ]] && seeds=5000
[[ -e sim/CMakeLists.txt ]] && step sim simulate release "$seeds"
[[ -x tests/system/run ]] && step system as_root tests/system/run

if step build-asan build asan; then
    tests asan asan -L unit
    [[ -e sim/CMakeLists.txt ]] && step sim-asan simulate asan 100
fi
if [[ $extent == --full ]]; then
    step build-tsan build tsan && tests tsan tsan -L unit
    step build-minimal build minimal && tests minimal minimal -L unit
fi
# A minute and a half to build on two cores, then a minute split over the targets.
fuzz_seconds=60
[[ $extent == --full ]] && fuzz_seconds=600
step build-fuzz build fuzz && step fuzz scripts/fuzz_all.sh --seconds "$fuzz_seconds"
finish
