// SPDX-License-Identifier: Apache-2.0
// The thread behind `stat_print`.
#include "stack/stat_print.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

#include "base/log.h"
#include "stack/drivers.h"

namespace mtcp::stack {
namespace {

// Another thread writes these words; a torn set of words is fine, a torn word is not.
std::uint64_t read(const std::uint64_t& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); }

struct Sample {
    std::uint64_t frames_in, bytes_in, frames_out, bytes_out, connections;
    explicit Sample(const Counters& c)
        : frames_in(read(c.frames_in)),
          bytes_in(read(c.bytes_in)),
          frames_out(read(c.frames_out)),
          bytes_out(read(c.bytes_out)),
          connections(read(c.connections)) {}
};

}  // namespace

StatPrinter::StatPrinter(std::vector<const Counters*> counters) : counters_(std::move(counters)) {
    running_ = start_stack_thread(thread_, -1, &StatPrinter::thread_main, this);
    if (!running_) log(LogLevel::warning, "stat_print prints nothing: %s", std::strerror(errno));
}

StatPrinter::~StatPrinter() {
    stopping_.store(true);
    if (running_) ::pthread_join(thread_, nullptr);
}

void* StatPrinter::thread_main(void* self) {
    static_cast<StatPrinter*>(self)->run();
    return nullptr;
}

void StatPrinter::run() {
    std::vector<Sample> before;
    for (const Counters* c : counters_)
        before.emplace_back(*c);
    int tenths = 0;
    while (!stopping_.load()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        if (++tenths < 10) continue;
        tenths = 0;
        for (std::size_t i = 0; i < counters_.size(); ++i) {
            const Sample now(*counters_[i]);
            static_cast<void>(std::fprintf(
                stderr,
                "[core %zu] connections %llu, rx %llu pps %.3f Gbit/s, tx %llu pps %.3f Gbit/s\n",
                i, static_cast<unsigned long long>(now.connections),
                static_cast<unsigned long long>(now.frames_in - before[i].frames_in),
                static_cast<double>(now.bytes_in - before[i].bytes_in) * 8e-9,
                static_cast<unsigned long long>(now.frames_out - before[i].frames_out),
                static_cast<double>(now.bytes_out - before[i].bytes_out) * 8e-9));
            before[i] = now;
        }
    }
}

}  // namespace mtcp::stack
