#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What our scripts take for granted. The real packetdrill runs this in a network namespace of its own, so that Linux
# behaves as the subset of TCP that is compared; our interpreter reads the sysctls.
ip tcp_metrics flush all > /dev/null 2>&1
tc qdisc replace dev tun0 root pfifo > /dev/null 2>&1
sysctl -q net.ipv4.tcp_rmem="4096 131072 6291456"
sysctl -q net.ipv4.tcp_wmem="4096 262144 4194304"
sysctl -q net.ipv4.tcp_timestamps=1
sysctl -q net.ipv4.tcp_sack=1
sysctl -q net.ipv4.tcp_dsack=1
sysctl -q net.ipv4.tcp_window_scaling=1
sysctl -q net.ipv4.tcp_ecn=0
sysctl -q net.ipv4.tcp_syncookies=1
sysctl -q net.ipv4.tcp_syn_retries=7
sysctl -q net.ipv4.tcp_synack_retries=5
sysctl -q net.ipv4.tcp_syn_linear_timeouts=0
sysctl -q net.ipv4.tcp_congestion_control=reno
sysctl -q net.ipv4.tcp_early_retrans=0
sysctl -q net.ipv4.tcp_recovery=0
sysctl -q net.ipv4.tcp_frto=0
sysctl -q net.ipv4.tcp_no_metrics_save=1
sysctl -q net.ipv4.tcp_slow_start_after_idle=1
