// SPDX-License-Identifier: Apache-2.0
// Checking the settings and putting the parts together.
#include "io/memif/memif_device.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "io/memif/control.h"
#include "io/memif/memif_queue.h"
#include "io/memif/socket_address.h"

namespace mtcp::io {
namespace {

constexpr std::uint32_t kEthernetHeader = 14;
constexpr std::uint32_t kMtuMin = 68;        // RFC 791: every host forwards that
constexpr std::uint32_t kBufferMax = 65535;  // lengths of other ends have 16 bits

Failure<Problem> bad(const std::string& what, const std::string& mend) {
    return failure(Problem{.what = what, .why = "", .mend = mend, .error = EINVAL});
}

Result<Done, Problem> check(const MemifConfig& config) {
    if (!memif::fits_address(config.socket)) {
        return bad("bad memif socket name '" + config.socket + "'",
                   "use a path or @name of 1 to 107 characters");
    }
    if (config.rings == 0 || config.rings > memif::kRingsMax) {
        return bad("memif cannot have " + std::to_string(config.rings) + " rings",
                   "choose from 1 to 256");
    }
    if (config.log2_ring_size < 1 || config.log2_ring_size > memif::kLog2RingSizeMax) {
        return bad("memif ring of 2^" + std::to_string(config.log2_ring_size) + " slots",
                   "choose an exponent from 1 to 14");
    }
    const std::uint32_t header = config.layer == Layer::ethernet ? kEthernetHeader : 0;
    if (config.mtu < kMtuMin || config.mtu > kBufferMax || config.buffer_size > kBufferMax ||
        config.mtu + header > config.buffer_size) {
        return bad("memif MTU " + std::to_string(config.mtu) + " with buffers of " +
                       std::to_string(config.buffer_size) + " bytes",
                   "choose buffers of at most 65535 bytes that hold a frame of the MTU");
    }
    if (config.secret.size() > memif::kSecretSize) {
        return bad("memif secret is too long", "use at most 24 characters");
    }
    if (memif::memory_needed(config) > memif::kRegionReach) {
        return bad("memif rings and buffers need more than 4 GB",
                   "choose fewer rings, shorter rings or smaller buffers");
    }
    return Done{};
}

MacAddress random_local_mac() {
    MacAddress mac;
    MTCP_ASSERT(::getrandom(mac.octet, sizeof mac.octet, 0) == sizeof mac.octet);
    mac.octet[0] = static_cast<std::uint8_t>((mac.octet[0] & 0xfcu) | 0x02u);
    return mac;
}

}  // namespace

MemifDevice::MemifDevice(const MemifConfig& config)
    : config_(config), mailbox_(std::make_unique<memif::SessionMailbox>()) {
    if (config_.layer == Layer::ip) {
        config_.mac = MacAddress{};
    } else if (config_.mac == MacAddress{}) {
        config_.mac = random_local_mac();
    }
}

MemifDevice::~MemifDevice() = default;

Result<std::unique_ptr<MemifDevice>, Problem> MemifDevice::open(const MemifConfig& config) {
    if (auto done = check(config); !done.ok()) return failure(done.error());
    std::unique_ptr<MemifDevice> device(new MemifDevice(config));
    bool good = device->mailbox_->open(config.rings);
    for (std::size_t i = 0; i < config.rings && good; ++i) {
        device->queues_.push_back(MemifQueue::make(device->config_, *device->mailbox_, i));
        good = device->queues_.back() != nullptr;
    }
    if (!good) {
        const int error = errno;
        return failure(Problem{.what = "no memory or descriptors for memif socket " + config.socket,
                               .why = std::strerror(error),
                               .mend = "ask for fewer rings, or raise the limits (ulimit -n, -v)",
                               .error = error});
    }
    auto control = memif::Control::start(device->config_, *device->mailbox_);
    if (!control.ok()) return failure(control.error());
    device->control_ = std::move(*control);
    return device;
}

Queue& MemifDevice::queue(std::size_t index) {
    MTCP_ASSERT(index < queues_.size());
    return *queues_[index];
}

bool MemifDevice::connected() const {
    std::uint32_t epoch = 0;
    return mailbox_->current(epoch) != nullptr;
}

std::string MemifDevice::description() const {
    std::string text = "memif on " + config_.socket + " id " + std::to_string(config_.id);
    text += config_.role == MemifRole::master ? ", master: " : ", slave: ";
    text += std::to_string(queues_.size()) + (queues_.size() == 1 ? " queue, " : " queues, ");
    std::uint32_t epoch = 0;
    const auto session = mailbox_->current(epoch);
    if (session == nullptr) return text + "no peer";
    text +=
        "connected to '" + session->peer_program + "' interface '" + session->peer_interface + "'";
    return text + (session->both_ends_ours ? ", in place" : ", copying from it");
}

}  // namespace mtcp::io
