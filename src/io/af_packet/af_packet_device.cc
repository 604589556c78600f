// SPDX-License-Identifier: Apache-2.0
// Opening a packet socket, and bursts over recvmmsg and sendmmsg.
#include "io/af_packet/af_packet_device.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/middleware/software_offload.h"

namespace mtcp::io {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kVlanTag = 4;
constexpr std::size_t kTypeOffset = 12;
constexpr std::size_t kBufferBytes = 65'536 + 256;  // a large segment and its headers
constexpr std::size_t kStride = kFrameHeadroom + kBufferBytes;
static_assert(kStride % kCacheLine == 0);
constexpr int kReceiveBufferBytes = 8 << 20;
constexpr std::uint32_t kSegmentationMax = 65'535;
constexpr std::uint16_t kTcpChecksumOffset = 16;

// struct virtio_net_hdr of the virtio specification, §5.1.6; <linux/virtio_net.h> is not C++.
struct VirtioHeader {
    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t header_length = 0;
    std::uint16_t segment_size = 0;
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(VirtioHeader) == 10);
constexpr unsigned kNeedsChecksum = 1;
constexpr unsigned kDataValid = 2;
constexpr std::uint8_t kGsoNone = 0;
constexpr std::uint8_t kGsoTcp4 = 1;
constexpr std::uint8_t kGsoTcp6 = 4;
constexpr unsigned kGsoEcn = 0x80;

Failure<Problem> cannot_open(const std::string& interface, int error) {
    std::string mend;
    if (error == EPERM) mend = "run as root, or grant CAP_NET_RAW";
    if (error == ENODEV) mend = "`ip link` lists the interfaces";
    if (error == ENETDOWN) mend = "ip link set " + interface + " up";
    return failure(Problem{.what = "cannot open a packet socket on " + interface,
                           .why = std::strerror(error),
                           .mend = std::move(mend),
                           .error = error});
}

int set_option(int descriptor, int option, const auto& value) {
    return ::setsockopt(descriptor, SOL_PACKET, option, &value, sizeof value) == 0 ? 0 : errno;
}

// Returns an errno, or 0.
int bind_to(int descriptor, int index, PacketOffload offload) {
    const int on = 1;
    if (offload == PacketOffload::checksum_and_segmentation) {
        if (const int error = set_option(descriptor, PACKET_VNET_HDR, on)) return error;
    }
    if (const int error = set_option(descriptor, PACKET_AUXDATA, on)) return error;
    // What we send ourselves, and what the kernel sends on this interface, is not for us.
    if (const int error = set_option(descriptor, PACKET_IGNORE_OUTGOING, on)) return error;
    packet_mreq membership{};
    membership.mr_ifindex = index;
    membership.mr_type = PACKET_MR_PROMISC;
    if (const int error = set_option(descriptor, PACKET_ADD_MEMBERSHIP, membership)) return error;
    // Bursts while the process does not run; needs CAP_NET_ADMIN, and works less well without.
    static_cast<void>(::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes,
                                   sizeof kReceiveBufferBytes));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = index;
    return ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0
               ? 0
               : errno;
}

std::uint8_t segmentation_of(const Frame& frame) {
    return ip_version_of(frame.bytes(), Layer::ethernet) == 6 ? kGsoTcp6 : kGsoTcp4;
}

}  // namespace

struct AfPacketQueue::Messages {
    std::array<mmsghdr, kBurst> headers{};
    std::array<std::array<iovec, 2>, kBurst> vectors{};
    std::array<VirtioHeader, kBurst> offloads{};
    struct alignas(cmsghdr) Control {
        std::array<std::byte, CMSG_SPACE(sizeof(tpacket_auxdata))> bytes;
    };
    std::array<Control, kBurst> controls{};

    void prepare(std::size_t index, void* data, std::size_t length, bool with_offload) {
        vectors[index][0] = {&offloads[index], sizeof offloads[index]};
        vectors[index][1] = {data, length};
        msghdr& header = headers[index].msg_hdr;
        header = {};
        header.msg_iov = vectors[index].data() + (with_offload ? 0 : 1);
        header.msg_iovlen = with_offload ? 2 : 1;
    }
    void prepare_control(std::size_t index) {
        headers[index].msg_hdr.msg_control = controls[index].bytes.data();
        headers[index].msg_hdr.msg_controllen = controls[index].bytes.size();
    }
    // The VLAN tag that the kernel has taken out of the frame: true when there was one.
    [[nodiscard]] bool vlan_tag(std::size_t index, std::array<std::uint16_t, 2>& tag) const {
        msghdr header = headers[index].msg_hdr;
        for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
             part = CMSG_NXTHDR(&header, part)) {
            if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA) continue;
            tpacket_auxdata facts;
            std::memcpy(&facts, CMSG_DATA(part), sizeof facts);
            if ((facts.tp_status & TP_STATUS_VLAN_VALID) == 0) return false;
            const bool typed = (facts.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
            tag = {htons(typed ? facts.tp_vlan_tpid : std::uint16_t{ETH_P_8021Q}),
                   htons(facts.tp_vlan_tci)};
            return true;
        }
        return false;
    }
};

