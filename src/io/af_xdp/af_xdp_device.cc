// SPDX-License-Identifier: Apache-2.0
// Opening: which hook and buffers the interface can do, best first, and the words for what it
// cannot.
#include "io/af_xdp/af_xdp_device.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/log.h"
#include "io/af_xdp/fork_guard.h"

namespace mtcp::io {
namespace {

// What the kernel keeps free in front of a received frame in its buffer.
constexpr std::uint32_t kXdpHeadroom = 256;
constexpr std::uint32_t kEthernetHeader = 14;
constexpr std::uint32_t kVlanTag = 4;
// The kernel takes at most this many buffers for one transmitted frame (MAX_SKB_FRAGS, less one).
constexpr std::uint32_t kBuffersPerFrameMost = 16;
// Names newer than the headers of Debian 12.
constexpr std::uint16_t kXdpUseSg = 1 << 4;  // XDP_USE_SG, Linux 6.6
constexpr int kXdpMaxTxSkbBudget = 9;        // XDP_MAX_TX_SKB_BUDGET, Linux 6.17
constexpr std::uint32_t kTransmitsPerCall = 256;

struct Choice {
    XdpHook hook;
    FrameBuffers buffers;
};

std::uint32_t frame_bytes(std::uint32_t mtu) { return mtu + kEthernetHeader + kVlanTag; }

std::uint32_t buffer_size_for(const AfXdpConfig& config, std::uint32_t mtu) {
    if (config.frame_size != 0) return config.frame_size;
    return frame_bytes(mtu) <= 2048 - kXdpHeadroom ? 2048 : 4096;
}

bool fits_one_buffer(const AfXdpConfig& config, std::uint32_t mtu) {
    return frame_bytes(mtu) <= buffer_size_for(config, mtu) - kXdpHeadroom;
}

// Single buffers cost no copy; where a frame may be larger than one, several lose none of them.
// Generic mode is behind the segmentation of kernel peers, so that its frames may be large always.
std::vector<Choice> choices(const AfXdpConfig& config, std::uint32_t mtu) {
    std::vector<Choice> wanted;
    const bool fits = fits_one_buffer(config, mtu);
    if (fits) wanted.push_back({XdpHook::native, FrameBuffers::single});
    wanted.push_back({XdpHook::native, FrameBuffers::several});
    wanted.push_back({XdpHook::generic, FrameBuffers::several});
    if (!fits) wanted.push_back({XdpHook::native, FrameBuffers::single});
    wanted.push_back({XdpHook::generic, FrameBuffers::single});
    std::erase_if(wanted, [&config](const Choice& choice) {
        if (config.multi_buffer == MultiBuffer::off && choice.buffers == FrameBuffers::several) {
            return true;
        }
        return (config.mode == XdpMode::native && choice.hook != XdpHook::native) ||
               (config.mode == XdpMode::generic && choice.hook != XdpHook::generic);
    });
    return wanted;
}

// Another choice would meet the same.
bool is_final(int error) {
    switch (error) {
        case EPERM:
        case EACCES:
        case EBUSY:
        case ENOBUFS:
        case ENOMEM:
        case EAFNOSUPPORT:
        case ENETDOWN:
        case ENODEV: return true;
        default: return false;
    }
}

bool is_ring_size(std::uint32_t entries) { return std::has_single_bit(entries); }

Problem bad_configuration(std::string why, std::string mend) {
    return {"bad configuration of af_xdp", std::move(why), std::move(mend), EINVAL};
}

Result<Done, Problem> check(const AfXdpConfig& config) {
    const RingSizes& rings = config.rings;
    if (!is_ring_size(rings.fill) || !is_ring_size(rings.completion) ||
        !is_ring_size(rings.receive) || !is_ring_size(rings.transmit)) {
        return failure(bad_configuration("a ring size is not a power of two", "use 2048"));
    }
    if (config.frame_size != 0 && config.frame_size != 2048 && config.frame_size != 4096) {
        return failure(bad_configuration("the frame size is " + std::to_string(config.frame_size),
                                         "use 2048 or 4096, or 0 to have it chosen"));
    }
    if (config.frames_per_queue < 128 || config.frames_per_queue > (1U << 20)) {
        return failure(
            bad_configuration(std::to_string(config.frames_per_queue) + " frames for each queue",
                              "use 128 to 1048576; 4096 is the default"));
    }
    const auto bad_ipv4 = [](const Ipv4Prefix4& p) { return p.length < 0 || p.length > 32; };
    const auto bad_ipv6 = [](const Ipv6Prefix16& p) { return p.length < 0 || p.length > 128; };
    if (std::ranges::any_of(config.ipv4_prefixes, bad_ipv4) ||
        std::ranges::any_of(config.ipv6_prefixes, bad_ipv6)) {
        return failure(bad_configuration("a prefix length is out of range",
                                         "0 to 32 for IPv4, 0 to 128 for IPv6"));
    }
    return Done{};
}

std::string set_queues_command(const InterfaceFacts& interface, std::size_t queues) {
    const std::string count = std::to_string(queues);
    const std::string channels =
        interface.counts_directions ? "rx " + count + " tx " + count : "combined " + count;
    return "ethtool -L " + interface.name + " " + channels;
}

// A socket can be bound to a queue that only receives; the kernel takes nothing from it and calls
// that a success.
Result<Done, Problem> check_queues(const InterfaceFacts& interface, std::size_t queues) {
    const std::uint32_t most = interface.whole_queues();
    if (most == 0 || queues <= most) return Done{};
    std::string why = "it has " + std::to_string(most);
    if (interface.receive_queues > most) why += " to transmit";
    if (interface.transmit_queues > most) why += " to receive";
    std::string mend = "use fewer cores, or `" + set_queues_command(interface, queues) + "`";
    if (interface.driver == "veth") {
        mend += " (a veth must have been made with numrxqueues and numtxqueues as large)";
    }
    return failure(
        Problem{"cannot open " + std::to_string(queues) + " queues on '" + interface.name + "'",
                std::move(why), std::move(mend), EINVAL});
}

Result<Done, Problem> check(const InterfaceFacts& interface, std::size_t queues) {
    const std::string& name = interface.name;
    if (!interface.up) {
        return failure(Problem{"cannot use the interface '" + name + "'", "it is down",
                               "`ip link set dev " + name + " up`", ENETDOWN});
    }
    if (auto good = check_queues(interface, queues); !good) return good;
    if (queues < interface.receive_queues) {
        log(LogLevel::warning,
            "af_xdp on %s: %zu of %u receive queues are opened; frames on the others go to the "
            "kernel; mend: %s",
            name.c_str(), queues, interface.receive_queues,
            set_queues_command(interface, queues).c_str());
    }
    return Done{};
}

// Queues may have been added since they were counted.
std::string unclaimed_warning(const InterfaceFacts& interface, std::size_t queues) {
    return "af_xdp on " + interface.name + ": frames for our addresses arrive on receive queues " +
           "that are not opened, and go to the kernel; mend: " +
           set_queues_command(interface, queues) + ", or more cores";
}

std::string locked_memory_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return "unknown";
    return std::to_string(limit.rlim_cur / 1024) + " KiB";
}

// The soft limit is ours to raise.
bool raise_locked_memory_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return false;
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

std::string mend_for(const XskFailure& failed, const std::string& interface, std::size_t bytes) {
    using Step = XskFailure::Step;
    if (failed.error == EPERM) return "run as root, or grant CAP_NET_RAW";
    if (failed.step == Step::create && failed.error == EAFNOSUPPORT) {
        return "use a kernel with CONFIG_XDP_SOCKETS, or another back end (io = tap)";
    }
    if (failed.step == Step::register_area && failed.error == ENOBUFS) {
        return "the packet area locks " + std::to_string(bytes / 1024) +
               " KiB, `ulimit -l` allows " + locked_memory_limit() +
               " for all of this user's: raise it, grant CAP_IPC_LOCK, or use fewer frames or "
               "queues";
    }
    if (failed.step == Step::bind && failed.error == EBUSY) {
        return "another AF_XDP socket is bound to the queue; `ss --xdp -p` names its process";
    }
    if (failed.step == Step::bind && failed.error == ENETDOWN) {
        return "`ip link set dev " + interface + " up`";
    }
    return "choose generic mode (mode = generic), or another back end (io = tap)";
}

Problem socket_problem(const XskFailure& failed, const std::string& queue,
                       const std::string& interface, std::size_t bytes) {
    static constexpr const char* kSteps[] = {
        "cannot make an AF_XDP socket", "cannot register the packet area", "cannot make the rings",
        "cannot map the rings", "cannot bind the AF_XDP socket"};
    const char* step = kSteps[static_cast<std::size_t>(failed.step)];
    return {step + (" for " + queue), std::strerror(failed.error),
            mend_for(failed, interface, bytes), failed.error};
}

// Both directions get as much memory; a frame of several buffers takes its share.
AreaLayout layout_for(const AfXdpConfig& config, std::uint32_t mtu, FrameBuffers buffers) {
    AreaLayout layout;
    layout.buffer_size = buffer_size_for(config, mtu);
    layout.receive_buffers = config.frames_per_queue / 2;
    const std::uint32_t sent_buffers = config.frames_per_queue - layout.receive_buffers;
    if (buffers == FrameBuffers::several) {
        const auto bytes = frame_bytes(mtu) + static_cast<std::uint32_t>(kFrameHeadroom);
        const std::uint32_t needed = (bytes + layout.buffer_size - 1) / layout.buffer_size;
        layout.buffers_per_frame = std::min(needed, kBuffersPerFrameMost);
    }
    layout.transmit_frames = sent_buffers / layout.buffers_per_frame;
    return layout;
}

Capabilities capabilities_for(const AreaLayout& layout, std::uint32_t mtu, FrameBuffers buffers) {
    const auto sent = static_cast<std::uint32_t>(layout.transmit_frame_size() - kFrameHeadroom);
    const std::uint32_t most =
        buffers == FrameBuffers::several ? sent : std::min(sent, layout.buffer_size - kXdpHeadroom);
    Capabilities capabilities;
    capabilities.layer = Layer::ethernet;
    capabilities.mtu = std::min(mtu, most - kEthernetHeader - kVlanTag);
    capabilities.frame_size = capabilities.mtu + kEthernetHeader;
    return capabilities;
}

// Where a frame larger than the MTU comes from, and how to stop it.
std::string oversize_mend(const InterfaceFacts& interface, XdpHook hook) {
    if (interface.driver == "veth") return "ethtool -K PEER tso off gso off (PEER: the other end)";
    if (hook == XdpHook::generic) return "ethtool -K " + interface.name + " gro off lro off";
    return "ip link set dev " + interface.name + " mtu 1500";
}

void warn_of_limits(const InterfaceFacts& interface, const Choice& choice,
                    const Capabilities& capabilities) {
    const char* name = interface.name.c_str();
    if (choice.hook == XdpHook::generic) {
        const bool lost = choice.buffers == FrameBuffers::single;
        log(LogLevel::warning,
            "af_xdp on %s: generic mode: slower, all frames may come on queue 0, and large frames "
            "(GSO, GRO) are %s; mend: %s",
            name, lost ? "dropped" : "copied", oversize_mend(interface, choice.hook).c_str());
    }
    if (capabilities.mtu < interface.mtu) {
        log(LogLevel::warning,
            "af_xdp on %s: the MTU is %u, but frames of more than %u bytes do not fit a buffer and "
            "are dropped (several buffers need Linux 6.6); mend: ip link set dev %s mtu %u",
            name, interface.mtu, capabilities.mtu + kEthernetHeader, name, capabilities.mtu);
    }
}

// The kernel unbinds the socket of a process that has just ended a moment later, from a work queue.
Result<Done, XskFailure> bind_patiently(XskSocket& socket, int interface, std::uint32_t queue,
                                        std::uint16_t flags) {
    constexpr int kTries = 100;
    constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 10'000'000};
    auto bound = socket.bind(interface, queue, flags);
    for (int i = 0; i < kTries && !bound && bound.error().error == EBUSY; ++i) {
        static_cast<void>(::nanosleep(&kPause, nullptr));
        bound = socket.bind(interface, queue, flags);
    }
    return bound;
}

