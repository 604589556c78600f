// SPDX-License-Identifier: Apache-2.0
// Writes what passes through a queue into a pcapng file that Wireshark opens: nanosecond stamps,
// directions, one interface per queue. The counterpart of tcpdump for frames the kernel never sees.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "base/time.h"
#include "io/packet_io.h"

namespace mtcp::io {

struct CaptureConfig {
    std::string path;
    std::uint64_t bytes_max = std::uint64_t{1} << 30;  // the file grows no further
    std::uint32_t snap_bytes = 65'536 + 256;           // kept of each frame
    std::size_t buffer_bytes = 256 * 1024;  // per queue; a burst that fills it is written out
    Duration flush_after = milliseconds(200);
    // Unix time in nanoseconds at Instant{0}, so that stamps are of the wall clock.
    std::int64_t wall_clock_offset_ns = 0;
};

// One file, shared by the capturing queues of several cores. Its methods are thread safe; queues
// call them once per buffer, not per frame.
class CaptureFile {
  public:
    [[nodiscard]] static Result<std::shared_ptr<CaptureFile>, Problem> create(CaptureConfig config);
    CaptureFile(const CaptureFile&) = delete;
    CaptureFile& operator=(const CaptureFile&) = delete;
    ~CaptureFile();

    // Announces an interface; returns its number in the file.
    [[nodiscard]] std::uint32_t add_interface(const std::string& name, Layer layer);
    // Appends whole blocks. False when the size limit is reached or the disk refuses (logged once):
    // nothing is written any more.
    bool append(std::span<const std::byte> blocks);

    [[nodiscard]] const CaptureConfig& config() const { return config_; }

  private:
    CaptureFile(CaptureConfig config, int descriptor)
        : config_(std::move(config)), descriptor_(descriptor) {}
    bool write_locked(std::span<const std::byte> blocks);

    const CaptureConfig config_;
    std::mutex mutex_;
    int descriptor_;
    std::uint64_t written_ = 0;
    std::uint32_t interfaces_ = 0;
    bool stopped_ = false;
};

class CaptureQueue final : public Queue {
  public:
    // `inner` must outlive this queue. `name` is the interface's in the file: "veth0 queue 1".
    CaptureQueue(Queue& inner, std::shared_ptr<CaptureFile> file, const std::string& name);
    ~CaptureQueue() override;

    std::size_t receive(std::span<Frame> frames, Instant now) override;
    std::size_t allocate(std::span<Frame> frames) override { return inner_.allocate(frames); }
    std::size_t transmit(std::span<Frame> frames, Instant now) override;
    void release(std::span<Frame> frames) override { inner_.release(frames); }
    [[nodiscard]] const Capabilities& capabilities() const override {
        return inner_.capabilities();
    }
    bool prepare_wait() override;
    void finish_wait() override { inner_.finish_wait(); }
    [[nodiscard]] int wait_descriptor() const override { return inner_.wait_descriptor(); }
    [[nodiscard]] Instant next_deadline() const override { return inner_.next_deadline(); }

    // Writes out what is buffered.
    void flush();
    [[nodiscard]] std::uint64_t frames_captured() const { return captured_; }

  private:
    enum class Direction : std::uint8_t { in = 1, out = 2 };  // as in the option epb_flags
    [[nodiscard]] std::size_t block_bytes(const Frame& frame) const;
    // How many of `frames` fit into an empty buffer; at least 1. Writes out first when they need
    // it.
    [[nodiscard]] std::size_t make_room(std::span<const Frame> frames);
    void record(const Frame& frame, Direction direction, Instant now);
    void flush_if_old(Instant now);

    Queue& inner_;
    std::shared_ptr<CaptureFile> file_;
    std::uint32_t interface_ = 0;
    std::uint32_t snap_bytes_;
    std::int64_t offset_ns_;
    std::vector<std::byte> buffer_;  // never grows
    std::size_t used_ = 0;
    std::uint64_t captured_ = 0;
    Instant oldest_{};  // when the first frame in the buffer was recorded
    bool stopped_ = false;
};

}  // namespace mtcp::io
