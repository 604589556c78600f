// SPDX-License-Identifier: Apache-2.0
// Text and JSON of the result.
#include "web_client/report.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sockets/sockets.h"

namespace load {
namespace {

double microseconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-3; }

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto one = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return one(usage.ru_utime) + one(usage.ru_stime);
}

double rate(std::uint64_t count, double seconds) {
    return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

void print_histogram(const char* name, const Histogram& histogram) {
    if (histogram.count() == 0) {
        return;
    }
    fmt::print(
        "  {:<10} p50 {:.0f} us, p99 {:.0f} us, p99.9 {:.0f} us, max {:.0f} us, mean {:.0f} us\n",
        name, microseconds(histogram.percentile(50)), microseconds(histogram.percentile(99)),
        microseconds(histogram.percentile(99.9)), microseconds(histogram.max()),
        histogram.mean() * 1e-3);
}

nlohmann::json to_json(const Histogram& histogram) {
    return {{"count", histogram.count()},
            {"mean", histogram.mean() * 1e-3},
            {"p50", microseconds(histogram.percentile(50))},
            {"p90", microseconds(histogram.percentile(90))},
            {"p99", microseconds(histogram.percentile(99))},
            {"p999", microseconds(histogram.percentile(99.9))},
            {"max", microseconds(histogram.max())}};
}

// What was printed may still fail to be written: a full disk, a closed pipe.
std::string flush_output() {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) {
        return {};
    }
    return fmt::format("cannot write the output: {}", std::strerror(errno));
}

}  // namespace

std::string print_report(const Options& options, const Results& results) {
    fmt::print(
        "web_client on {}: {} connections, {} requests, {} failures in {:.2f} s ({} core(s), "
        "{} at a time)\n",
        net::kStack, results.connections, results.requests, results.failed(), results.seconds,
        options.cores, options.concurrency);
    fmt::print("  {:.0f} connections/s, {:.0f} requests/s, {:.2f} Mbit/s of bodies\n",
               rate(results.connections, results.seconds), rate(results.requests, results.seconds),
               static_cast<double>(results.bytes_in) * 8e-6 / std::max(results.seconds, 1e-9));
    print_histogram("connect", results.connect_time);
    print_histogram("request", results.latency);
    print_histogram("connection", results.lifetime);
    for (std::size_t i = 0; i < kFailures; ++i) {
        if (results.failures[i] > 0) {
            fmt::print("  failed: {} x {}\n", results.failures[i], kFailureTexts[i].text);
        }
    }
    return flush_output();
}

std::string write_json(const Options& options, const Results& results) {
    nlohmann::json failures = nlohmann::json::object();
    for (std::size_t i = 0; i < kFailures; ++i) {
        if (results.failures[i] > 0) {
            failures[std::string{kFailureTexts[i].name}] = results.failures[i];
        }
    }
    const nlohmann::json all{
        {"stack", net::kStack},
        {"cores", options.cores},
        {"concurrency", options.concurrency},
        {"requests_per_connection", options.requests_per_connection},
        {"path", options.path},
        {"addresses", options.addresses},
        {"seconds", results.seconds},
        {"connections", results.connections},
        {"requests", results.requests},
        {"connections_per_second", rate(results.connections, results.seconds)},
        {"requests_per_second", rate(results.requests, results.seconds)},
        {"body_bytes", results.bytes_in},
        {"received_bytes", results.bytes_wire},
        {"failed", results.failed()},
        {"failures", failures},
        {"connect_us", to_json(results.connect_time)},
        {"request_us", to_json(results.latency)},
        {"connection_us", to_json(results.lifetime)},
        {"cpu_seconds", cpu_seconds()},
    };
    const std::string text = all.dump(2) + "\n";
    if (options.json_file == "-") {
        std::fputs(text.c_str(), stdout);
        return flush_output();
    }
    std::ofstream file{options.json_file};
    file << text;
    file.close();
    return file ? std::string{} : options.json_file + ": " + std::strerror(errno);
}

}  // namespace load
