#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./dev doctor: one line for each thing the stack can use; for what is missing, what the stack does without it
# and the mend. Changes nothing. Ends with 1 if something is missing that ./dev run cannot do without.
set -uo pipefail

good=0 missing=0 blocking=0

have() { good=$((good + 1)); printf '  ok       %-22s %s\n' "$1" "$2"; }
lack() {  # NAME, WHAT IS MISSING, WITHOUT IT, MEND
    missing=$((missing + 1))
    printf '  missing  %-22s %s\n           %-22s without it: %s\n           %-22s mend: %s\n' "$1" "$2" '' "$3" '' "$4"
}
stop() { blocking=$((blocking + 1)); lack "$@"; }

capabilities=$((16#$(awk '/^CapEff/ {print $2}' /proc/self/status)))
capable() { (((capabilities >> $1) & 1)); }

# What ./dev run has, as root or by sudo.
by_sudo() { [[ $EUID -ne 0 ]] && command -v sudo > /dev/null; }
run_has() { capable "$1" || by_sudo; }

check_capabilities() {
    echo "Capabilities of this user"
    local admin=("not held" "only back ends link and memif open" "run as root, or: setcap cap_net_admin,cap_net_raw,cap_bpf,cap_ipc_lock+ep PROGRAM")
    if capable 12; then have CAP_NET_ADMIN "interfaces, XDP and TAP can be opened"
    elif by_sudo; then admin[1]+=" (./dev run uses sudo)"; lack CAP_NET_ADMIN "${admin[@]}"
    else stop CAP_NET_ADMIN "${admin[@]}"; fi
    if capable 13; then have CAP_NET_RAW "AF_XDP sockets can be made"
    else lack CAP_NET_RAW "not held" "no back end af_xdp; tap, memif and link work" "run as root, or add cap_net_raw as above"; fi
    if capable 39 || capable 21; then have "CAP_BPF, CAP_SYS_ADMIN" "XDP programs can be loaded"
    else lack "CAP_BPF, CAP_SYS_ADMIN" "neither is held" "no back end af_xdp; tap, memif and link work" "run as root, or add cap_bpf (Linux 5.8 and later)"; fi
    if capable 14; then have CAP_IPC_LOCK "packet memory may be locked without limit"
    else check_memlock; fi
}

check_memlock() {
    local kilobytes
    kilobytes=$(ulimit -l)
    if [[ $kilobytes == unlimited || $kilobytes -ge 65536 ]]; then have "memory lock limit" "$kilobytes kB"
    else lack "memory lock limit" "$kilobytes kB and no CAP_IPC_LOCK" "packet memory of af_xdp is cut to what fits (fewer frames a queue)" \
        "ulimit -l unlimited, LimitMEMLOCK=infinity in a systemd unit, or cap_ipc_lock"; fi
}

check_kernel() {
    echo "Kernel $(uname -r)"
    if grep -q '^XDP ' /proc/net/protocols 2> /dev/null; then have AF_XDP "the kernel has XDP sockets"
    else lack AF_XDP "this kernel has no XDP sockets" "use the back end tap" "a kernel with CONFIG_XDP_SOCKETS=y, 5.11 or later"; fi
    local major minor
    IFS=.- read -r major minor _ < <(uname -r)
    if ((major > 5 || (major == 5 && minor >= 11))); then have "kernel version" "BPF links and preferred busy polling"
    else lack "kernel version" "older than 5.11" "the XDP program is attached the old way and busy polling is left out" "a newer kernel"; fi
    if [[ -r /proc/sys/kernel/unprivileged_bpf_disabled && $(< /proc/sys/kernel/unprivileged_bpf_disabled) == 0 ]]; then
        have "bpf system call" "open to all users"
    else have "bpf system call" "for privileged users"; fi
    if grep -q ' /sys/fs/bpf bpf ' /proc/mounts; then have /sys/fs/bpf "mounted"
    else lack /sys/fs/bpf "not mounted" "nothing is lost for mtcp (its programs are held by a link, not pinned); other XDP tools want it" \
        "mount -t bpf bpf /sys/fs/bpf"; fi
    if [[ -c /dev/net/tun && -r /dev/net/tun && -w /dev/net/tun ]]; then have /dev/net/tun "TAP devices can be made"
    elif [[ -c /dev/net/tun ]]; then lack /dev/net/tun "no permission" "no back end tap" "run as root, or chmod 666 /dev/net/tun"
    else lack /dev/net/tun "not there" "no back end tap" "modprobe tun; in a container: mkdir -p /dev/net && mknod /dev/net/tun c 10 200"; fi
}

xdp_for_run() { grep -q '^XDP ' /proc/net/protocols 2> /dev/null && run_has 13 && { run_has 39 || run_has 21; }; }
tun_for_run() { [[ -c /dev/net/tun ]] && { [[ -r /dev/net/tun && -w /dev/net/tun ]] || by_sudo; }; }
check_back_ends() {
    xdp_for_run || tun_for_run || stop "a back end" "neither af_xdp nor tap can be used" "./dev run has none" "what one of the two lacks is above"
}

check_memory() {
    echo "Memory and limits"
    local pages
    pages=$(awk '/^HugePages_Free/ {print $2}' /proc/meminfo)
    local kilobytes
    kilobytes=$(awk '/^Hugepagesize/ {print $2}' /proc/meminfo)
    if [[ ${pages:-0} -gt 0 ]]; then have hugepages "$pages free of $kilobytes kB"
    else lack hugepages "none is free" "pools lie in ordinary pages (transparent hugepages where the kernel gives them): more TLB misses with very many connections" \
        "sysctl vm.nr_hugepages=512 (1 GB)"; fi
    local descriptors
    descriptors=$(ulimit -Hn)
    if [[ $descriptors == unlimited || $descriptors -ge 65536 ]]; then have "descriptor limit" "$descriptors"
    else lack "descriptor limit" "$descriptors" "nothing is lost for mtcp (its sockets are no descriptors of the kernel); kernel clients in benchmarks stop there" \
        "ulimit -Hn 1048576 as root"; fi
    local cores
    cores=$(nproc)
    if ((cores >= 2)); then have cores "$cores"
    else lack cores "only one" "server and load client share it; figures of ./dev bench mean little" "a machine with two or more"; fi
}

check_interfaces() {
    echo "Interfaces"
    local path name driver queues
    for path in /sys/class/net/*; do
        name=${path##*/}
        [[ $name == lo ]] && continue
        driver=$(basename "$(readlink -f "$path/device/driver" 2> /dev/null || echo virtual)")
        [[ $driver == virtual ]] && command -v ethtool > /dev/null && driver=$(ethtool -i "$name" 2> /dev/null | awk '/^driver/ {print $2}')
        queues=$(find "$path/queues" -maxdepth 1 -name 'rx-*' 2> /dev/null | wc -l)
        local state
        state=$(< "$path/operstate")
        have "$name" "driver ${driver:-unknown}, $queues receive queues, mtu $(< "$path/mtu")$([[ $state != down ]] || echo ', down')"
        [[ ${driver:-} == veth ]] && echo "           the peer of a veth must not send large frames in generic mode: ethtool -K PEER tso off gso off"
    done
    return 0
}

check_tools() {
    echo "Tools"
    local entry name why found=()
    for entry in "cmake:build" "ninja:build" "g++:build" "clang:the XDP program (without it: no back end af_xdp) and the fuzzers" \
        "pkg-config:the consumer test" "python3:the checks of ./dev lint" "ip:./dev run" "ethtool:./dev run" "curl:./dev run" \
        "wrk:the comparison in ./dev run" "tcpdump:watching traffic" "tshark:judging our traffic in tests" \
        "dpdk-testpmd:the peer of the memif test" "ab:a system test"; do
        name=${entry%%:*} why=${entry#*:}
        if command -v "$name" > /dev/null; then good=$((good + 1)); found+=("$name")
        else lack "$name" "not installed" "left out: $why" "./dev setup"; fi
    done
    if [[ -e /usr/include/xdp/xsk.h ]]; then good=$((good + 1)); found+=(libxdp-dev)
    else lack libxdp-dev "not installed" "the library is built without the back end af_xdp" "./dev setup"; fi
    if command -v ldconfig > /dev/null && ! ldconfig -p | grep -q 'libbpf\.so'; then
        lack libbpf "not installed" "the library is built without the back end af_xdp" "./dev setup"
    fi
    [[ ${#found[@]} -eq 0 ]] || printf '  ok       %s\n' "${found[*]}"
}

check_capabilities
check_kernel
check_back_ends
check_memory
check_interfaces
check_tools
echo
if ((blocking > 0)); then
    echo "doctor: $good things are there, $missing are missing; what stops ./dev run: $blocking"
    exit 1
fi
echo "doctor: $good things are there, $missing are missing, none of them stops ./dev run"
