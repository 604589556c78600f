// SPDX-License-Identifier: Apache-2.0
// The counters of a running stack in a small shared file that anyone may read and only the stack
// writes: a header, then one `Counters` per core, each on cache lines of its own. The file is
// locked (flock) for the life of its stack, so that a reader knows a living one from a leftover.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "base/problem.h"
#include "base/result.h"

namespace mtcp {

inline constexpr std::uint64_t kTelemetryMagic = 0x6d74'6370'636e'7472;  // "mtcpcntr"
inline constexpr std::uint32_t kTelemetryVersion = 1;

struct TelemetryHeader {
    std::uint64_t magic = kTelemetryMagic;
    std::uint32_t version = kTelemetryVersion;
    std::uint32_t core_count = 0;
    std::uint64_t layout = 0;  // hash of the counters' names: a reader of another build refuses
    std::uint64_t core_offset = 0;  // of the first core's counters, in bytes
    std::uint64_t core_stride = 0;  // from one core's counters to the next, in bytes
    std::int64_t start_unix_seconds = 0;
    std::int32_t pid = 0;  // as the stack itself sees it
    std::uint32_t reserved = 0;
};

// Hash of the names and order of all counters and drop reasons of this build.
[[nodiscard]] std::uint64_t telemetry_layout();

// The stack's side.
class TelemetryFile {
  public:
    // Removes what dead stacks left, then makes /dev/shm/mtcp.<pid> (or the same name in
    // $XDG_RUNTIME_DIR or /tmp, where that fails; with .1, .2 … appended when this pid has one
    // already).
    [[nodiscard]] static Result<TelemetryFile, Problem> create(int cores);
    // The same in one given folder.
    [[nodiscard]] static Result<TelemetryFile, Problem> create_in(const std::string& folder,
                                                                  int cores);

    TelemetryFile(TelemetryFile&& other) noexcept { swap(other); }
    TelemetryFile& operator=(TelemetryFile&& other) noexcept {
        TelemetryFile(std::move(other)).swap(*this);
        return *this;
    }
    // Removes the file, except in a child that inherited it.
    ~TelemetryFile();

    [[nodiscard]] Counters& core(int index);
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    TelemetryFile() = default;
    void swap(TelemetryFile& other) noexcept;

    std::string path_;
    int descriptor_ = -1;
    std::byte* memory_ = nullptr;
    std::size_t size_ = 0;
    int owner_pid_ = 0;
};

// A reader's side: a view of somebody's counters. Read from the file, not mapped: its owner may
// shorten it at any time, and then a mapping ends in SIGBUS.
class TelemetryView {
  public:
    // Looks in every folder that create() uses; a file that was left behind is taken only where
    // there is none of a living stack.
    [[nodiscard]] static Result<TelemetryView, Problem> open(int pid);
    // Refuses what is not a counters file of this build.
    [[nodiscard]] static Result<TelemetryView, Problem> open_file(const std::string& path);

    TelemetryView(TelemetryView&& other) noexcept { swap(other); }
    TelemetryView& operator=(TelemetryView&& other) noexcept {
        TelemetryView(std::move(other)).swap(*this);
        return *this;
    }
    ~TelemetryView();

    [[nodiscard]] int pid() const { return header_.pid; }
    [[nodiscard]] std::int64_t start_unix_seconds() const { return header_.start_unix_seconds; }
    [[nodiscard]] int core_count() const { return static_cast<int>(header_.core_count); }
    // A copy: each counter is whole, the set is as of about now.
    [[nodiscard]] Counters core(int index) const;
    [[nodiscard]] bool alive() const;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    TelemetryView() = default;
    void swap(TelemetryView& other) noexcept;

    std::string path_;
    int descriptor_ = -1;
    TelemetryHeader header_;
};

// Removes counters files whose stacks were killed, in one folder or in all, where this user may.
void remove_leftovers_in(const std::string& folder);
void remove_leftovers();

// Paths of the counters files of all living stacks this user can see.
[[nodiscard]] std::vector<std::string> running_stacks();
// Of those that another version of this library has written.
[[nodiscard]] std::vector<std::string> running_stacks_of_others();

}  // namespace mtcp
