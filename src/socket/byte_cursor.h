// SPDX-License-Identifier: Apache-2.0
// A position in a program's list of buffers: reading fills it, writing empties it.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstring>
#include <span>

namespace mtcp::socket {

class ByteCursor {
  public:
    // Of one call, as Linux: no more than an int counts.
    static constexpr std::size_t kMost = INT_MAX & ~0xfffu;

    explicit ByteCursor(std::span<const iovec> buffers) : buffers_(buffers) {
        for (const iovec& b : buffers_)
            left_ += std::min(b.iov_len, kMost);  // of so few there is no overflow
        left_ = std::min(left_, kMost);
    }
    // Bytes from here to the end, or to the limit.
    [[nodiscard]] std::size_t left() const { return left_; }

    // Copies `bytes` into the buffers; there must be room.
    void put(const std::byte* source, std::size_t bytes) {
        walk(bytes, [&source](std::byte* here, std::size_t n) {
            std::memcpy(here, source, n);
            source += n;
        });
    }
    // As put(), leaving what is there.
    void skip(std::size_t bytes) {
        walk(bytes, [](const std::byte*, std::size_t) {});
    }
    // Copies the next bytes out of the buffers; there must be as many.
    void get(std::byte* destination, std::size_t bytes) {
        walk(bytes, [&destination](const std::byte* here, std::size_t n) {
            std::memcpy(destination, here, n);
            destination += n;
        });
    }

  private:
    template <typename Copy>
    void walk(std::size_t bytes, Copy copy) {
        left_ -= bytes;
        while (bytes != 0) {
            const iovec& b = buffers_.front();
            const std::size_t here = b.iov_len - offset_;
            if (bytes <= here) {  // mostly there is but one buffer
                copy(static_cast<std::byte*>(b.iov_base) + offset_, bytes);
                offset_ += bytes;
                return;
            }
            if (here != 0) copy(static_cast<std::byte*>(b.iov_base) + offset_, here);
            bytes -= here;
            buffers_ = buffers_.subspan(1);
            offset_ = 0;
        }
    }

    std::span<const iovec> buffers_;
    std::size_t offset_ = 0;  // in the first buffer
    std::size_t left_ = 0;
};

}  // namespace mtcp::socket
