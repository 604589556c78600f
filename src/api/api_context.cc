// SPDX-License-Identifier: Apache-2.0
// mtcp_init ... mtcp_context_fd: the life of the stack and of contexts.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <random>

#include "api/process.h"
#include "base/log.h"
#include "mtcp_api.h"

namespace mtcp::api {
namespace {

[[nodiscard]] int in_milliseconds(Duration d) {
    return static_cast<int>(std::min<std::int64_t>(d.milliseconds(), INT_MAX));
}

// What a field may be, as in the configuration file.
struct Field {
    const char* name;
    int mtcp_conf::*value;
    int least, most;
};
constexpr Field kFields[] = {{"num_cores", &mtcp_conf::num_cores, 1, kCoresMax},
                             {"max_concurrency", &mtcp_conf::max_concurrency, 1, kRecordsMax},
                             {"max_num_buffers", &mtcp_conf::max_num_buffers, 1, kBuffersMax},
                             {"rcvbuf_size", &mtcp_conf::rcvbuf_size, kBufferLeast, kBufferMost},
                             {"sndbuf_size", &mtcp_conf::sndbuf_size, kBufferLeast, kBufferMost},
                             {"tcp_timewait", &mtcp_conf::tcp_timewait, 1, 86'400'000}};

[[nodiscard]] const Field* out_of_range(const mtcp_conf& given) {
    for (const Field& field : kFields) {
        const int value = given.*field.value;
        if (value > 0 && (value < field.least || value > field.most)) return &field;
    }
    return nullptr;
}

void read_conf(const Configuration& configuration, mtcp_conf& out) {
    const stack::StackConfiguration& s = configuration.stack;
    out.num_cores =
        configuration.cores_asked != 0 ? configuration.cores_asked : cores_of(online_cpus());
    out.max_concurrency = static_cast<int>(s.max_concurrency);
    out.max_num_buffers = static_cast<int>(configuration.buffers_asked);
    out.rcvbuf_size = static_cast<int>(s.tcp.defaults.receive_buffer);
    out.sndbuf_size = static_cast<int>(s.tcp.defaults.send_buffer);
    out.tcp_timewait = in_milliseconds(s.tcp.time_wait);
    out.tcp_timeout = in_milliseconds(s.tcp.idle_timeout);
}

void write_conf(const mtcp_conf& given, Configuration& configuration) {
    stack::StackConfiguration& s = configuration.stack;
    if (given.num_cores > 0) configuration.cores_asked = given.num_cores;
    if (given.max_concurrency > 0)
        s.max_concurrency = static_cast<std::uint32_t>(given.max_concurrency);
    // What mtcp_getconf() said comes back: the file may have sized the chunks themselves.
    const auto buffers = static_cast<std::uint32_t>(std::max(given.max_num_buffers, 0));
    if (buffers != 0 && buffers != configuration.buffers_asked) set_buffers(configuration, buffers);
    if (given.rcvbuf_size > 0)
        s.tcp.defaults.receive_buffer = static_cast<std::uint32_t>(given.rcvbuf_size);
    if (given.sndbuf_size > 0)
        s.tcp.defaults.send_buffer = static_cast<std::uint32_t>(given.sndbuf_size);
    if (given.tcp_timewait > 0) s.tcp.time_wait = milliseconds(given.tcp_timewait);
    if (given.tcp_timeout > 0) s.tcp.idle_timeout = milliseconds(given.tcp_timeout);
}

// What an open stack cannot change: nothing when `given` asks for none of it.
const char* fixed_by_now(const mtcp_conf& given, const Configuration& configuration) {
    const stack::StackConfiguration& s = configuration.stack;
    if (given.num_cores > static_cast<int>(s.cores)) return "num_cores";
    if (given.tcp_timewait > 0 && given.tcp_timewait != in_milliseconds(s.tcp.time_wait))
        return "tcp_timewait";
    if (given.tcp_timeout > 0 && given.tcp_timeout != in_milliseconds(s.tcp.idle_timeout))
        return "tcp_timeout";
    return nullptr;
}

int cpu_of_core(const Configuration& configuration, int core) {
    const std::vector<int>& cpus = configuration.stack.cpus;
    if (core < 0 || (!cpus.empty() && static_cast<std::size_t>(core) >= cpus.size())) return -1;
    return cpus.empty() ? core : cpus[static_cast<std::size_t>(core)];
}

Problem no_context(int cpu, std::string why, std::string mend, int error) {
    return {"cannot create a context on core " + std::to_string(cpu), std::move(why),
            std::move(mend), error};
}

// Takes the core into use; the process is locked.
int start_context(Process& p, int cpu) {
    mtcp_context& context = p.contexts[static_cast<std::size_t>(cpu)];
    auto view = p.stack->start_core(static_cast<std::size_t>(cpu));
    if (!view) return report(view.error());
    view->defaults = p.configuration.stack.tcp.defaults;
    std::random_device device;
    const socket::Application::Limits limits{.descriptors = p.configuration.stack.max_concurrency,
                                             .port_first = p.configuration.stack.port_first,
                                             .port_last = p.configuration.stack.port_last,
                                             .seed = std::uint64_t{device()} << 32 | device()};
    auto application = socket::Application::create(*view, limits);
    if (!application) {
        p.stack->stop_core(static_cast<std::size_t>(cpu));
        return report(application.error());
    }
    context.cpu = cpu;
    context.application = std::move(*application);
    context.counters = &p.stack->counters(static_cast<std::size_t>(cpu));
    context.owner.store(nullptr);
    context.state.store(ContextState::alive, std::memory_order_release);
    return 0;
}

}  // namespace
}  // namespace mtcp::api

