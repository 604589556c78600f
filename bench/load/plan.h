// SPDX-License-Identifier: Apache-2.0
// What a client and a server have agreed on before they meet: there is nothing to parse in a
// request, so that the stack is what is measured.
#pragma once

#include <cstdint>
#include <string>

namespace bench {

enum class Closer : std::uint8_t {
    client,  // FIN by the client, in answer to the last response
    server,  // FIN by the server, with the last response
    reset    // RST by the client
};
enum class Flow : std::uint8_t {
    requests,  // request, response, in turn
    upload,    // the client sends without end
    download   // the server sends without end
};
// How an end waits for events: in the kernel, or by asking again and again.
enum class Waiting : std::uint8_t { sleeping, spinning };

// Which calls a program uses where there are two (forms.h).
enum class Form : std::uint8_t { bsd, batch };

struct Plan {
    std::uint32_t server_address = 0;  // host byte order; the first of server_addresses
    std::uint32_t server_addresses = 1;
    std::uint16_t port = 80;
    std::uint32_t client_address = 0;  // 0: as the stack chooses
    std::uint32_t client_addresses = 1;

    std::uint32_t request = 64;   // bytes
    std::uint32_t response = 64;  // bytes
    std::uint32_t messages = 1;   // on each connection; 0: without end
    Closer closer = Closer::client;
    Flow flow = Flow::requests;

    std::uint32_t concurrency = 64;     // connections at a time
    std::uint64_t connections_max = 0;  // to open in all; 0: no limit
    // Connections that have a request on its way at a time; the others wait their turn, first in
    // first out, and none asks before Client::start_asking(). 0: every connection asks at once.
    std::uint32_t in_flight = 0;
    Waiting waiting = Waiting::spinning;
    Form form = Form::bsd;
    int batch = 64;          // most events taken at once
    int backlog = 4096;      // of the listener
    std::string congestion;  // control of who sends in bulk and of listeners; empty: the default
    bool latency = false;    // measure each request
    bool stages = false;     // measure the time inside the calls that wait for events
};

}  // namespace bench