BusyPoll prefer_busy_poll(const XskSocket& socket, const AfXdpConfig& config, const char* name) {
    const int prefer = 1;
    const int microseconds = static_cast<int>(config.busy_poll_microseconds);
    const int budget = static_cast<int>(config.busy_poll_budget);
    const std::pair<int, const int*> options[] = {{SO_PREFER_BUSY_POLL, &prefer},
                                                  {SO_BUSY_POLL, &microseconds},
                                                  {SO_BUSY_POLL_BUDGET, &budget}};
    for (const auto& [option, value] : options) {
        if (::setsockopt(socket.descriptor(), SOL_SOCKET, option, value, sizeof *value) == 0) {
            continue;
        }
        log(LogLevel::warning,
            "af_xdp on %s: no busy polling: %s; mend: Linux 5.11 and CAP_NET_ADMIN", name,
            std::strerror(errno));
        return BusyPoll::off;
    }
    return BusyPoll::on;
}

// A copying socket is charged for frames on their way; the default limit is some hundred frames.
void widen_transmit(const XskSocket& socket, const RingSizes& rings) {
    const int bytes = static_cast<int>(rings.transmit) * 4096;
    if (::setsockopt(socket.descriptor(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
        static_cast<void>(
            ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));
    }
    const std::uint32_t budget = std::min(kTransmitsPerCall, rings.transmit);
    static_cast<void>(
        ::setsockopt(socket.descriptor(), SOL_XDP, kXdpMaxTxSkbBudget, &budget, sizeof budget));
}

}  // namespace

