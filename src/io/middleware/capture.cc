// SPDX-License-Identifier: Apache-2.0
// The few blocks of pcapng that a capture needs (draft-ietf-opsawg-pcapng): section header,
// interface description, enhanced packet. Numbers are in the machine's byte order, as the format
// allows: the section header tells which.
#include "io/middleware/capture.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "base/log.h"

namespace mtcp::io {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d'0d0a;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1a2b'3c4d;
constexpr std::uint16_t kLinkTypeEthernet = 1;
constexpr std::uint16_t kLinkTypeRaw = 101;
constexpr std::uint16_t kOptionEnd = 0;
constexpr std::uint16_t kOptionUserApplication = 4;
constexpr std::uint16_t kOptionInterfaceName = 2;
constexpr std::uint16_t kOptionTimeResolution = 9;
constexpr std::uint16_t kOptionPacketFlags = 2;
constexpr std::uint8_t kNanoseconds = 9;  // 10^-9

// Type, total length, interface, stamp (2), captured and original length; then after the bytes the
// option epb_flags, the end of options, and the total length again.
constexpr std::size_t kPacketHeader = 28;
constexpr std::size_t kPacketTrailer = 16;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

class BlockWriter {
  public:
    explicit BlockWriter(std::uint32_t type) {
        put(type);
        put(std::uint32_t{0});
    }
    template <typename T>
    void put(T value) {
        put_bytes(&value, sizeof value);
    }
    void put_option(std::uint16_t code, const void* value, std::size_t length) {
        put(code);
        put(static_cast<std::uint16_t>(length));
        put_bytes(value, length);
        block_.resize(padded(block_.size()));
    }
    std::span<const std::byte> finish() {
        const auto total = static_cast<std::uint32_t>(block_.size() + sizeof(std::uint32_t));
        std::memcpy(block_.data() + sizeof(std::uint32_t), &total, sizeof total);
        put(total);
        return block_;
    }

  private:
    void put_bytes(const void* from, std::size_t length) {
        const auto* bytes = static_cast<const std::byte*>(from);
        block_.insert(block_.end(), bytes, bytes + length);
    }
    std::vector<std::byte> block_;
};

// A pipe must neither hold up the start until somebody reads it (hence O_NONBLOCK) nor end the
// program when its reader has gone: SIGPIPE is the program's, not ours.
int open_for_writing(const std::string& path) {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK;
    const int descriptor = ::open(path.c_str(), flags, 0644);
    if (descriptor >= 0) static_cast<void>(::fcntl(descriptor, F_SETFL, 0));
    return descriptor;
}

ssize_t write_without_signal(int descriptor, std::span<const std::byte> bytes) {
    sigset_t broken_pipe;
    sigset_t before;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    const int error = errno;
    const timespec at_once{};
    if (count < 0 && error == EPIPE) ::sigtimedwait(&broken_pipe, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return count;
}

}  // namespace

Result<std::shared_ptr<CaptureFile>, Problem> CaptureFile::create(CaptureConfig config) {
    const int descriptor = open_for_writing(config.path);
    if (descriptor < 0) {
        const int error = errno;
        return failure(
            Problem{.what = "cannot write the capture " + config.path,
                    .why = error == ENXIO ? "nobody reads from this pipe" : std::strerror(error),
                    .mend = error == ENXIO ? "start the reader first, or name a file"
                                           : "name a file in a folder that can be written",
                    .error = error});
    }
    std::shared_ptr<CaptureFile> file(new CaptureFile(std::move(config), descriptor));
    BlockWriter section(kSectionHeader);
    section.put(kByteOrderMagic);
    section.put(std::uint16_t{1});  // version 1.0
    section.put(std::uint16_t{0});
    section.put(std::int64_t{-1});  // length of the section: not told
    section.put_option(kOptionUserApplication, "mtcp", 4);
    section.put_option(kOptionEnd, nullptr, 0);
    if (!file->append(section.finish())) {
        return failure(Problem{.what = "cannot write the capture " + file->config_.path,
                               .why = "there is no room for its first block",
                               .mend = "free some space",
                               .error = ENOSPC});
    }
    return file;
}

CaptureFile::~CaptureFile() { static_cast<void>(::close(descriptor_)); }

std::uint32_t CaptureFile::add_interface(const std::string& name, Layer layer) {
    BlockWriter block(kInterfaceDescription);
    block.put(layer == Layer::ethernet ? kLinkTypeEthernet : kLinkTypeRaw);
    block.put(std::uint16_t{0});
    block.put(config_.snap_bytes);
    block.put_option(kOptionInterfaceName, name.data(), std::min<std::size_t>(name.size(), 255));
    block.put_option(kOptionTimeResolution, &kNanoseconds, 1);
    block.put_option(kOptionEnd, nullptr, 0);
    const std::scoped_lock lock(mutex_);
    static_cast<void>(write_locked(block.finish()));
    return interfaces_++;
}

bool CaptureFile::append(std::span<const std::byte> blocks) {
    const std::scoped_lock lock(mutex_);
    return write_locked(blocks);
}

bool CaptureFile::write_locked(std::span<const std::byte> blocks) {
    if (stopped_) return false;
    if (written_ + blocks.size() > config_.bytes_max) {
        stopped_ = true;
        log(LogLevel::warning, "capture %s ends here: it has reached its limit of %llu bytes",
            config_.path.c_str(), static_cast<unsigned long long>(config_.bytes_max));
        return false;
    }
    const std::uint64_t whole_until = written_;
    while (!blocks.empty()) {
        const ssize_t count = write_without_signal(descriptor_, blocks);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            stopped_ = true;
            log(LogLevel::warning, "capture %s ends here: %s", config_.path.c_str(),
                std::strerror(errno));
            // Half a block would make the whole file unreadable to some.
            static_cast<void>(!::ftruncate(descriptor_, static_cast<off_t>(whole_until)));
            return false;
        }
        blocks = blocks.subspan(static_cast<std::size_t>(count));
        written_ += static_cast<std::uint64_t>(count);
    }
    return true;
}

