// SPDX-License-Identifier: Apache-2.0
// Tables and JSON out of counters files.
#include "stat.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/telemetry.h"
#include "print_error.h"

namespace mtcp::tools {
namespace {

enum class Meaning { sum, level };

struct Field {
    const char* name;
    const char* text;
    std::uint64_t Counters::*value;
    Meaning meaning;
};

constexpr std::array kFields{
    Field{"connections", "connections", &Counters::connections, Meaning::level},
    Field{"half_open", "half-open connections", &Counters::half_open, Meaning::level},
    Field{"time_wait", "connections in TIME-WAIT", &Counters::time_wait, Meaning::level},
    Field{"chunks_used", "chunks of memory in use", &Counters::chunks_used, Meaning::level},
#define MTCP_FIELD(name, text) Field{#name, text, &Counters::name, Meaning::sum},
    MTCP_COUNTER_LIST(MTCP_FIELD)
#undef MTCP_FIELD
};

void complain(const Problem& problem) { print_error("mtcp stat: {}\n", problem.text()); }

// Others choose names as they like: a terminal must not obey them.
std::string printable(std::string text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const bool upper_control = i != 0 && text[i - 1] == '\xc2' && c >= 0x80 && c < 0xa0;
        if (c < ' ' || c == 0x7f || upper_control) text[i] = '?';
    }
    return text;
}

// Names need not be UTF-8; the kernel cuts one in the middle of a letter.
std::string to_text(const nlohmann::json& json, int indent) {
    return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string command_of(int pid) {
    std::ifstream file(fmt::format("/proc/{}/comm", pid));
    std::string name;
    std::getline(file, name);
    return name.empty() ? "?" : printable(std::move(name));
}

void add(Counters& total, const Counters& core) {
    for (const Field& field : kFields)
        total.*field.value += core.*field.value;
    for (std::size_t i = 0; i < kDropCount; ++i)
        total.dropped[i] += core.dropped[i];
}

struct Snapshot {
    std::vector<Counters> cores;
    Counters total;
    timespec taken{};
};

Snapshot take(const TelemetryView& view) {
    Snapshot snapshot;
    for (int i = 0; i < view.core_count(); ++i) {
        snapshot.cores.push_back(view.core(i));
        add(snapshot.total, snapshot.cores.back());
    }
    ::clock_gettime(CLOCK_MONOTONIC, &snapshot.taken);
    return snapshot;
}

double seconds_between(const Snapshot& before, const Snapshot& after) {
    return static_cast<double>(after.taken.tv_sec - before.taken.tv_sec) +
           static_cast<double>(after.taken.tv_nsec - before.taken.tv_nsec) / 1e9;
}

// Per second since `before`; counters only grow, a smaller one is a restart.
std::uint64_t rate(std::uint64_t before, std::uint64_t after, double seconds) {
    if (after < before || seconds <= 0) return 0;
    return static_cast<std::uint64_t>(std::llround(static_cast<double>(after - before) / seconds));
}

nlohmann::json to_json(const Counters& counters) {
    nlohmann::json json;
    for (const Field& field : kFields)
        json[field.name] = counters.*field.value;
    nlohmann::json& drops = json["drops"] = nlohmann::json::object();
    for (std::size_t i = 0; i < kDropCount; ++i) {
        if (counters.dropped[i] != 0) drops[drop_name(static_cast<Drop>(i))] = counters.dropped[i];
    }
    return json;
}

nlohmann::json rates_to_json(const Snapshot& before, const Snapshot& now) {
    const double seconds = seconds_between(before, now);
    nlohmann::json json;
    for (const Field& field : kFields) {
        if (field.meaning == Meaning::level) continue;
        json[field.name] = rate(before.total.*field.value, now.total.*field.value, seconds);
    }
    return json;
}

void print_json(const TelemetryView& view, const Snapshot& now, const Snapshot* before) {
    nlohmann::json json{{"pid", view.pid()},
                        {"command", command_of(view.pid())},
                        {"started", view.start_unix_seconds()},
                        {"running", view.alive()},
                        {"total", to_json(now.total)}};
    for (const Counters& core : now.cores)
        json["cores"].push_back(to_json(core));
    if (before != nullptr) json["per_second"] = rates_to_json(*before, now);
    fmt::print("{}\n", to_text(json, before == nullptr ? 2 : -1));
}

void print_row(const char* name, const char* text, std::uint64_t value,
               const std::string& per_second) {
    fmt::print("{:>16} {:>14}  {:<26} {}\n", value, per_second, name, text);
}

void print_counters(const Counters& now, const Counters* before, double seconds) {
    for (const Field& field : kFields) {
        const std::uint64_t value = now.*field.value;
        if (value == 0 && field.meaning == Meaning::sum) continue;
        const bool with_rate = before != nullptr && field.meaning == Meaning::sum;
        print_row(field.name, field.text, value,
                  with_rate ? fmt::format("{}/s", rate(before->*field.value, value, seconds)) : "");
    }
    bool titled = false;
    for (std::size_t i = 0; i < kDropCount; ++i) {
        if (now.dropped[i] == 0) continue;
        if (!titled) fmt::print("  discarded, by reason:\n");
        titled = true;
        const auto reason = static_cast<Drop>(i);
        print_row(drop_name(reason), drop_text(reason), now.dropped[i],
                  before == nullptr
                      ? ""
                      : fmt::format("{}/s", rate(before->dropped[i], now.dropped[i], seconds)));
    }
    if (!titled) fmt::print("  nothing discarded\n");
}

void print_table(const TelemetryView& view, const StatOptions& options, const Snapshot& now,
                 const Snapshot* before) {
    const double seconds = before == nullptr ? 0 : seconds_between(*before, now);
    fmt::print("process {} ({}), {} cores, up {} s{}\n", view.pid(), command_of(view.pid()),
               view.core_count(), std::time(nullptr) - view.start_unix_seconds(),
               view.alive() ? "" : ", ENDED");
    if (!options.per_core) {
        print_counters(now.total, before == nullptr ? nullptr : &before->total, seconds);
        return;
    }
    for (std::size_t i = 0; i < now.cores.size(); ++i) {
        fmt::print(" core {}\n", i);
        print_counters(now.cores[i], before == nullptr ? nullptr : &before->cores[i], seconds);
    }
}

int list_stacks(bool json) {
    remove_leftovers();
    nlohmann::json listed = nlohmann::json::array();
    for (const std::string& path : running_stacks()) {
        const auto view = TelemetryView::open_file(path);
        if (!view) continue;
        const Snapshot now = take(*view);
        listed.push_back({{"pid", view->pid()},
                          {"command", command_of(view->pid())},
                          {"cores", view->core_count()},
                          {"started", view->start_unix_seconds()},
                          {"connections", now.total.connections},
                          {"file", printable(path)}});
    }
    if (json) {
        fmt::print("{}\n", to_text(listed, 2));
        return 0;
    }
    const std::vector<std::string> others = running_stacks_of_others();
    for (const std::string& path : others)
        fmt::print(
            "{}: of another version of mtcp: use the `mtcp` command of the build that runs\n",
            printable(path));
    if (listed.empty()) {
        if (others.empty()) fmt::print("no stack is running (that this user can see)\n");
        return 0;
    }
    fmt::print("{:>8} {:<16} {:>6} {:>9} {:>12}  {}\n", "PID", "COMMAND", "CORES", "UP (s)",
               "CONNECTIONS", "FILE");
    for (const auto& row : listed) {
        fmt::print("{:>8} {:<16} {:>6} {:>9} {:>12}  {}\n", row["pid"].get<int>(),
                   row["command"].get<std::string>(), row["cores"].get<int>(),
                   std::time(nullptr) - row["started"].get<std::time_t>(),
                   row["connections"].get<std::uint64_t>(), row["file"].get<std::string>());
    }
    return 0;
}

}  // namespace

int run_stat(const StatOptions& options) {
    if (options.pid == 0) return list_stacks(options.json);
    const auto view = TelemetryView::open(options.pid);
    if (!view) return complain(view.error()), 1;
    Snapshot before = take(*view);
    if (!options.watch) {
        options.json ? print_json(*view, before, nullptr)
                     : print_table(*view, options, before, nullptr);
        return 0;
    }
    for (std::uint64_t round = 0; options.rounds == 0 || round < options.rounds; ++round) {
        const timespec second{1, 0};
        if (::nanosleep(&second, nullptr) != 0) return 0;
        const bool running = view->alive();
        Snapshot now = take(*view);
        if (options.json) {
            print_json(*view, now, &before);
        } else {
            fmt::print("\n");
            print_table(*view, options, now, &before);
        }
        static_cast<void>(std::fflush(stdout));
        if (!running) return 0;
        before = std::move(now);
    }
    return 0;
}

}  // namespace mtcp::tools
