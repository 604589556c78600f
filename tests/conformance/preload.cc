// SPDX-License-Identifier: Apache-2.0
// Calls that packetdrill makes to the C library although a stack of its own is under test. When
// this object is also preloaded (LD_PRELOAD) they arrive here. Nothing else depends on that.
#include <dlfcn.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/times.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tests/conformance/adapter.h"

namespace mtcp::conformance {
namespace {

std::atomic<Adapter*> current{nullptr};

// The shells that a script's commands run in shall not get this object.
__attribute__((constructor)) void keep_from_children() { ::unsetenv("LD_PRELOAD"); }

}  // namespace

Adapter* make_adapter(const Addresses& addresses) {
    auto* const made = new Adapter(addresses);
    current.store(made);
    return made;
}

void retire(Adapter* adapter) {
    Adapter* expected = adapter;
    current.compare_exchange_strong(expected, nullptr);
    delete adapter;
}

Adapter* current_adapter() { return current.load(); }

}  // namespace mtcp::conformance

#define MTCP_EXPORT extern "C" __attribute__((visibility("default")))

// `%{ assert tcpi_... }%` asks the kernel. Its structures may be longer than ours: the rest is 0,
// and the length stays, since a shortened one is taken for a kernel that lacks the fields.
MTCP_EXPORT int getsockopt(int fd, int level, int name, void* value, socklen_t* length) noexcept {
    using mtcp::conformance::Adapter;
    Adapter* const adapter = mtcp::conformance::current_adapter();
    if (adapter == nullptr || !adapter->calls.is_ours(fd)) {
        using Function = int (*)(int, int, int, void*, socklen_t*);
        static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "getsockopt"));
        return real(fd, level, name, value, length);
    }
    const socklen_t room = *length;
    std::memset(value, 0, room);
    if (level == SOL_SOCKET && name == SO_MEMINFO) return 0;
    if (level == IPPROTO_TCP && name == TCP_CC_INFO) {
        *length = 0;
        return 0;
    }
    const long result = adapter->calls.get_option(fd, level, name, value, length);
    if (result < 0) {
        errno = static_cast<int>(-result);
        return -1;
    }
    *length = room;
    return 0;
}

// Virtual time needs neither memory that is always there nor a thread that always runs.
MTCP_EXPORT int mlockall(int) noexcept { return 0; }
MTCP_EXPORT int sched_setscheduler(pid_t, int, const sched_param*) noexcept { return 0; }

// Packetdrill waits for ten ticks of this clock before it begins.
MTCP_EXPORT clock_t times(tms* spent) noexcept {
    static std::atomic<clock_t> ticks{1};
    if (spent != nullptr) *spent = {};
    return ticks.fetch_add(1);
}
