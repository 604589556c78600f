// SPDX-License-Identifier: Apache-2.0
// peer serve | peer drive: the generic test program, built on mtcp and on the kernel. The result is
// one line of JSON on standard output.
#include <fmt/core.h>
#include <netinet/tcp.h>
#include <pthread.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <vector>

#include "peer.h"

namespace {

using namespace peer;
using Clock = std::chrono::steady_clock;

struct Options {
    Role role = Role::server;
    std::string configuration_file = "mtcp.conf";
    std::string address = "0.0.0.0";
    std::uint16_t port = 7000;
    int cores = 1;
    std::string operations = "S";  // of the connections, in turn
    std::uint64_t length = 1;
    bool random_length = false;  // 0 ... length, mostly short
    std::uint64_t connections = 1;
    std::uint64_t concurrency = 1;
    double duration_s = 1e9;
    double patience_s = 60;  // of a connection without progress
    double hold_s = 0;       // all stay open this long before their first byte
    int keepalive_s = 0;     // whoever's reset was lost learns it by a probe; 0: never
    std::uint32_t receive_buffer = 0;
    std::string congestion;  // of the connections opened; empty: the stack's default
    std::uint32_t seed = 1;
};

constexpr std::uint64_t kListenerTag = UINT64_MAX;
constexpr int kTickMs = 100;

class Worker {
  public:
    Worker(const Options& options, int core)
        : options_(options),
          core_(core),
          around_{{}, pattern_, totals_},
          random_(options.seed + static_cast<unsigned>(core)) {}

    std::string run(const std::atomic<bool>& stopping, std::atomic<int>& ready);
    [[nodiscard]] const Totals& totals() const { return totals_; }

  private:
    std::string listen();
    void loop(const std::atomic<bool>& stopping);
    void open_more();
    bool open_one();
    void accept_all();
    void adopt(int socket, const Request& request);
    void keep_alive(int socket);
    void on_event(const net::Event& event);
    void drive(Flow& flow);
    void release(Flow& flow);
    void expire();
    Request next_request();

