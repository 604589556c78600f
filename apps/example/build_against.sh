#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_against.sh TREE LIBDIR WORK: compiles the examples against an installed tree, knowing nothing of the
# source tree: echo_server as strict C99, page_server with the options of the original's examples.
set -euo pipefail

tree=$1 libdir=$2 work=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$work"
export PKG_CONFIG_PATH=$tree/$libdir/pkgconfig
read -ra flags <<< "$(pkg-config --cflags --libs mtcp)"

build() {  # NAME OPTIONS...
    local name=$1
    shift
    "${CC:-cc}" "$@" "$here/$name.c" -o "$work/$name" "${flags[@]}" -lpthread
}
build echo_server -std=c99 -Wall -Wextra -Wpedantic -Werror
build page_server -Wall -Werror -fgnu89-inline
usage=$(LD_LIBRARY_PATH=$tree/$libdir "$work/echo_server" 2>&1 || true)
[[ $usage == usage:* ]]
