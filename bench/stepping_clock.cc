// SPDX-License-Identifier: Apache-2.0
// Preloaded under callgrind: a clock that moves by 2 µs whenever it is read. There a program runs
// fifty times slower than it is, and by the true clock timers would fire that never do otherwise:
// delayed ACKs, tail loss probes, the wheel's first look.
#include <ctime>

extern "C" __attribute__((visibility("default"))) int clock_gettime(clockid_t, timespec* now) {
    static thread_local long reading_ns = 1'000'000'000'000;
    reading_ns += 2'000;
    now->tv_sec = reading_ns / 1'000'000'000;
    now->tv_nsec = reading_ns % 1'000'000'000;
    return 0;
}