AfPacketQueue::AfPacketQueue(int descriptor, const AfPacketConfig& config, std::uint32_t mtu)
    : descriptor_(descriptor),
      offload_(config.offload == PacketOffload::checksum_and_segmentation),
      capabilities_{.layer = Layer::ethernet,
                    .mtu = mtu,
                    .frame_size = mtu + static_cast<std::uint32_t>(kEthernetHeader),
                    .transmit_checksum = offload_,
                    .transmit_segmentation = offload_ ? kSegmentationMax : 0},
      messages_(std::make_unique<Messages>()) {}

AfPacketQueue::~AfPacketQueue() { static_cast<void>(::close(descriptor_)); }

bool AfPacketQueue::reserve(std::uint32_t frames) {
    memory_ = Region::map(frames * kStride, Pages::normal);
    if (memory_.data() == nullptr) return false;
    free_.reserve(frames);
    for (std::uint32_t i = frames; i > 0; --i)
        free_.push_back(i - 1);
    return true;
}

std::byte* AfPacketQueue::buffer(std::uint32_t index) const {
    return memory_.data() + index * kStride + kFrameHeadroom;
}

std::size_t AfPacketQueue::receive(std::span<Frame> frames, Instant) {
    const std::size_t wanted = std::min({frames.size(), kBurst, free_.size()});
    const std::size_t first = free_.size() - wanted;
    for (std::size_t i = 0; i < wanted; ++i) {
        messages_->prepare(i, buffer(free_[first + i]), kBufferBytes, offload_);
        messages_->prepare_control(i);
    }
    const int got = ::recvmmsg(descriptor_, messages_->headers.data(),
                               static_cast<unsigned>(wanted), MSG_DONTWAIT | MSG_TRUNC, nullptr);
    const std::size_t arrived = got < 0 ? 0 : static_cast<std::size_t>(got);
    more_expected_ = arrived == wanted && wanted != 0;
    std::array<std::uint32_t, kBurst> unused;
    std::size_t unused_count = 0;
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < wanted; ++i) {
        const std::uint32_t index = free_[first + i];
        Frame frame{.data = buffer(index), .token = index};
        if (i < arrived && accept(frame, *messages_, i)) {
            frames[accepted++] = frame;
        } else {
            unused[unused_count++] = index;
        }
    }
    free_.resize(first);
    free_.insert(free_.end(), unused.begin(),
                 unused.begin() + static_cast<std::ptrdiff_t>(unused_count));
    return accepted;
}

bool AfPacketQueue::accept(Frame& frame, const Messages& messages, std::size_t index) {
    const std::size_t prefix = offload_ ? sizeof(VirtioHeader) : 0;
    const std::size_t length = messages.headers[index].msg_len;
    if (length < prefix + kEthernetHeader) {
        count_drop(Drop::ethernet_short);
        return false;
    }
    if (length - prefix > kBufferBytes) {
        count_drop(Drop::io_oversize);
        return false;
    }
    frame.length = static_cast<std::uint32_t>(length - prefix);
    frame.capacity = static_cast<std::uint32_t>(kBufferBytes);
    if (offload_) {
        const VirtioHeader& offload = messages.offloads[index];
        const unsigned segmentation = offload.gso_type & ~kGsoEcn;
        if (segmentation == kGsoTcp4 || segmentation == kGsoTcp6) {
            frame.segment_size = offload.segment_size;
            frame.header_length = offload.header_length;
        } else if (segmentation != kGsoNone) {
            count_drop(Drop::io_oversize);  // UDP segmentation: nobody behind us could cut it
            return false;
        }
        if ((offload.flags & kDataValid) != 0) frame.checksum = Checksum::verified;
        if ((offload.flags & kNeedsChecksum) != 0) {
            if (offload.checksum_offset == kTcpChecksumOffset) {
                frame.checksum = Checksum::partial;
                frame.checksum_start = offload.checksum_start;
            } else {
                static_cast<void>(finish_partial_checksum(frame.bytes(), offload.checksum_start,
                                                          offload.checksum_offset));
            }
        }
    }
    std::array<std::uint16_t, 2> tag{};
    if (messages.vlan_tag(index, tag)) {
        frame.data -= kVlanTag;
        std::memmove(frame.data, frame.data + kVlanTag, kTypeOffset);
        std::memcpy(frame.data + kTypeOffset, tag.data(), kVlanTag);
        frame.length += static_cast<std::uint32_t>(kVlanTag);
        if (frame.checksum == Checksum::partial) frame.checksum_start += kVlanTag;
        if (frame.header_length != 0) frame.header_length += kVlanTag;
    }
    return true;
}

