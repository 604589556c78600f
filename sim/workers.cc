// SPDX-License-Identifier: Apache-2.0
// The processes, and what they share: a counter of worlds to do, and a slot for each worker.
#include "sim/workers.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace mtcp::sim {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint64_t kNothing = UINT64_MAX;
constexpr std::size_t kWorkersMax = 256;
constexpr useconds_t kLookEvery_us = 100'000;

struct Slot {
    std::atomic<std::uint64_t> world{kNothing};  // that it is at
};

struct Shared {
    std::atomic<std::uint64_t> next{0};
    std::atomic<std::uint64_t> passed{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> segments{0};
    std::atomic<std::int64_t> virtual_ns{0};
    std::array<Slot, kWorkersMax> slots;
};

struct Worker {
    pid_t process = -1;
    std::uint64_t world = kNothing;  // seen last, and since when
    Clock::time_point since;
};

// One write, so that lines of several workers do not mix.
void report(const WorldName& name, const std::vector<std::string>& findings) {
    std::string text = isatty(2) != 0 ? "\r\033[K" : "";
    text += "FAILED: " + name.replay() + "\n";
    for (const std::string& finding : findings)
        text += "    " + finding + "\n";
    static_cast<void>(!::write(STDOUT_FILENO, text.data(), text.size()));
}

class Crew {
  public:
    Crew(std::uint64_t count, const WorkOrder& order,
         const std::function<WorldName(std::uint64_t)>& name_of)
        : count_(count),
          order_(order),
          name_of_(name_of),
          workers_(std::min<std::uint64_t>({order.jobs, count, kWorkersMax})) {
        void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            std::perror("mtcp_sim");
            std::exit(2);
        }
        shared_ = new (memory) Shared;
    }
    ~Crew() { ::munmap(shared_, sizeof(Shared)); }
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    Totals run();

  private:
    void work(Slot& slot);
    void start(std::size_t index);
    void mourn(std::size_t index, const char* how);
    void watch(std::size_t index);
    [[nodiscard]] std::size_t running() const;
    void show_progress();

    std::uint64_t count_;
    const WorkOrder& order_;
    const std::function<WorldName(std::uint64_t)>& name_of_;
    Shared* shared_ = nullptr;
    std::vector<Worker> workers_;
    Clock::time_point begun_ = Clock::now();
};

void Crew::work(Slot& slot) {
    while (true) {
        const std::uint64_t number = shared_->next.fetch_add(1);
        if (number >= count_) return;
        slot.world = number;
        const WorldName name = name_of_(number);
        Verdict verdict = judge(name);
        shared_->segments += verdict.segments;
        shared_->virtual_ns += verdict.virtual_time.ns;
        if (verdict.findings.empty()) {
            ++shared_->passed;
        } else {
            ++shared_->failed;
            if (!order_.traces.empty())
                verdict.findings.push_back(keep_traces(name, order_.traces));
            report(name, verdict.findings);
        }
        slot.world = kNothing;
    }
}

void Crew::start(std::size_t index) {
    std::fflush(nullptr);
    const pid_t process = ::fork();
    if (process < 0) {
        std::perror("mtcp_sim: fork");
        std::exit(2);
    }
    if (process == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        work(shared_->slots[index]);
        std::fflush(nullptr);
        ::_exit(0);
    }
    workers_[index] = {.process = process, .world = kNothing, .since = Clock::now()};
}

// Its world is done, badly; another worker takes the place.
void Crew::mourn(std::size_t index, const char* how) {
    const std::uint64_t world = shared_->slots[index].world.exchange(kNothing);
    workers_[index].process = -1;
    if (world == kNothing) return;
    ++shared_->failed;
    report(name_of_(world), {std::string("the simulator ") + how});
    start(index);
}

void Crew::watch(std::size_t index) {
    Worker& worker = workers_[index];
    if (worker.process < 0) return;
    int status = 0;
    if (::waitpid(worker.process, &status, WNOHANG) == worker.process) {
        const bool killed = WIFSIGNALED(status);
        mourn(index, killed ? ::strsignal(WTERMSIG(status)) : "ended in the middle");
        return;
    }
    const std::uint64_t world = shared_->slots[index].world;
    if (world == kNothing || world != worker.world) {
        worker.world = world;
        worker.since = Clock::now();
        return;
    }
    if (Clock::now() - worker.since < std::chrono::duration<double>(order_.patience_s)) return;
    ::kill(worker.process, SIGKILL);
    ::waitpid(worker.process, &status, 0);
    mourn(index, "does not come to an end");
}

std::size_t Crew::running() const {
    std::size_t count = 0;
    for (const Worker& worker : workers_)
        count += worker.process >= 0 ? 1 : 0;
    return count;
}

void Crew::show_progress() {
    if (isatty(2) == 0) return;
    const std::uint64_t done = shared_->passed + shared_->failed;
    const double took = std::chrono::duration<double>(Clock::now() - begun_).count();
    const double rate = static_cast<double>(done) / std::max(took, 1e-3);
    const double left = rate > 0 ? static_cast<double>(count_ - done) / rate : 0;
    std::fprintf(stderr, "\r\033[K%llu/%llu worlds, %llu failed, %.0f/s, %.0f s to go ",
                 static_cast<unsigned long long>(done), static_cast<unsigned long long>(count_),
                 static_cast<unsigned long long>(shared_->failed.load()), rate, left);
    if (done >= count_) std::fputc('\n', stderr);
}

Totals Crew::run() {
    for (std::size_t i = 0; i < workers_.size(); ++i)
        start(i);
    while (running() > 0) {
        ::usleep(count_ < 100 ? kLookEvery_us / 20 : kLookEvery_us);
        for (std::size_t i = 0; i < workers_.size(); ++i)
            watch(i);
        show_progress();
    }
    return {.passed = shared_->passed,
            .failed = shared_->failed,
            .segments = shared_->segments,
            .virtual_time = nanoseconds(shared_->virtual_ns)};
}

}  // namespace

Totals run_worlds(std::uint64_t count, const WorkOrder& order,
                  const std::function<WorldName(std::uint64_t)>& name_of) {
    if (count == 0) return {};
    return Crew(count, order, name_of).run();
}

}  // namespace mtcp::sim
