// SPDX-License-Identifier: Apache-2.0
// A bounded first-in first-out queue of one thread; its memory is taken once.
#pragma once

#include <cstddef>
#include <vector>

namespace mtcp::net {

template <typename T>
class FixedQueue {
  public:
    explicit FixedQueue(std::size_t capacity) : slots_(capacity) {}

    // False when full.
    bool push(const T& value) {
        if (count_ == slots_.size()) return false;
        slots_[(head_ + count_) % slots_.size()] = value;
        ++count_;
        return true;
    }
    // False when empty.
    [[nodiscard]] bool pop(T& value) {
        if (count_ == 0) return false;
        value = slots_[head_];
        head_ = (head_ + 1) % slots_.size();
        --count_;
        return true;
    }
    [[nodiscard]] bool empty() const { return count_ == 0; }

  private:
    std::vector<T> slots_;
    std::size_t head_ = 0;
    std::size_t count_ = 0;
};

}  // namespace mtcp::net
