// SPDX-License-Identifier: Apache-2.0
// A file descriptor with one owner, and only in this process: the peer must notice when it ends.
#pragma once

#include <unistd.h>

#include <utility>

#include "io/forked_child.h"

namespace mtcp::io::memif {

class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int value) : value_(value) {
        if (value >= 0) close_in_forked_child(value);
    }
    FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(value_, other.value_);
        other.close();
        return *this;
    }
    ~FileDescriptor() { close(); }

    [[nodiscard]] int get() const { return value_; }
    [[nodiscard]] bool open() const { return value_ >= 0; }
    void close() {
        if (value_ < 0) return;
        forget_descriptor(value_);
        static_cast<void>(::close(std::exchange(value_, -1)));
    }

  private:
    int value_ = -1;
};

}  // namespace mtcp::io::memif