AfXdpDevice::AfXdpDevice(InterfaceFacts interface, XdpHook hook, FrameBuffers buffers)
    : interface_(std::move(interface)), hook_(hook), buffers_(buffers) {}

AfXdpDevice::~AfXdpDevice() { forget_device(this); }

void AfXdpDevice::abandon() {
    program_->abandon();
    for (const std::unique_ptr<AfXdpQueue>& queue : queues_)
        queue->abandon();
}

Result<std::unique_ptr<AfXdpDevice>, Problem> AfXdpDevice::open(const AfXdpConfig& given) {
    AfXdpConfig config = given;
    if (const auto good = check(config); !good) return failure(good.error());
    const auto interface = read_interface(config.interface);
    if (!interface) return failure(interface.error());
    if (config.queues == 0) config.queues = std::max(interface->whole_queues(), 1U);
    if (const auto good = check(*interface, config.queues); !good) return failure(good.error());

    Problem last;
    for (const Choice& choice : choices(config, interface->mtu)) {
        auto device = open_as(*interface, config, choice.hook, choice.buffers);
        if (!device && (device.error().error == EMFILE || device.error().error == ENFILE)) {
            Problem none_left = device.error();
            none_left.mend = "raise the limit of open files (`ulimit -n`)";
            return failure(std::move(none_left));
        }
        if (device) {
            warn_of_limits(*interface, choice, (*device)->queue(0).capabilities());
            guard_against_fork(device->get());
            return device;
        }
        if (is_final(device.error().error)) return device;
        log(LogLevel::info, "af_xdp on %s: %s", interface->name.c_str(),
            device.error().text().c_str());
        last = device.error();
    }
    return failure(last);
}