std::size_t AfPacketQueue::allocate(std::span<Frame> frames) {
    // A burst's worth stays for receiving: who only sends would never hear an answer.
    const std::size_t spare = free_.size() > kBurst ? free_.size() - kBurst : 0;
    const std::size_t count = std::min(frames.size(), spare);
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t index = free_.back();
        free_.pop_back();
        frames[i] = Frame{.data = buffer(index),
                          .capacity = static_cast<std::uint32_t>(kBufferBytes),
                          .token = index};
    }
    return count;
}

std::size_t AfPacketQueue::transmit(std::span<Frame> frames, Instant) {
    std::size_t taken = 0;
    while (taken < frames.size()) {
        const std::size_t wanted = std::min(kBurst, frames.size() - taken);
        const std::size_t sent = transmit_burst(frames.subspan(taken, wanted));
        taken += sent;
        if (sent == 0) break;
    }
    release(frames.first(taken));
    return taken;
}

std::size_t AfPacketQueue::transmit_burst(std::span<Frame> frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const Frame& frame = frames[i];
        messages_->prepare(i, frame.data, frame.length, offload_);
        VirtioHeader& offload = messages_->offloads[i];
        offload = {};
        if (frame.checksum == Checksum::partial) {
            offload.flags = kNeedsChecksum;
            offload.checksum_start = frame.checksum_start;
            offload.checksum_offset = kTcpChecksumOffset;
            if (frame.segment_size != 0) {
                offload.gso_type = segmentation_of(frame);
                offload.segment_size = frame.segment_size;
                offload.header_length = frame.header_length;
            }
        }
    }
    const int sent = ::sendmmsg(descriptor_, messages_->headers.data(),
                                static_cast<unsigned>(frames.size()), MSG_DONTWAIT);
    if (sent > 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return 0;
    // This frame will never leave (too long, interface down): it must not block those behind it.
    count_drop(errno == EMSGSIZE ? Drop::io_oversize : Drop::io_device_refused);
    return 1;
}

void AfPacketQueue::release(std::span<Frame> frames) {
    for (const Frame& frame : frames)
        free_.push_back(static_cast<std::uint32_t>(frame.token));
}

Result<std::unique_ptr<AfPacketDevice>, Problem> AfPacketDevice::open(
    const AfPacketConfig& config) {
    if (config.frames <= 2 * kBurst) {
        return failure(Problem{.what = "cannot open a packet socket on " + config.interface,
                               .why = "too few frames: " + std::to_string(config.frames),
                               .mend = "ask for more than " + std::to_string(2 * kBurst),
                               .error = EINVAL});
    }
    ifreq request{};
    if (config.interface.empty() || config.interface.size() >= sizeof request.ifr_name) {
        return cannot_open(config.interface, ENODEV);
    }
    std::memcpy(request.ifr_name, config.interface.data(), config.interface.size());
    // Protocol 0: it hears nothing before it is bound to its interface.
    const int descriptor = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return cannot_open(config.interface, errno);
    if (::ioctl(descriptor, SIOCGIFMTU, &request) != 0) {
        const int error = errno;
        static_cast<void>(::close(descriptor));
        return cannot_open(config.interface, error);
    }
    std::unique_ptr<AfPacketDevice> device(new AfPacketDevice);
    device->config_ = config;
    device->queue_ = std::make_unique<AfPacketQueue>(descriptor, config,
                                                     static_cast<std::uint32_t>(request.ifr_mtu));
    if (::ioctl(descriptor, SIOCGIFHWADDR, &request) != 0)
        return cannot_open(config.interface, errno);
    std::memcpy(device->mac_.octet, request.ifr_hwaddr.sa_data, sizeof device->mac_.octet);
    if (::ioctl(descriptor, SIOCGIFINDEX, &request) != 0)
        return cannot_open(config.interface, errno);
    if (const int error = bind_to(descriptor, request.ifr_ifindex, config.offload)) {
        return cannot_open(config.interface, error);
    }
    if (!device->queue_->reserve(config.frames)) return cannot_open(config.interface, ENOMEM);
    return device;
}

std::string AfPacketDevice::description() const {
    return "af_packet on " + config_.interface + ": 1 queue, copy, " +
           (config_.offload == PacketOffload::none ? "no offload"
                                                   : "checksum and segmentation offload");
}

}  // namespace mtcp::io
