// SPDX-License-Identifier: Apache-2.0
// Formatting, level filter and rate limit of the log.
#include "base/log.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <ctime>
#include <mutex>

namespace mtcp {
namespace {

constexpr const char* kLevelNames[] = {"error", "warning", "info", "debug"};

void to_standard_error(LogLevel level, const char* text, void*) {
    static_cast<void>(
        std::fprintf(stderr, "mtcp: %s: %s\n", kLevelNames[static_cast<int>(level)], text));
}

struct Log {
    std::mutex mutex;
    LogSink sink = to_standard_error;
    void* context = nullptr;
    std::time_t second = 0;
    int lines = 0;
    std::uint64_t suppressed = 0;
};

Log& the_log() {
    static Log log;
    return log;
}
std::atomic<LogLevel> most_verbose_level{LogLevel::warning};

}  // namespace

void set_log_sink(LogSink sink, void* context) {
    Log& log = the_log();
    const std::scoped_lock lock(log.mutex);
    log.sink = sink == nullptr ? to_standard_error : sink;
    log.context = context;
}

void set_log_level(LogLevel most_verbose) { most_verbose_level.store(most_verbose); }
LogLevel log_level() { return most_verbose_level.load(std::memory_order_relaxed); }

void log(LogLevel level, const char* format, ...) {
    if (level > log_level()) return;
    Log& log = the_log();
    const std::scoped_lock lock(log.mutex);
    const std::time_t second = std::time(nullptr);
    if (second != log.second) {
        log.second = second;
        log.lines = 0;
    }
    if (++log.lines > kLogLinesPerSecond) {
        ++log.suppressed;
        return;
    }
    char text[1024];
    int used = 0;
    if (log.suppressed != 0) {
        used = std::snprintf(text, sizeof text, "[%llu lines suppressed] ",
                             static_cast<unsigned long long>(log.suppressed));
        log.suppressed = 0;
    }
    std::va_list arguments;
    va_start(arguments, format);
    static_cast<void>(std::vsnprintf(text + used, sizeof text - static_cast<std::size_t>(used),
                                     format, arguments));
    va_end(arguments);
    log.sink(level, text, log.context);
}

void hold_log() { the_log().mutex.lock(); }
void let_go_of_log() { the_log().mutex.unlock(); }

}  // namespace mtcp
