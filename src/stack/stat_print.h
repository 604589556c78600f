// SPDX-License-Identifier: Apache-2.0
// The original's `stat_print`: once a second, what the cores received and sent, on standard error.
#pragma once

#include <pthread.h>

#include <atomic>
#include <vector>

#include "base/counters.h"

namespace mtcp::stack {

class StatPrinter {
  public:
    // One set of counters a core; they outlive the printer.
    explicit StatPrinter(std::vector<const Counters*> counters);
    ~StatPrinter();
    StatPrinter(const StatPrinter&) = delete;
    StatPrinter& operator=(const StatPrinter&) = delete;

  private:
    static void* thread_main(void* self);
    void run();
    std::vector<const Counters*> counters_;
    std::atomic<bool> stopping_{false};
    pthread_t thread_{};
    bool running_ = false;
};

}  // namespace mtcp::stack
