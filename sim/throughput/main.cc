// SPDX-License-Identifier: Apache-2.0
// mtcp_throughput: writes the tables of docs/throughput, or compares a part of them with what is
// there.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "sim/throughput/tables.h"

namespace mtcp::sim {
namespace {

constexpr const char* kUsage =
    "usage: mtcp_throughput --write FOLDER  every table, as FOLDER/NAME.csv\n"
    "       mtcp_throughput --check FOLDER [--every N]         every Nth row against FOLDER\n"
    "       mtcp_throughput --cell ALGORITHM[+ALGORITHM...] RTT_MS QUEUE_BDP LOSS_PERCENT "
    "[SECONDS]\n";

// A row may be better than the golden one. Of its first figure, percent of the line, this must be
// left: any change of what is sent throws the dice of the losses anew.
double least_of(double golden) { return golden * 0.85 - 1; }

using Rows = std::vector<std::vector<std::string>>;

std::string joined(const std::vector<std::string>& cells) {
    std::string text;
    for (const std::string& cell : cells)
        text += (text.empty() ? "" : ",") + cell;
    return text;
}

std::string header_of(const Table& table) {
    std::vector<std::string> names(table.key_names.begin(), table.key_names.end());
    names.insert(names.end(), table.figure_names.begin(), table.figure_names.end());
    return joined(names);
}

std::string row_of(const Table& table, const Experimental& row) {
    const BulkResult result = run_bulk(row.plan);
    if (!result.problem.empty()) {
        std::fprintf(stderr, "%s: %s\n", joined(row.keys).c_str(), result.problem.c_str());
        std::exit(1);
    }
    return joined(row.keys) + "," + joined(table.figures(result));
}

// Runs the rows `chosen` of a table in processes, one a core; the answers in the same order.
std::vector<std::string> run_rows(const Table& table, const std::vector<std::size_t>& chosen) {
    const auto jobs = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
    std::vector<std::FILE*> pipes;
    std::fflush(nullptr);
    for (std::size_t job = 0; job < jobs; ++job) {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0) std::exit(2);
        if (::fork() == 0) {
            std::FILE* out = ::fdopen(ends[1], "w");
            for (std::size_t i = job; i < chosen.size(); i += jobs) {
                std::fprintf(out, "%s\n", row_of(table, table.rows[chosen[i]]).c_str());
                std::fflush(out);
            }
            std::fclose(out);
            ::_exit(0);
        }
        ::close(ends[1]);
        pipes.push_back(::fdopen(ends[0], "r"));
    }
    std::vector<std::string> answers;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        std::array<char, 512> line{};
        if (std::fgets(line.data(), line.size(), pipes[i % jobs]) == nullptr) std::exit(1);
        answers.emplace_back(line.data());
        answers.back().pop_back();
        if (isatty(2) != 0) {
            std::fprintf(stderr, "\r%.*s %zu/%zu ", static_cast<int>(table.file.size()),
                         table.file.data(), i + 1, chosen.size());
        }
    }
    for (std::FILE* pipe : pipes)
        std::fclose(pipe);
    while (::wait(nullptr) > 0) {
    }
    return answers;
}

std::vector<std::size_t> every(const Table& table, std::size_t step) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = step / 2; i < table.rows.size(); i += step)
        chosen.push_back(i);
    return chosen;
}

std::vector<std::string> algorithms() { return available({"reno", "cubic", "bbr", "dctcp"}); }

int write(const std::string& folder) {
    for (const Table& table : tables(algorithms())) {
        const std::string path = folder + "/" + std::string(table.file);
        std::ofstream out(path);
        out << header_of(table) << '\n';
        for (const std::string& row : run_rows(table, every(table, 1)))
            out << row << '\n';
        if (!out.flush()) {
            std::perror(path.c_str());
            return 2;
        }
    }
    return 0;
}

// The figures of a golden file by its keys.
std::map<std::string, std::string> read_golden(const std::string& path, const Table& table) {
    std::ifstream file(path);
    std::string line;
    std::map<std::string, std::string> rows;
    if (!std::getline(file, line) || line != header_of(table)) {
        std::printf("%s: is not this table; run mtcp_throughput --write\n", path.c_str());
        std::exit(1);
    }
    while (std::getline(file, line)) {
        std::size_t at = 0;
        for (std::size_t i = 0; i < table.key_names.size(); ++i)
            at = line.find(',', at) + 1;
        rows[line.substr(0, at)] = line.substr(at);
    }
    return rows;
}

int check(const std::string& folder, std::size_t step) {
    int bad = 0;
    int good = 0;
    for (const Table& table : tables(algorithms())) {
        const auto golden = read_golden(folder + "/" + std::string(table.file), table);
        for (const std::string& row : run_rows(table, every(table, step))) {
            std::size_t at = 0;
            for (std::size_t i = 0; i < table.key_names.size(); ++i)
                at = row.find(',', at) + 1;
            const auto found = golden.find(row.substr(0, at));
            const double now = std::strtod(row.c_str() + at, nullptr);
            const double was =
                found == golden.end() ? 0 : std::strtod(found->second.c_str(), nullptr);
            if (found == golden.end()) {  // an algorithm that has no figures yet
                std::printf("new: %s of %s\n", row.c_str(), table.file.data());
                continue;
            }
            const bool worse = now < least_of(was);
            if (worse) {
                std::printf("FAILED: %s of %s, golden %s\n", row.c_str(), table.file.data(),
                            found->second.c_str());
            }
            ++(worse ? bad : good);
        }
    }
    std::printf("%d passed, %d failed\n", good, bad);
    return bad == 0 && good > 0 ? 0 : 1;
}

int cell(int count, char** arguments) {
    BulkPlan plan;
    std::istringstream names(arguments[2]);
    Duration start{};
    for (std::string name; std::getline(names, name, '+'); start = start + milliseconds(100))
        plan.flows.push_back({.congestion = name, .start = start});
    plan.round_trip = microseconds(std::llround(std::atof(arguments[3]) * 1e3));
    plan.queue = std::atof(arguments[4]);
    plan.loss_ppm = static_cast<std::uint32_t>(std::llround(std::atof(arguments[5]) * 1e4));
    if (count > 6) plan.measured = seconds(std::atoi(arguments[6]));
    const BulkResult result = run_bulk(plan);
    if (!result.problem.empty()) {
        std::printf("%s\n", result.problem.c_str());
        return 1;
    }
    std::printf("utilisation %.1f %%,", result.utilisation * 100);
    for (const double rate : result.bits_per_second)
        std::printf(" %.2f", rate / 1e6);
    std::printf(" Mbit/s, Jain %.3f, queue %.1f ms, resent %.2f %%, timeouts %llu\n",
                result.fairness, result.queue_ms, result.resent * 100,
                static_cast<unsigned long long>(result.timeouts));
    return 0;
}

}  // namespace
}  // namespace mtcp::sim

int main(int count, char** arguments) {
    using namespace mtcp::sim;
    const std::string_view what = count > 2 ? arguments[1] : "";
    if (what == "--write") return write(arguments[2]);
    if (what == "--check") {
        const bool step = count > 4 && std::string_view(arguments[3]) == "--every";
        return check(arguments[2], step ? std::strtoul(arguments[4], nullptr, 0) : 1);
    }
    if (what == "--cell" && count > 5) return cell(count, arguments);
    std::fputs(kUsage, stderr);
    return 2;
}
