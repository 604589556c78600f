// SPDX-License-Identifier: Apache-2.0
// A server on lwIP's raw API over any port of DPDK: answers each request of an agreed size, and
// closes when the client has, or with the answer.
//   lwip_server EAL-ARGUMENTS -- REQUEST RESPONSE server|client GATEWAY-MAC
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kBurst = 32, kPort = 8000, kResponseMax = 16384 };

static struct {
    unsigned request;
    unsigned response;
    int server_closes;
} plan;

static struct rte_mempool* frames;
static struct rte_mbuf* waiting[kBurst];
static uint16_t waiting_count;
static char page[kResponseMax];
static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

u32_t sys_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (u32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

unsigned int lwip_port_rand(void) { return (unsigned int)random(); }

// --- the device

static void flush(void) {
    uint16_t sent = 0;
    while (sent < waiting_count && !stop) {
        sent += rte_eth_tx_burst(0, 0, waiting + sent, waiting_count - sent);
    }
    waiting_count = 0;
}

static err_t send_frame(struct netif* netif, struct pbuf* packet) {
    (void)netif;
    struct rte_mbuf* const frame = rte_pktmbuf_alloc(frames);
    if (frame == NULL) return ERR_MEM;
    char* const place = rte_pktmbuf_append(frame, packet->tot_len);
    if (place == NULL) {
        rte_pktmbuf_free(frame);
        return ERR_BUF;
    }
    pbuf_copy_partial(packet, place, packet->tot_len, 0);
    waiting[waiting_count++] = frame;
    if (waiting_count == kBurst) flush();
    return ERR_OK;
}

static void receive(struct netif* netif) {
    struct rte_mbuf* received[kBurst];
    const uint16_t count = rte_eth_rx_burst(0, 0, received, kBurst);
    for (uint16_t i = 0; i < count; ++i) {
        if (i + 4 < count) rte_prefetch0(rte_pktmbuf_mtod(received[i + 4], void*));
        const u16_t size = rte_pktmbuf_data_len(received[i]);
        struct pbuf* const packet = pbuf_alloc(PBUF_RAW, size, PBUF_POOL);
        if (packet == NULL) continue;
        pbuf_take(packet, rte_pktmbuf_mtod(received[i], void*), size);
        if (netif->input(packet, netif) != ERR_OK) pbuf_free(packet);
    }
    if (count != 0) rte_pktmbuf_free_bulk(received, count);
}

static err_t begin(struct netif* netif) {
    struct rte_ether_addr address;
    rte_eth_macaddr_get(0, &address);
    memcpy(netif->hwaddr, address.addr_bytes, sizeof address.addr_bytes);
    netif->hwaddr_len = sizeof address.addr_bytes;
    netif->mtu = 1500;
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void open_device(void) {
    struct rte_eth_conf none;
    memset(&none, 0, sizeof none);
    frames = rte_pktmbuf_pool_create("frames", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    if (frames == NULL || rte_eth_dev_configure(0, 1, 1, &none) != 0 ||
        rte_eth_rx_queue_setup(0, 0, 1024, 0, NULL, frames) != 0 ||
        rte_eth_tx_queue_setup(0, 0, 1024, 0, NULL) != 0 || rte_eth_dev_start(0) != 0) {
        rte_exit(1, "the device cannot be opened\n");
    }
}

// --- the application

static void end(struct tcp_pcb* connection) {
    tcp_recv(connection, NULL);
    tcp_err(connection, NULL);
    tcp_close(connection);
}

static err_t on_bytes(void* had, struct tcp_pcb* connection, struct pbuf* bytes, err_t error) {
    (void)error;
    if (bytes == NULL) {
        end(connection);
        return ERR_OK;
    }
    const size_t have = (size_t)had + bytes->tot_len;
    tcp_recved(connection, bytes->tot_len);
    pbuf_free(bytes);
    for (size_t left = have; left >= plan.request; left -= plan.request) {
        tcp_write(connection, page, (u16_t)plan.response, TCP_WRITE_FLAG_COPY);
    }
    tcp_arg(connection, (void*)(have % plan.request));
    if (plan.server_closes) end(connection);
    return ERR_OK;
}

static err_t on_connection(void* argument, struct tcp_pcb* connection, err_t error) {
    (void)argument;
    if (error != ERR_OK || connection == NULL) return ERR_VAL;
    tcp_arg(connection, NULL);
    tcp_nagle_disable(connection);
    tcp_recv(connection, on_bytes);
    return ERR_OK;
}

static void serve(const char* gateway_mac) {
    static struct netif netif;
    ip4_addr_t address, mask, gateway;
    IP4_ADDR(&address, 10, 78, 0, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 78, 0, 254);
    lwip_init();
    netif_add(&netif, &address, &mask, &gateway, NULL, begin, ethernet_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    struct rte_ether_addr mac;
    struct eth_addr neighbour;
    if (rte_ether_unformat_addr(gateway_mac, &mac) != 0) rte_exit(1, "bad address\n");
    memcpy(neighbour.addr, mac.addr_bytes, sizeof neighbour.addr);
    if (etharp_add_static_entry(&gateway, &neighbour) != ERR_OK) rte_exit(1, "no neighbour\n");
    struct tcp_pcb* listener = tcp_new();
    tcp_bind(listener, IP_ADDR_ANY, kPort);
    listener = tcp_listen(listener);
    tcp_accept(listener, on_connection);
    printf("ready\n");
    fflush(stdout);
    for (unsigned turn = 0; !stop; ++turn) {
        receive(&netif);
        if (waiting_count != 0) flush();
        if (turn % 1024 == 0) sys_check_timeouts();
    }
}

int main(int argc, char** argv) {
    const int used = rte_eal_init(argc, argv);
    if (used < 0 || argc - used != 5) {
        fprintf(stderr, "lwip_server EAL-ARGUMENTS -- REQUEST RESPONSE server|client MAC\n");
        return 1;
    }
    argv += used;
    plan.request = (unsigned)atoi(argv[1]);
    plan.response = (unsigned)atoi(argv[2]);
    plan.server_closes = strcmp(argv[3], "server") == 0;
    if (plan.request == 0 || plan.response > kResponseMax) return 1;
    memset(page, 'r', sizeof page);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    open_device();
    serve(argv[4]);
    return 0;
}
