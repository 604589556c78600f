// SPDX-License-Identifier: Apache-2.0
// ppoll over the wait descriptors of all queues.
#include "io/wait.h"

#include <poll.h>

#include <array>
#include <ctime>

#include "base/assert.h"

namespace mtcp::io {
namespace {

constexpr std::size_t kWaitDescriptorsMax = 64;

}  // namespace

Woken wait_until(std::span<Queue* const> queues, std::span<const int> descriptors, Instant now,
                 Instant deadline, std::atomic<bool>* asleep) {
    MTCP_ASSERT(queues.size() + descriptors.size() <= kWaitDescriptorsMax);
    std::array<pollfd, kWaitDescriptorsMax> polled;
    std::size_t count = 0;
    std::size_t prepared = 0;
    bool ready = false;
    for (; prepared < queues.size() && !ready; ++prepared) {
        Queue& queue = *queues[prepared];
        ready = !queue.prepare_wait();
        deadline = earlier(deadline, queue.next_deadline());
        if (queue.wait_descriptor() >= 0) polled[count++] = {queue.wait_descriptor(), POLLIN, 0};
    }
    for (const int descriptor : descriptors)
        polled[count++] = {descriptor, POLLIN, 0};

    int result = 1;
    if (!ready) {
        const std::int64_t ns = deadline <= now ? 0 : (deadline - now).ns;
        const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
        if (asleep != nullptr) asleep->store(true);
        result = ::ppoll(polled.data(), count, deadline == kNever ? nullptr : &timeout, nullptr);
        if (asleep != nullptr) asleep->store(false);
    }
    for (std::size_t i = 0; i < prepared; ++i)
        queues[i]->finish_wait();
    if (result < 0) return Woken::by_signal;
    return result == 0 ? Woken::by_deadline : Woken::by_work;
}

}  // namespace mtcp::io
