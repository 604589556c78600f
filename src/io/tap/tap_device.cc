// SPDX-License-Identifier: Apache-2.0
// Making a TUN/TAP interface and attaching one descriptor per queue to it.
#include "io/tap/tap_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "io/forked_child.h"
#include "io/tap/holder.h"
#include "io/tap/kernel_side.h"
#include "io/tap/tap_queue.h"

namespace mtcp::io {
namespace {

constexpr const char* kControlPath = "/dev/net/tun";
constexpr std::size_t kQueuesMax = 256;  // the kernel's own limit

Problem cannot_open_control(int error) {
    Problem problem{.what = std::string("cannot open ") + kControlPath,
                    .why = std::strerror(error),
                    .mend = "",
                    .error = error};
    if (error == ENOENT || error == ENODEV || error == ENXIO) {
        problem.mend = "load the module (modprobe tun); in a container, pass the device through";
    } else if (error == EACCES || error == EPERM) {
        problem.mend = "run as root, or make the device readable and writable for this user";
    }
    return problem;
}

Problem cannot_attach(const std::string& name, int error) {
    Problem problem{.what = "cannot attach to the interface '" + name + "'",
                    .why = std::strerror(error),
                    .mend = "",
                    .error = error};
    if (error == EPERM) {
        problem.mend = "run as root, or grant CAP_NET_ADMIN";
    } else if (error == EBUSY) {
        const std::string holder = find_tap_holder(name);
        problem.mend = (holder.empty() ? std::string("another process") : holder) +
                       " holds it: stop that one, or choose another name";
    } else if (error == EINVAL) {
        problem.mend =
            "an interface of another kind has this name: choose another one, or recreate it "
            "with 'ip tuntap add NAME mode tap multi_queue vnet_hdr'";
    } else if (error == E2BIG) {
        problem.mend = "ask for fewer queues";
    }
    return problem;
}

// A multi-queue interface lets any process add queues, which then take a share of its frames. Only
// an interface that we made, or a persistent one that was made to be attached to, is ours to use.
int attach_first(int descriptor, ifreq& request) {
    const ifreq wanted = request;
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_TUN_EXCL);
    if (::ioctl(descriptor, TUNSETIFF, &request) == 0) return 0;
    if (errno != EBUSY) return errno;
    request = wanted;
    if (::ioctl(descriptor, TUNSETIFF, &request) < 0) return errno;
    ifreq found{};
    if (::ioctl(descriptor, TUNGETIFF, &found) < 0) return errno;
    return (found.ifr_flags & IFF_PERSIST) != 0 ? 0 : EBUSY;
}

int attach_further(int descriptor, ifreq& request) {
    return ::ioctl(descriptor, TUNSETIFF, &request) < 0 ? errno : 0;
}

// Opens queue `index` on the interface `name` and writes back the name the kernel chose.
Result<int, Problem> attach(std::string& name, TapKind kind, std::size_t index) {
    const int descriptor = ::open(kControlPath, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) return failure(cannot_open_control(errno));
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    const int mode = kind == TapKind::tap ? IFF_TAP : IFF_TUN;
    request.ifr_flags = static_cast<short>(mode | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
    const int error =
        index == 0 ? attach_first(descriptor, request) : attach_further(descriptor, request);
    if (error != 0) {
        static_cast<void>(::close(descriptor));
        return failure(cannot_attach(name, error));
    }
    int header_size = 10;  // struct virtio_net_hdr; a persistent interface may remember another
    static_cast<void>(::ioctl(descriptor, TUNSETVNETHDRSZ, &header_size));
    name = request.ifr_name;
    close_in_forked_child(descriptor);
    return descriptor;
}

TapOffload offload_granted(int descriptor, TapOffload wanted) {
    const unsigned int flags =
        wanted == TapOffload::none ? 0u : TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    const bool granted = ::ioctl(descriptor, TUNSETOFFLOAD, flags) == 0;
    return granted ? wanted : TapOffload::none;
}

MacAddress random_local_mac() {
    MacAddress mac;
    // getrandom of fewer than 256 bytes is not interrupted once the pool is seeded.
    MTCP_ASSERT(::getrandom(mac.octet, sizeof mac.octet, 0) == sizeof mac.octet);
    mac.octet[0] = static_cast<std::uint8_t>((mac.octet[0] & 0xfcu) | 0x02u);
    return mac;
}

Result<Done, Problem> check(const TapConfig& config) {
    if (config.queues == 0 || config.queues > kQueuesMax) {
        return failure(Problem{
            .what = "a TUN/TAP interface cannot have " + std::to_string(config.queues) + " queues",
            .why = "",
            .mend = "choose from 1 to 256",
            .error = EINVAL});
    }
    if (config.name.size() >= IFNAMSIZ) {
        return failure(Problem{.what = "interface name '" + config.name + "' is too long",
                               .why = "",
                               .mend = "use at most 15 characters",
                               .error = EINVAL});
    }
    if (config.name.find_first_of("/: \t\n") != std::string::npos || config.name == "." ||
        config.name == "..") {
        return failure(Problem{.what = "no interface can be called '" + config.name + "'",
                               .why = "",
                               .mend = "use letters and digits",
                               .error = EINVAL});
    }
    return Done{};
}

Result<Done, Problem> set_up_kernel_side(const std::string& name, const TapConfig& config) {
    if (auto done = set_mtu(name, config.mtu); !done.ok()) return done;
    if (!config.kernel_address.empty()) {
        if (auto done = set_kernel_address(name, config.kernel_address); !done.ok()) return done;
    }
    return bring_up(name);
}

}  // namespace

TapDevice::~TapDevice() = default;

Result<std::unique_ptr<TapDevice>, Problem> TapDevice::open(const TapConfig& config) {
    if (auto done = check(config); !done.ok()) return failure(done.error());
    std::unique_ptr<TapDevice> device(new TapDevice);
    device->name_ = config.name;
    device->kind_ = config.kind;
    for (std::size_t i = 0; i < config.queues; ++i) {
        auto descriptor = attach(device->name_, config.kind, i);
        if (!descriptor.ok()) return failure(descriptor.error());
        device->offload_ = offload_granted(*descriptor, config.offload);
        TapConfig named = config;
        named.name = device->name_;
        auto queue = TapQueue::make(*descriptor, named, device->offload_);
        if (queue == nullptr) {
            return failure(Problem{.what = "no memory for the buffers of '" + device->name_ + "'",
                                   .why = std::strerror(ENOMEM),
                                   .mend = "ask for fewer queues",
                                   .error = ENOMEM});
        }
        device->queues_.push_back(std::move(queue));
    }
    if (auto done = set_up_kernel_side(device->name_, config); !done.ok()) {
        return failure(done.error());
    }
    if (config.kind == TapKind::tap) device->mac_ = random_local_mac();
    return device;
}

Queue& TapDevice::queue(std::size_t index) {
    MTCP_ASSERT(index < queues_.size());
    return *queues_[index];
}

std::string TapDevice::description() const {
    std::string text = kind_ == TapKind::tap ? "tap on " : "tun on ";
    text += name_ + ": " + std::to_string(queues_.size());
    text += queues_.size() == 1 ? " queue, " : " queues, ";
    text += offload_ == TapOffload::none ? "no offloads" : "checksum and segmentation offload";
    return text;
}

}  // namespace mtcp::io