CaptureQueue::CaptureQueue(Queue& inner, std::shared_ptr<CaptureFile> file, const std::string& name)
    : inner_(inner),
      file_(std::move(file)),
      interface_(file_->add_interface(name, inner.capabilities().layer)),
      snap_bytes_(file_->config().snap_bytes),
      offset_ns_(file_->config().wall_clock_offset_ns),
      buffer_(std::max(file_->config().buffer_bytes,
                       kPacketHeader + padded(snap_bytes_) + kPacketTrailer)) {}

CaptureQueue::~CaptureQueue() { flush(); }

std::size_t CaptureQueue::receive(std::span<Frame> frames, Instant now) {
    inner_.set_counters(counters_);  // whoever owns the outer queue knows only that one
    const std::size_t count = inner_.receive(frames, now);
    for (std::size_t done = 0; done < count && !stopped_;) {
        const auto rest = frames.subspan(done, count - done);
        const std::size_t fitting = make_room(rest);
        for (const Frame& frame : rest.first(fitting))
            record(frame, Direction::in, now);
        done += fitting;
    }
    flush_if_old(now);
    return count;
}

std::size_t CaptureQueue::transmit(std::span<Frame> frames, Instant now) {
    inner_.set_counters(counters_);
    std::size_t taken = 0;
    while (taken < frames.size() && !stopped_) {
        const auto rest = frames.subspan(taken, std::min(kBurst, frames.size() - taken));
        const auto burst = rest.first(make_room(rest));
        // Written down before they are sent: afterwards the bytes are no longer ours to read. What
        // the device does not take is struck out again.
        std::array<std::size_t, kBurst> used_before;
        for (std::size_t i = 0; i < burst.size(); ++i) {
            used_before[i] = used_;
            record(burst[i], Direction::out, now);
        }
        const std::size_t sent = inner_.transmit(burst, now);
        taken += sent;
        if (sent < burst.size()) {
            used_ = used_before[sent];
            captured_ -= burst.size() - sent;
            flush_if_old(now);
            return taken;
        }
    }
    flush_if_old(now);
    return taken + (taken < frames.size() ? inner_.transmit(frames.subspan(taken), now) : 0);
}

std::size_t CaptureQueue::block_bytes(const Frame& frame) const {
    return kPacketHeader + padded(std::min(frame.length, snap_bytes_)) + kPacketTrailer;
}

std::size_t CaptureQueue::make_room(std::span<const Frame> frames) {
    std::size_t bytes = 0;
    std::size_t count = 0;
    for (; count < frames.size(); ++count) {
        const std::size_t more = block_bytes(frames[count]);
        if (bytes + more > buffer_.size()) break;
        bytes += more;
    }
    if (used_ + bytes > buffer_.size()) flush();
    return count;
}

void CaptureQueue::record(const Frame& frame, Direction direction, Instant now) {
    if (used_ == 0) oldest_ = now;
    const std::uint32_t kept = std::min(frame.length, snap_bytes_);
    const auto total = static_cast<std::uint32_t>(block_bytes(frame));
    const auto stamp = static_cast<std::uint64_t>(now.ns + offset_ns_);
    const std::array<std::uint32_t, 7> header{kEnhancedPacket,
                                              total,
                                              interface_,
                                              static_cast<std::uint32_t>(stamp >> 32),
                                              static_cast<std::uint32_t>(stamp),
                                              kept,
                                              frame.length};
    static_assert(sizeof header == kPacketHeader);
    std::byte* out = buffer_.data() + used_;
    std::memcpy(out, header.data(), sizeof header);
    std::memcpy(out + kPacketHeader, frame.data, kept);
    const std::size_t end = kPacketHeader + padded(kept);
    std::memset(out + kPacketHeader + kept, 0, end - kPacketHeader - kept);
    const std::array<std::uint16_t, 2> option{kOptionPacketFlags, sizeof(std::uint32_t)};
    const std::array<std::uint32_t, 3> trailer{static_cast<std::uint32_t>(direction), 0, total};
    static_assert(sizeof option + sizeof trailer == kPacketTrailer);
    std::memcpy(out + end, option.data(), sizeof option);
    std::memcpy(out + end + sizeof option, trailer.data(), sizeof trailer);
    used_ += total;
    ++captured_;
}

void CaptureQueue::flush_if_old(Instant now) {
    if (used_ != 0 && now - oldest_ >= file_->config().flush_after) flush();
}

void CaptureQueue::flush() {
    if (used_ == 0) return;
    stopped_ |= !file_->append(std::span(buffer_).first(used_));
    used_ = 0;
}

bool CaptureQueue::prepare_wait() {
    flush();  // an idle core has the time, and the reader sees everything
    return inner_.prepare_wait();
}

}  // namespace mtcp::io
