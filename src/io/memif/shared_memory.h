// SPDX-License-Identifier: Apache-2.0
// Memory shared with the other process. Ours cannot shrink because it is sealed; theirs is mapped
// only where it cannot either, so that no access ends in SIGBUS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"
#include "io/memif/file_descriptor.h"

namespace mtcp::io::memif {

// Descriptor offsets have 32 bits: what lies behind is out of reach and not mapped.
inline constexpr std::uint64_t kRegionReach = std::uint64_t{1} << 32;

enum class Sealing : std::uint8_t {
    required,  // the file must be unable to shrink, now and for ever
    trusted,   // the other end promised not to shrink it
};

class SharedMemory {
  public:
    SharedMemory() = default;
    // Makes sealed, zero-filled memory; `descriptor` receives the file to hand over. The error is
    // errno.
    [[nodiscard]] static Result<SharedMemory, int> create(std::size_t bytes,
                                                          FileDescriptor& descriptor);
    // Maps `bytes` of the other end's file. The error is a text for the log and for the other end.
    [[nodiscard]] static Result<SharedMemory, const char*> map(const FileDescriptor& descriptor,
                                                               std::uint64_t bytes,
                                                               Sealing sealing);
    SharedMemory(SharedMemory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    SharedMemory& operator=(SharedMemory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~SharedMemory();

    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] bool contains(std::uint64_t offset, std::uint64_t length) const {
        return offset <= size_ && length <= size_ - offset;
    }

  private:
    std::byte* data_ = nullptr;
    std::uint64_t size_ = 0;
};

}  // namespace mtcp::io::memif
