// SPDX-License-Identifier: Apache-2.0
// Where the memory of pools, tables and packet areas comes from: one function with a failure hook.
// Address space is reserved whole at start and committed by the kernel page by page on first touch.
#pragma once

#include <cstddef>
#include <utility>

namespace mtcp {

enum class Pages { normal, huge_if_available };

// A private anonymous mapping, unmapped when destroyed. Zero-filled.
class Region {
  public:
    Region() = default;
    // Returns an empty region (data() == nullptr) when the system refuses.
    [[nodiscard]] static Region map(std::size_t bytes, Pages pages);
    Region(Region&& other) noexcept { swap(other); }
    Region& operator=(Region&& other) noexcept {
        Region(std::move(other)).swap(*this);
        return *this;
    }
    ~Region();

    // Gives the pages in [offset, offset + bytes) back to the system; they read as zero again.
    void release(std::size_t offset, std::size_t bytes);

    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    // True when the region sits on explicit huge pages (not merely advised).
    [[nodiscard]] bool huge() const { return huge_; }

  private:
    void swap(Region& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(huge_, other.huge_);
    }
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    bool huge_ = false;
};

// Test hook: asked before every mapping; returning false makes that mapping fail. nullptr: none.
using AllocationHook = bool (*)(std::size_t bytes);
void set_allocation_hook(AllocationHook hook);

}  // namespace mtcp
