// SPDX-License-Identifier: Apache-2.0
// The one log function. Never called per packet; repeated lines of one call site are rate limited.
#pragma once

#include <cstdint>

namespace mtcp {

enum class LogLevel : std::uint8_t { error, warning, info, debug };

// `text` is one line without a newline. May be called from any stack thread.
using LogSink = void (*)(LogLevel level, const char* text, void* context);

// nullptr restores the default: standard error, "mtcp: <level>: text".
void set_log_sink(LogSink sink, void* context);
void set_log_level(LogLevel most_verbose);
[[nodiscard]] LogLevel log_level();

// printf-style. At most kLogLinesPerSecond lines a second pass; the rest are counted and the count
// is told with the next line that passes.
inline constexpr int kLogLinesPerSecond = 50;
void log(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));

// Around fork(), in the parent and in the child: no other thread may be in the middle of a line,
// or the child could never write one.
void hold_log();
void let_go_of_log();

}  // namespace mtcp
