// SPDX-License-Identifier: Apache-2.0
// The options of a plan.
#include "load/plan_options.h"

#include <arpa/inet.h>

#include <CLI/CLI.hpp>

namespace bench {
namespace {

bool take_address(const std::string& text, std::uint32_t& address) {
    if (text.empty()) return true;
    in_addr found{};
    if (inet_pton(AF_INET, text.c_str(), &found) != 1) return false;
    address = ntohl(found.s_addr);
    return true;
}

}  // namespace

void add_plan_options(CLI::App& app, Plan& plan, PlanWords& words) {
    app.add_option("--server", words.server, "first address of the server");
    app.add_option("--server-addresses", plan.server_addresses, "how many, used in turn");
    app.add_option("--port", plan.port, "port of the server");
    app.add_option("--client", words.client, "first address of the client");
    app.add_option("--client-addresses", plan.client_addresses, "how many, used in turn");
    app.add_option("--request", plan.request, "bytes of a request")->check(CLI::Range(1, 1 << 30));
    app.add_option("--response", plan.response, "bytes of a response")
        ->check(CLI::Range(1, 1 << 30));
    app.add_option("--messages", plan.messages, "requests on each connection; 0: without end");
    app.add_option("--close", words.closer, "who closes")
        ->check(CLI::IsMember({"client", "server", "reset"}));
    app.add_option("--flow", words.flow, "what flows")
        ->check(CLI::IsMember({"requests", "upload", "download"}));
    app.add_option("--concurrency", plan.concurrency, "connections at a time")
        ->check(CLI::Range(1, 1 << 28));
    app.add_option("--in-flight", plan.in_flight,
                   "requests at a time over all connections; 0: one on each");
    app.add_option("--wait", words.waiting, "how to wait for events")
        ->check(CLI::IsMember({"sleeping", "spinning"}));
    app.add_option("--form", words.form, "which calls, where there are two")
        ->check(CLI::IsMember({"bsd", "batch"}));
    app.add_option("--batch", plan.batch, "most events taken at once")->check(CLI::Range(1, 65536));
    app.add_option("--backlog", plan.backlog, "of the listener");
    app.add_option("--cc", plan.congestion, "congestion control of a listener, or of an upload");
    app.add_flag("--latency", plan.latency, "measure every request");
    app.add_flag("--stages", plan.stages, "measure the time inside the waiting calls");
}

bool take_words(const PlanWords& words, Plan& plan) {
    plan.closer = words.closer == "client"   ? Closer::client
                  : words.closer == "server" ? Closer::server
                                             : Closer::reset;
    plan.flow = words.flow == "requests" ? Flow::requests
                : words.flow == "upload" ? Flow::upload
                                         : Flow::download;
    plan.waiting = words.waiting == "sleeping" ? Waiting::sleeping : Waiting::spinning;
    plan.form = words.form == "bsd" ? Form::bsd : Form::batch;
    return take_address(words.server, plan.server_address) &&
           take_address(words.client, plan.client_address);
}

}  // namespace bench
