// SPDX-License-Identifier: Apache-2.0
// lwIP for lwip_server.c: the raw API alone, nothing that the measurement does not need, pools
// and windows that are never short, checksums in software both ways.
#pragma once

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_UDP 0
#define LWIP_STATS 0
#define LWIP_NOASSERT 1

#define MEM_ALIGNMENT 8
#define MEM_LIBC_MALLOC 1  // glibc's is quicker than lwIP's first fit
#define MEMP_NUM_TCP_PCB 4096
#define MEMP_NUM_TCP_SEG 16384
#define MEMP_NUM_PBUF 8192
#define PBUF_POOL_SIZE 4096

#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define ETHARP_SUPPORT_STATIC_ENTRIES 1
#define LWIP_NETIF_HWADDRHINT 1
#define LWIP_CHKSUM_ALGORITHM 3

#define TCP_MSS 1460
#define TCP_WND 65535
#define TCP_SND_BUF 65535
#define TCP_SND_QUEUELEN 256
#define TCP_OVERSIZE 0
#define TCP_LISTEN_BACKLOG 0
