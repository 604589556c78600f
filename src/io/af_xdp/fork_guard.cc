// SPDX-License-Identifier: Apache-2.0
// pthread_atfork: the registry is locked across the fork, so that the child sees it whole.
#include "io/af_xdp/fork_guard.h"

#include <pthread.h>

#include <mutex>
#include <vector>

#include "base/fork_order.h"
#include "io/af_xdp/af_xdp_device.h"

namespace mtcp::io {
namespace {

struct Registry {
    std::mutex mutex;
    std::vector<AfXdpDevice*> devices;
};

Registry& registry() {
    static Registry& the = *new Registry;  // outlives every static destructor
    return the;
}

void before_fork() { registry().mutex.lock(); }
void after_fork_in_parent() { registry().mutex.unlock(); }
void after_fork_in_child() {
    for (AfXdpDevice* device : registry().devices)
        device->abandon();
    registry().devices.clear();
    registry().mutex.unlock();
}

// Who opens or closes a device holds the lock of the process (api/process.cc) already: a fork takes
// them in the same order.
[[gnu::constructor(kFirstForFork)]] void watch_for_fork() {
    static_cast<void>(::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child));
}

}  // namespace

void guard_against_fork(AfXdpDevice* device) {
    const std::scoped_lock lock(registry().mutex);
    registry().devices.push_back(device);
}

void forget_device(AfXdpDevice* device) {
    const std::scoped_lock lock(registry().mutex);
    std::erase(registry().devices, device);
}

}  // namespace mtcp::io