// Attached before the sockets are bound: the driver's mode decides what they can do. Until the last
// line the program finds no socket and passes everything on.
Result<std::unique_ptr<AfXdpDevice>, Problem> AfXdpDevice::open_as(const InterfaceFacts& interface,
                                                                   const AfXdpConfig& config,
                                                                   XdpHook hook,
                                                                   FrameBuffers buffers) {
    std::unique_ptr<AfXdpDevice> device(new AfXdpDevice(interface, hook, buffers));
    const auto queues = static_cast<std::uint32_t>(config.queues);
    auto program = RedirectProgram::attach(interface, hook, buffers,
                                           {config.ipv4_prefixes, config.ipv6_prefixes}, queues);
    if (!program) return failure(program.error());
    device->program_ = std::move(*program);
    for (std::uint32_t i = 0; i < queues; ++i) {
        if (const auto opened = device->open_queue(config, i); !opened) {
            return failure(opened.error());
        }
    }
    for (std::uint32_t i = 0; i < queues; ++i) {
        const int socket = device->queues_[i]->wait_descriptor();
        if (const int error = device->program_->set_socket(i, socket); error != 0) {
            return failure(Problem{"cannot direct frames to the AF_XDP sockets",
                                   std::strerror(error), "needs CONFIG_XDP_SOCKETS", error});
        }
    }
    if (std::uint64_t* frames = device->program_->unclaimed(); frames != nullptr) {
        device->queues_.front()->count_unclaimed(frames, unclaimed_warning(interface, queues));
    }
    return device;
}

