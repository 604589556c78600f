// SPDX-License-Identifier: Apache-2.0
// A file descriptor with one owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace mtcp::io::memif {

class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int value) : value_(value) {}
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
        if (value_ >= 0) static_cast<void>(::close(std::exchange(value_, -1)));
    }

  private:
    int value_ = -1;
};

}  // namespace mtcp::io::memif
