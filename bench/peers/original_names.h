// SPDX-License-Identifier: Apache-2.0
// What DPDK 22.11 calls the things that the original mTCP knows by their names of 2019. The
// offloads are none: memif has none.
#pragma once

#define ETH_MQ_RX_RSS RTE_ETH_MQ_RX_RSS
#define ETH_MQ_TX_NONE RTE_ETH_MQ_TX_NONE
#define ETH_RSS_TCP RTE_ETH_RSS_TCP
#define ETH_RSS_UDP RTE_ETH_RSS_UDP
#define ETH_RSS_IP RTE_ETH_RSS_IP
#define ETH_RSS_L2_PAYLOAD RTE_ETH_RSS_L2_PAYLOAD
#define ETH_LINK_FULL_DUPLEX RTE_ETH_LINK_FULL_DUPLEX
#define RTE_FC_NONE RTE_ETH_FC_NONE
#define DEV_RX_OFFLOAD_CHECKSUM 0
#define DEV_RX_OFFLOAD_IPV4_CKSUM 0
#define DEV_RX_OFFLOAD_TCP_CKSUM 0
#define DEV_TX_OFFLOAD_IPV4_CKSUM 0
#define DEV_TX_OFFLOAD_UDP_CKSUM 0
#define DEV_TX_OFFLOAD_TCP_CKSUM 0
#define PKT_RX_L4_CKSUM_BAD RTE_MBUF_F_RX_L4_CKSUM_BAD
#define PKT_RX_IP_CKSUM_BAD RTE_MBUF_F_RX_IP_CKSUM_BAD
#define PKT_TX_IP_CKSUM RTE_MBUF_F_TX_IP_CKSUM
#define PKT_TX_TCP_CKSUM RTE_MBUF_F_TX_TCP_CKSUM
#define PKT_TX_IPV4 RTE_MBUF_F_TX_IPV4
#define rte_get_master_lcore rte_get_main_lcore
#define eal_proc_type_detect rte_eal_process_type