Result<Done, Problem> AfXdpDevice::open_queue(const AfXdpConfig& config, std::uint32_t index) {
    AfXdpQueue::Parts parts;
    parts.name = interface_.name + " queue " + std::to_string(index);
    parts.layout = layout_for(config, interface_.mtu, buffers_);
    parts.capabilities = capabilities_for(parts.layout, interface_.mtu, buffers_);
    parts.oversize_mend = oversize_mend(interface_, hook_);
    // A veth is memory, and in generic mode the frame may have come to this interface from another:
    // from a macvlan's neighbour, from a host (virtio_net), out of GRO.
    if (interface_.driver == "veth" || hook_ == XdpHook::generic) {
        parts.received_checksum = Checksum::partial;
    }

    const std::size_t bytes = parts.layout.size();
    const Problem no_memory{"cannot allocate the packet area for " + parts.name,
                            std::strerror(ENOMEM), "use fewer frames or queues", ENOMEM};
    parts.area = std::make_unique<Region>(Region::map(bytes, config.pages));
    if (parts.area->data() == nullptr) return failure(no_memory);
    const PacketArea area{parts.area->data(), bytes, parts.layout.buffer_size};
    auto socket = XskSocket::open(area, config.rings);
    if (!socket && socket.error().error == ENOBUFS && raise_locked_memory_limit()) {
        socket = XskSocket::open(area, config.rings);
    }
    if (!socket) {
        return failure(socket_problem(socket.error(), parts.name, interface_.name, bytes));
    }
    widen_transmit(*socket, config.rings);
    // Zero-copy is what the kernel tries first by itself; it needs the driver's own hook.
    const bool copy = hook_ == XdpHook::generic || config.zero_copy == ZeroCopy::off;
    const auto flags =
        static_cast<std::uint16_t>(XDP_USE_NEED_WAKEUP | (copy ? XDP_COPY : 0) |
                                   (buffers_ == FrameBuffers::several ? kXdpUseSg : 0));
    const auto bound = bind_patiently(*socket, interface_.index, index, flags);
    if (!bound) {
        return failure(socket_problem(bound.error(), parts.name, interface_.name, bytes));
    }
    if (config.busy_poll == BusyPoll::on) {
        parts.busy_poll = prefer_busy_poll(*socket, config, parts.name.c_str());
        busy_poll_ = parts.busy_poll;
    }
    if (index == 0) {
        parts.watch = std::make_unique<InterfaceWatch>(interface_, parts.capabilities.mtu);
    }
    parts.socket = std::move(*socket);
    queues_.push_back(AfXdpQueue::make(std::move(parts)));
    if (queues_.back() == nullptr) return failure(no_memory);
    return Done{};
}

std::string AfXdpDevice::description() const {
    std::string line = "af_xdp on " + interface_.name + ": " + std::to_string(queues_.size()) +
                       (queues_.size() == 1 ? " queue, " : " queues, ");
    line += hook_ == XdpHook::native ? "native mode, " : "generic mode, ";
    line += queues_.front()->zero_copy() ? "zero-copy" : "copy";
    if (buffers_ == FrameBuffers::several) line += ", frames in several buffers";
    if (queues_.front()->on_huge_pages()) line += ", huge pages";
    if (busy_poll_ == BusyPoll::on) line += ", busy polling";
    return line;
}

}  // namespace mtcp::io
