#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# answers.sh DEV: every command tells its help without a build, and what is asked wrongly is refused before anything
# is done.
set -uo pipefail

dev=$1 failed=0
fail() { failed=$((failed + 1)); printf 'FAILED: %s\n' "$*"; }

# Help is told at once: whoever builds or installs for it finds these instead.
stand_ins=$(mktemp -d)
trap 'rm -rf "$stand_ins"' EXIT
for tool in cmake dpkg-query apt-get sudo; do
    printf '#!/bin/sh\ntouch "%s/used"\nexit 1\n' "$stand_ins" > "$stand_ins/$tool"
    chmod +x "$stand_ins/$tool"
done
for command in $("$dev" help | awk '/^  [a-z]/ {print $1}'); do
    first=$(PATH=$stand_ins:$PATH "$dev" "$command" --help 2>&1 | head -1)
    case $command in
        run | bench | sim | conformance | system | goodput | beside_kernel) wanted="usage:" ;;  # of their programs
        *) wanted="usage: ./dev $command" ;;
    esac
    [[ $first == "$wanted"* ]] || fail "./dev $command --help says: $first"
    [[ ! -e $stand_ins/used ]] || fail "./dev $command --help installs or builds"
    rm -f "$stand_ins/used"
done

refused() {
    if "$dev" "$@" > /dev/null 2>&1 < /dev/null; then fail "./dev $* ends with 0"; fi
}
refused nonsense
refused setup nonsense
refused format nonsense
refused lint nonsense
refused rfc nonsense
refused doctor nonsense
refused throughput nonsense
refused test nonsense
refused test --quick nonsense
refused test -k
refused build nonsense
refused fuzz nonsense
refused soak 0
refused soak nonsense

scripts=$(dirname "$dev")/scripts
for wrong in "run_demo --rounds 0" "goodput --pairs 0" "goodput --loss x" "beside_kernel --rounds 0" "run_bench --drive nonsense" \
    "run_bench nonsense" "run_bench --publish /nowhere" "run_bench --publish /" "run_bench --compare /" \
    "run_bench --build /nowhere" "fuzz_all.sh --seconds x" "fuzz_all.sh nonsense" "fuzz_all.sh wire network"; do
    # shellcheck disable=SC2086
    text=$("$scripts"/$wrong 2>&1 < /dev/null) && fail "$wrong ends with 0"
    [[ $text != *Traceback* ]] || fail "$wrong ends in a traceback"
done
((failed == 0))