    const Options& options_;
    int core_;
    Pattern pattern_;
    Totals totals_;
    Surroundings around_;
    std::mt19937_64 random_;
    int epoll_ = -1;
    int listener_ = -1;
    std::vector<std::unique_ptr<Flow>> flows_;  // by the socket's number
    std::vector<Flow*> again_;
    std::vector<Flow*> held_;  // until --hold is over
    std::uint64_t open_ = 0;
    std::uint64_t started_ = 0;
    Clock::time_point now_;
    Clock::time_point begun_;
    Clock::time_point scanned_;
};

std::string Worker::run(const std::atomic<bool>& stopping, std::atomic<int>& ready) {
    around_.context = net::open_context(core_);
    std::string problem;
    if (!around_.context) {
        problem = net::last_problem();
    } else if ((epoll_ = net::epoll_create(around_.context, 1024)) < 0) {
        problem = std::string{"epoll_create: "} + std::strerror(errno);
    } else if (options_.role == Role::server) {
        problem = listen();
    }
    ready.fetch_add(1);
    if (problem.empty()) {
        loop(stopping);
    }
    for (const auto& flow : flows_) {
        if (flow != nullptr && flow->in_use) {
            ++totals_.failures["still open at the end"];
            totals_.failed += options_.role == Role::client ? 1 : 0;
            release(*flow);
        }
    }
    if (around_.context) {
        net::close_context(around_.context);
    }
    return problem;
}

std::string Worker::listen() {
    net::Context context = around_.context;
    listener_ = net::socket(context, AF_INET, SOCK_STREAM, 0);
    net::set_nonblocking(context, listener_);
    net::set_option(context, listener_, SOL_SOCKET, SO_REUSEADDR, 1);
    net::set_option(context, listener_, SOL_SOCKET, SO_REUSEPORT, 1);
    if (options_.receive_buffer != 0) {
        net::set_option(context, listener_, SOL_SOCKET, SO_RCVBUF,
                        static_cast<int>(options_.receive_buffer));
    }
    const std::uint32_t address = net::parse_address(options_.address).value_or(0);
    const sockaddr_in where = net::address_of(address, options_.port);
    if (listener_ < 0 || net::bind(context, listener_, where) != 0 ||
        net::listen(context, listener_, 4096) != 0 ||
        net::watch(context, epoll_, net::kAdd, listener_, net::kIn, kListenerTag) != 0) {
        return std::string{"listen: "} + std::strerror(errno);
    }
    return {};
}

void Worker::loop(const std::atomic<bool>& stopping) {
    now_ = begun_ = scanned_ = Clock::now();
    const auto end = begun_ + std::chrono::duration<double>{options_.duration_s};
    std::vector<net::Event> events(512);
    while (!stopping.load(std::memory_order_relaxed)) {
        if (options_.role == Role::client) {
            if (now_ < end) {
                open_more();
            }
            if (open_ == 0 && (now_ >= end || started_ >= options_.connections)) {
                return;
            }
        }
        const int count =
            net::epoll_wait(around_.context, epoll_, events.data(), static_cast<int>(events.size()),
                            again_.empty() ? kTickMs : 0);
        now_ = Clock::now();
        if (!held_.empty() && now_ - begun_ >= std::chrono::duration<double>{options_.hold_s}) {
            again_.insert(again_.end(), held_.begin(), held_.end());
            held_.clear();
        }
        std::vector<Flow*> again;
        again.swap(again_);
        for (Flow* flow : again) {
            if (flow->in_use) {
                drive(*flow);
            }
        }
        for (int i = 0; i < count; ++i) {
            on_event(events[static_cast<std::size_t>(i)]);
        }
        if (now_ - scanned_ > std::chrono::milliseconds{500}) {
            scanned_ = now_;
            expire();
        }
    }
}

Request Worker::next_request() {
    Request request;
    request.operation = options_.operations[(started_ - 1) % options_.operations.size()];
    request.seed = static_cast<std::uint32_t>(random_());
    request.length = options_.length;
    if (options_.random_length) {
        // As many short ones as long ones, by the logarithm.
        const double part = std::uniform_real_distribution<double>{0, 1}(random_);
        request.length = static_cast<std::uint64_t>(
            std::pow(static_cast<double>(options_.length) + 1, part) - 1);
    }
    return request;
}

void Worker::open_more() {
    while (open_ < options_.concurrency && started_ < options_.connections && open_one()) {
    }
}

bool Worker::open_one() {
    net::Context context = around_.context;
    const int socket = net::socket(context, AF_INET, SOCK_STREAM, 0);
    if (socket < 0) {
        return false;
    }
    net::set_nonblocking(context, socket);
    if (options_.receive_buffer != 0) {
        net::set_option(context, socket, SOL_SOCKET, SO_RCVBUF,
                        static_cast<int>(options_.receive_buffer));
    }
    if (!options_.congestion.empty() &&
        net::set_congestion_control(context, socket, options_.congestion) != 0) {
        fmt::print(stderr, "peer: no congestion control {}: {}\n", options_.congestion,
                   std::strerror(errno));
        std::exit(2);
    }
    const std::uint32_t address = net::parse_address(options_.address).value_or(0);
    ++started_;
    if (net::connect(context, socket, net::address_of(address, options_.port)) != 0 &&
        errno != EINPROGRESS) {
        ++totals_.failed;
        ++totals_.failures[std::string{"connect: "} + std::strerror(errno)];
        net::close(context, socket);
        return false;
    }
    adopt(socket, next_request());
    return true;
}

void Worker::accept_all() {
    int socket = -1;
    while ((socket = net::accept(around_.context, listener_, nullptr, nullptr)) >= 0) {
        adopt(socket, Request{});
        flows_[static_cast<std::size_t>(socket)]->connected = true;
    }
}

void Worker::adopt(int socket, const Request& request) {
    const auto index = static_cast<std::size_t>(socket);
    if (index >= flows_.size()) {
        flows_.resize(index + 1);
    }
    if (flows_[index] == nullptr) {
        flows_[index] = std::make_unique<Flow>();
    }
    Flow& flow = *flows_[index];
    flow.begin(options_.role, socket, request);
    flow.in_use = true;
    flow.connected = false;
    flow.progressed = now_;
    if (options_.keepalive_s != 0) keep_alive(socket);
    ++flow.generation;
    ++totals_.opened;
    ++open_;
    net::watch(around_.context, epoll_, net::kAdd, socket, net::kIn | net::kOut | net::kEdge,
               std::uint64_t{flow.generation} << 32U | index);
}

// Under loss one probe that is not answered, or ten, prove nothing.
void Worker::keep_alive(int socket) {
    net::Context context = around_.context;
    net::set_option(context, socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    net::set_option(context, socket, IPPROTO_TCP, TCP_KEEPIDLE, options_.keepalive_s);
    net::set_option(context, socket, IPPROTO_TCP, TCP_KEEPINTVL, options_.keepalive_s);
    net::set_option(context, socket, IPPROTO_TCP, TCP_KEEPCNT, 30);
}

void Worker::on_event(const net::Event& event) {
    if (event.data.u64 == kListenerTag) {
        accept_all();
        return;
    }
    const auto index = static_cast<std::size_t>(event.data.u64 & 0xffff'ffffU);
    Flow* flow = index < flows_.size() ? flows_[index].get() : nullptr;
    if (flow == nullptr || !flow->in_use || flow->generation != event.data.u64 >> 32U) {
        return;
    }
    if (!flow->connected) {
        const int error = net::take_error(around_.context, flow->socket());
        if (error != 0) {
            flow->failed_with(around_, std::string{"connect: "} + std::strerror(error));
            release(*flow);
            return;
        }
        flow->connected = true;
    }
    drive(*flow);
}

void Worker::drive(Flow& flow) {
    flow.progressed = now_;
    if (options_.hold_s > 0 && now_ - begun_ < std::chrono::duration<double>{options_.hold_s}) {
        held_.push_back(&flow);
        return;
    }
    switch (flow.drive(around_)) {
        case Flow::Next::wait: break;
        case Flow::Next::again: again_.push_back(&flow); break;
        case Flow::Next::done: release(flow); break;
    }
}

void Worker::release(Flow& flow) {
    net::close(around_.context, flow.socket());
    flow.in_use = false;
    --open_;
}

void Worker::expire() {
    const std::chrono::duration<double> patience{options_.patience_s};
    for (const auto& flow : flows_) {
        if (flow != nullptr && flow->in_use && now_ - flow->progressed > patience) {
            flow->give_up(around_);
            release(*flow);
        }
    }
}

Options parse(int argc, char** argv) {
    Options options;
    CLI::App app{std::string{"test peer on the stack: "} + net::kStack};
    app.require_subcommand(1);
    CLI::App* serve = app.add_subcommand("serve", "answer connections until SIGINT or SIGTERM");
    CLI::App* drive = app.add_subcommand("drive", "open connections");
    for (CLI::App* one : {serve, drive}) {
        one->add_option("-f,--config", options.configuration_file);
        one->add_option("-a,--address", options.address);
        one->add_option("-p,--port", options.port);
        one->add_option("-N,--cores", options.cores);
        one->add_option("--patience", options.patience_s);
        one->add_option("--keepalive", options.keepalive_s);
        one->add_option("--receive-buffer", options.receive_buffer);
    }
    drive->add_option("-o,--operations", options.operations);
    drive->add_option("-l,--length", options.length)->transform(CLI::AsSizeValue(false));
    drive->add_flag("--random-length", options.random_length);
    drive->add_option("-n,--connections", options.connections);
    drive->add_option("-c,--concurrency", options.concurrency);
    drive->add_option("-d,--duration", options.duration_s);
    drive->add_option("--hold", options.hold_s);
    drive->add_option("--congestion", options.congestion);
    drive->add_option("--seed", options.seed);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    options.role = serve->parsed() ? Role::server : Role::client;
    return options;
}

void print_totals(const std::vector<std::unique_ptr<Worker>>& workers, double seconds) {
    Totals sum;
    for (const auto& worker : workers) {
        const Totals& one = worker->totals();
        sum.opened += one.opened;
        sum.completed += one.completed;
        sum.failed += one.failed;
        sum.wrong += one.wrong;
        sum.resets_in += one.resets_in;
        sum.resets_lost += one.resets_lost;
        sum.bytes_in += one.bytes_in;
        sum.bytes_out += one.bytes_out;
        for (const auto& [reason, count] : one.failures) {
            sum.failures[reason] += count;
        }
    }
    const nlohmann::json all{{"stack", net::kStack},       {"seconds", seconds},
                             {"opened", sum.opened},       {"completed", sum.completed},
                             {"failed", sum.failed},       {"wrong", sum.wrong},
                             {"resets_in", sum.resets_in}, {"resets_lost", sum.resets_lost},
                             {"bytes_in", sum.bytes_in},   {"bytes_out", sum.bytes_out},
                             {"failures", sum.failures}};
    fmt::print("{}\n", all.dump());
    std::fflush(stdout);
}

int run(Options options, const sigset_t& signals) {
    const auto cores = static_cast<std::uint64_t>(options.cores);
    options.connections = (options.connections + cores - 1) / cores;
    options.concurrency = (options.concurrency + cores - 1) / cores;
    std::vector<std::unique_ptr<Worker>> workers;
    std::vector<std::thread> threads;
    std::atomic<bool> stopping{false};
    std::atomic<int> ready{0};
    std::atomic<int> running{options.cores};
    std::atomic<int> problems{0};
    const auto begun = Clock::now();
    for (int core = 0; core < options.cores; ++core) {
        workers.push_back(std::make_unique<Worker>(options, core));
        threads.emplace_back([&, worker = workers.back().get()] {
            if (const std::string problem = worker->run(stopping, ready); !problem.empty()) {
                fmt::print(stderr, "peer: {}\n", problem);
                problems.fetch_add(1);
                stopping.store(true);
            }
            running.fetch_sub(1);
        });
    }
    while (ready.load() < options.cores) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    fmt::print("ready\n");
    std::fflush(stdout);
    const timespec tick{.tv_sec = 0, .tv_nsec = 20'000'000};
    while (running.load() > 0) {
        if (sigtimedwait(&signals, nullptr, &tick) > 0) {
            stopping.store(true);
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    print_totals(workers, std::chrono::duration<double>{Clock::now() - begun}.count());
    bool good = problems.load() == 0;
    for (const auto& worker : workers) {
        good = good && worker->totals().failed == 0 && worker->totals().wrong == 0;
    }
    return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    if (const std::string problem = net::start(options.configuration_file, options.cores);
        !problem.empty()) {
        fmt::print(stderr, "peer: {}\n", problem);
        return 1;
    }
    const int status = run(options, signals);
    net::stop();
    return status;
}
