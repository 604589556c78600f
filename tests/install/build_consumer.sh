#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_consumer.sh METHOD TREE LIBDIR WORK: builds consumer.c as C99 and consumer.cc as C++ against the
# installed tree, knowing nothing of the source tree, and runs both.
set -euo pipefail

method=$1 tree=$2 libdir=$3 work=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rm -rf "$work"
mkdir -p "$work"
export PKG_CONFIG_PATH=$tree/$libdir/pkgconfig LD_LIBRARY_PATH=$tree/$libdir
strict=(-Wall -Wextra -Wpedantic -Werror)

case $method in
    pkg-config | pkg-config-static)
        read -ra flags <<< "$(pkg-config --cflags mtcp)"
        read -ra libraries <<< "$(pkg-config --libs mtcp)"
        if [[ $method == pkg-config-static ]]; then
            read -ra private <<< "$(pkg-config --libs --static mtcp)"
            libraries=()
            for library in "${private[@]}"; do
                [[ $library == -lmtcp ]] && library=$tree/$libdir/libmtcp.a
                libraries+=("$library")
            done
        fi
        ${CC:-cc} -std=c99 "${strict[@]}" "${flags[@]}" "$here/consumer.c" -o "$work/consumer_c" "${libraries[@]}"
        ${CXX:-c++} -std=c++17 "${strict[@]}" "${flags[@]}" "$here/consumer.cc" -o "$work/consumer_cc" "${libraries[@]}"
        # The example in the original's style is written for the installed headers alone.
        for example in "$here"/../../apps/example/*.c; do
            [[ -e $example ]] || continue
            ${CC:-cc} -std=gnu99 -Wall "${flags[@]}" "$example" -o "$work/$(basename "$example" .c)" "${libraries[@]}"
        done
        ;;
    cmake)
        cmake -S "$here/cmake_consumer" -B "$work" -G Ninja -DCMAKE_PREFIX_PATH="$tree" > "$work.log"
        cmake --build "$work" >> "$work.log"
        "$work/consumer_static"
        # A project that knows no C++.
        cmake -S "$here/c_consumer" -B "$work/c" -G Ninja -DCMAKE_PREFIX_PATH="$tree" > "$work.c.log"
        cmake --build "$work/c" >> "$work.c.log" || { cat "$work.c.log"; exit 1; }
        "$work/c/consumer_c"
        "$work/c/consumer_static"
        ;;
    *) echo "unknown method $method" >&2; exit 2 ;;
esac

"$work/consumer_c"
"$work/consumer_cc"
if [[ $method == pkg-config-static ]] && ldd "$work/consumer_c" | grep -q libmtcp; then
    echo "the static consumer loads libmtcp.so" >&2
    exit 1
fi