using namespace mtcp::api;  // NOLINT: this file defines the C API in terms of it

extern "C" {

int mtcp_init(const char* config_file) {
    if (config_file == nullptr)
        return open_stack({"(no configuration file)", {}, SideFiles::defaults});
    const auto text = this_host().read_file(config_file);
    if (!text) {
        const int error = errno;
        forget_problem();
        return report({config_file, std::strerror(error), mend_of_reading(error), error});
    }
    return open_stack({config_file, *text, SideFiles::defaults});
}

int mtcp_init_from_text(const char* configuration) {
    if (configuration == nullptr) {
        forget_problem();
        return report({"mtcp_init_from_text(NULL)", "no text", "\"\" is an empty one", EINVAL});
    }
    return open_stack({"(configuration)", configuration, SideFiles::named_only});
}

void mtcp_destroy(void) { end_stack(mtcp::stack::Ending::by_call); }

int mtcp_getconf(struct mtcp_conf* conf) {
    if (conf == nullptr) return refuse(EINVAL);
    Process& p = process();
    const std::scoped_lock lock(p.mutex);
    read_conf(p.configuration, *conf);
    return 0;
}

int mtcp_setconf(const struct mtcp_conf* conf) {
    forget_problem();
    if (conf == nullptr) return report({"mtcp_setconf(NULL)", "nothing to set", "", EINVAL});
    if (const Field* const field = out_of_range(*conf); field != nullptr) {
        return report(
            {std::string(field->name) + " = " + std::to_string(conf->*field->value), "out of range",
             std::to_string(field->least) + " to " + std::to_string(field->most), EINVAL});
    }
    Process& p = process();
    const std::scoped_lock lock(p.mutex);
    if (p.stack != nullptr) {
        if (const char* const fixed = fixed_by_now(*conf, p.configuration); fixed != nullptr) {
            return report({std::string("cannot change ") + fixed, "the stack is open",
                           "set it in the configuration file, or before mtcp_init()", EBUSY});
        }
    }
    write_conf(*conf, p.configuration);
    const auto& now = p.configuration.stack;
    if (p.stack != nullptr) p.stack->resize(now.max_concurrency, now.chunks);
    return 0;
}

int mtcp_core_affinitize(int cpu) {
    int number = -1;
    {
        Process& p = process();
        const std::scoped_lock lock(p.mutex);
        number = cpu_of_core(p.configuration, cpu);
    }
    if (number < 0 || number >= CPU_SETSIZE) return refuse(EINVAL);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(number), &set);
    const int error = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    return error == 0 ? 0 : refuse(error);
}

int GetNumCPUs(void) { return online_cpus(); }

mctx_t mtcp_create_context(int cpu) {
    forget_problem();
    Process& p = process();
    const std::scoped_lock lock(p.mutex);
    if (p.stack == nullptr) {
        report(no_context(cpu, "the stack is not open", "call mtcp_init() first", EPERM));
        return nullptr;
    }
    const int cores = p.configuration.cores_asked != 0
                          ? p.configuration.cores_asked
                          : static_cast<int>(p.configuration.stack.cores);
    if (cpu < 0 || cpu >= cores) {
        report(no_context(cpu, "the stack has " + std::to_string(cores) + " cores",
                          "raise num_cores", EINVAL));
        return nullptr;
    }
    mtcp_context& context = p.contexts[static_cast<std::size_t>(cpu)];
    if (context.state.load() != ContextState::vacant) {
        report(no_context(cpu, "it has its context", "one context a core", EBUSY));
        return nullptr;
    }
    return start_context(p, cpu) == 0 ? &context : nullptr;
}

void mtcp_destroy_context(mctx_t mctx) {
    if (is_context(mctx)) stop_context(*mctx, mtcp::stack::Ending::by_call);
}

int mtcp_context_fd(mctx_t mctx) {
    const Call call(mctx);
    if (!call) return -1;
    return static_cast<int>(answer(call.app().event_descriptor()));
}

}  // extern "C"
