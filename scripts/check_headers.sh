#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone: it includes what it uses. The public ones as C99 and as C++.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

defines=()
folders=(src include)
if [[ -e /usr/include/xdp/xsk.h ]]; then defines=(-DMTCP_WITH_AF_XDP=1); fi
export CHECK_FLAGS="-fsyntax-only -iquote src -Iinclude -Iinclude/mtcp ${defines[*]:-}"

check() {
    local flags
    read -ra flags <<< "$CHECK_FLAGS"
    case $1 in
        src/io/af_xdp/*) [[ $CHECK_FLAGS == *AF_XDP* ]] || return 0 ;;
        include/*) ${CC:-cc} -std=c99 -pedantic-errors -Wall -Wextra -Werror "${flags[@]}" -x c - <<< "#include \"$PWD/$1\"" || return 1 ;;
    esac
    ${CXX:-c++} -std=c++20 -fno-exceptions -fno-rtti -Wall -Wextra -Wno-missing-field-initializers "${flags[@]}" \
        -x c++ - <<< "#include \"$PWD/$1\"" || { echo "$1 does not compile alone"; return 1; }
}
export -f check

mapfile -t headers < <(find "${folders[@]}" -name '*.h' | sort)
printf '%s\0' "${headers[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c 'check "$1" || exit 1' _ {} || exit 1
echo "headers: ${#headers[@]} compile alone"
