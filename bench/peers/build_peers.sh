#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The peers of docs/performance.md, "Beside other stacks": fetched into a folder outside this tree and built there.
#   bench/peers/build_peers.sh FOLDER [dperf|iip|lwip|fstack|original]...
# What it needs on Debian 12: git gcc make pkg-config libdpdk-dev librte-net-memif23 libnuma-dev libssl-dev libgmp-dev libsystemd-dev
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 1 ]] || { sed -n '3,5p' "${BASH_SOURCE[0]}"; exit 1; }
mkdir -p "$1"
cd "$1"

# NAME URL COMMIT: what was measured
fetch() {
    [[ -d $1 ]] || git clone -q "https://github.com/$2" "$1"
    git -C "$1" checkout -q "$3"
}

# dperf as it is, but for four lines: its clock measured for one second instead of four, a start of one second instead of ten, a
# pool of 16,384 frames instead of 65,536 (it is quicker with it), and a number of connections at a time also for those that are
# not kept alive: a closed loop.
build_dperf() {
    fetch dperf baidu/dperf 271ebe5
    git -C dperf checkout -q -- .
    sed -i 's/\(#define SLOW_START_MIN *\)10$/\11/' dperf/src/config.h
    sed -i 's/int num = 4;/int num = 1;/' dperf/src/tick.c
    sed -i 's/\(#define NB_MBUF *\).*/\1(8192 * 2)/' dperf/src/mbuf.c
    sed -i 's/if (cfg->cc && (cfg->keepalive == false))/if (0)/' dperf/src/config.c
    gcc -O2 -Wall -c "$here/eal_arguments.c" -o dperf/eal_arguments.o
    LDFLAGS="-Wl,--wrap=rte_eal_init $PWD/dperf/eal_arguments.o" make -s -C dperf
}

# iip as it was before its headers took another turn (its DPDK side has not followed), with room for 8,192 connections, a larger table of them than its default, checksums in software (memif has no others).
build_iip() {
    fetch iip yasukata/iip 13c9783
    fetch iip-dpdk yasukata/iip-dpdk e361ef2
    fetch bench-iip yasukata/bench-iip a476244
    gcc -O3 -pipe -g -rdynamic -w -I. -DIOSUB_MAIN_C=../iip-dpdk/main.c -DNUM_NETSTACK_TCP_CONN=8192 \
        -DNUM_NETSTACK_PB=32768 -DIIP_CONF_TCP_CONN_HT_SIZE=8191 -DMAX_PORT_CNT=8192 \
        $(pkg-config --cflags libdpdk) bench-iip/main.c -o bench-iip/bench_iip $(pkg-config --libs libdpdk) -lnuma
}

build_lwip() {
    fetch lwip lwip-tcpip/lwip 3d896ba0
    gcc -O3 -g -w -I"$here/lwip" -Ilwip/src/include -Ilwip/contrib/ports/unix/port/include $(pkg-config --cflags libdpdk) \
        "$here/lwip_server.c" lwip/src/core/*.c lwip/src/core/ipv4/*.c lwip/src/netif/ethernet.c \
        -o lwip/lwip_server $(pkg-config --libs libdpdk)
}

# Its own Makefile, against Debian's DPDK 22.11 (one name is a newer one), without the kernel's side.
build_fstack() {
    fetch f-stack F-Stack/f-stack 5cb586b56
    make -s -C f-stack/lib FF_KNI= CONF_CFLAGS=-Drte_eth_bond_members_get=rte_eth_bond_slaves_get
    gcc -O2 -Wall -c "$here/eal_arguments.c" -o f-stack/eal_arguments.o
    gcc -O3 -g -If-stack/lib $(pkg-config --cflags libdpdk) "$here/fstack_server.c" f-stack/eal_arguments.o \
        -o f-stack/fstack_server -Wl,--wrap=rte_eal_init -Lf-stack/lib -Wl,--whole-archive,-lfstack,--no-whole-archive \
        $(pkg-config --libs libdpdk) -lrte_net_bond -lrt -lm -ldl -lcrypto -lpthread -lnuma
}

# The original mTCP against the same DPDK: names (original_names.h), two settings that are gone, two lines of EAL's insides that
# nothing needs, and the device from EAL_DEVICE instead of its kernel module. Nothing of its TCP.
build_original() {
    fetch mtcp mtcp-stack/mtcp 0463aad5
    local src=mtcp/mtcp/src
    git -C mtcp checkout -q -- .
    sed -i '/\.max_rx_pkt_len *=/d; /\.split_hdr_size *=/d' $src/dpdk_module.c
    sed -i '/lcore_config\[master\]/d' $src/core.c
    sed -i 's/"--proc-type=auto"/"--allow=net_memif000"/; /Error opening dpdk-face/,+1d; /^enum rte_proc_type_t eal_proc_type_detect/d' \
        $src/io_module.c
    gcc -O2 -Wall -c "$here/eal_arguments.c" -o mtcp/eal_arguments.o
    local sources
    sources=$(ls $src/*.c | grep -v -e /ccp.c -e /clock.c -e /pacing.c)
    gcc -O3 -g -w -m64 -fgnu89-inline -fcommon -DNDEBUG -DNETSTAT -DINFO -DDBGERR -DDBGCERR -DDISABLE_PSIO -DDISABLE_NETMAP \
        -DDISABLE_HWCSUM -include "$here/original_names.h" -I$src/include -Imtcp/io_engine/include \
        $(pkg-config --cflags libdpdk) "$here/original_server.c" mtcp/eal_arguments.o $sources -o mtcp/original_server \
        -Wl,--wrap=rte_eal_init $(pkg-config --libs libdpdk) -lgmp -lnuma -lpthread -lm
}

peers=("${@:2}")
[[ ${#peers[@]} -gt 0 ]] || peers=(dperf iip lwip fstack original)
for peer in "${peers[@]}"; do
    "build_$peer"
    echo "$peer: built"
done
