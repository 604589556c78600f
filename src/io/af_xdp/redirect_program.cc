// SPDX-License-Identifier: Apache-2.0
// Loading and attaching with libbpf.
#include "io/af_xdp/redirect_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "io/af_xdp/program_holder.h"
#include "redirect_bpf_object.h"

namespace mtcp::io {
namespace {

template <std::size_t kBytes>
struct PrefixKey {
    std::uint32_t length = 0;
    std::array<std::uint8_t, kBytes> address{};
};

// libbpf's own words (the verifier's above all) are for who debugs.
int forward_to_log(libbpf_print_level level, const char* format, std::va_list arguments) {
    if (level == LIBBPF_DEBUG || log_level() < LogLevel::debug) return 0;
    char text[768];
    static_cast<void>(std::vsnprintf(static_cast<char*>(text), sizeof text, format, arguments));
    text[std::strcspn(text, "\n")] = '\0';
    log(LogLevel::debug, "libbpf: %s", static_cast<const char*>(text));
    return 0;
}

// libbpf prints through one function for the whole process: the application gets its own back.
class LibbpfToLog {
  public:
    LibbpfToLog() : before_(::libbpf_set_print(forward_to_log)) {}
    LibbpfToLog(const LibbpfToLog&) = delete;
    LibbpfToLog& operator=(const LibbpfToLog&) = delete;
    ~LibbpfToLog() { ::libbpf_set_print(before_); }

  private:
    libbpf_print_fn_t before_;
};

template <std::size_t kBytes>
int add_prefix(int map, const std::array<std::uint8_t, kBytes>& address, int length) {
    if (length < 0 || length > static_cast<int>(kBytes) * 8) return EINVAL;
    const PrefixKey<kBytes> key{static_cast<std::uint32_t>(length), address};
    const std::uint8_t present = 1;
    return -::bpf_map_update_elem(map, &key, &present, BPF_ANY);
}

void set_entries(bpf_object* object, const char* map, std::size_t count) {
    const auto entries = static_cast<std::uint32_t>(std::max<std::size_t>(count, 1));
    static_cast<void>(
        ::bpf_map__set_max_entries(::bpf_object__find_map_by_name(object, map), entries));
}

const char* name_of(XdpHook hook) { return hook == XdpHook::native ? "native" : "generic"; }

Problem held_by_another(const InterfaceFacts& interface) {
    const ProgramHolder holder = find_program_holder(interface.index);
    Problem problem{"cannot take the interface '" + interface.name + "'", {}, {}, EBUSY};
    if (holder.pid == ::getpid()) {
        problem.why = "this process (pid " + std::to_string(holder.pid) + ") has it open already";
        problem.mend = "open an interface once and use its queues";
    } else if (holder.pid != 0) {
        const std::string pid = std::to_string(holder.pid);
        problem.why = "process " + pid + " (" + holder.command + ") holds it with its XDP program";
        problem.mend = "end that process (`kill " + pid + "`) or use another interface";
    } else {
        problem.why = "another XDP program (id " + std::to_string(holder.program) +
                      ") is attached; no process is seen to hold it";
        problem.mend = "`ip link set dev " + interface.name +
                       " xdp off` detaches one without a process; as root the process is named";
    }
    return problem;
}

Problem no_privilege(const InterfaceFacts& interface, int error) {
    return {"cannot attach an XDP program to '" + interface.name + "'", std::strerror(error),
            "run as root, or grant CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF "
            "(CAP_SYS_ADMIN before Linux 5.8)",
            EPERM};
}

std::string mend_for(const InterfaceFacts& interface, int error) {
    switch (error) {
        case ENOSPC:
            return "give '" + interface.name +
                   "' at least as many receive queues as its peer has transmit queues: `ethtool "
                   "-L " +
                   interface.name + " rx N tx N`";
        case ERANGE:
            return "lower the MTU of both ends (`ip link set dev " + interface.name +
                   " mtu 3498`), or use Linux 5.18 or later";
        case EOPNOTSUPP:
            return "the driver lacks this mode: choose generic, or leave the choice open";
        case EINVAL: return "needs Linux 5.9 or later, and 5.18 for frames in several buffers";
        default: return "look at the kernel log (`dmesg`)";
    }
}

Problem attach_problem(const InterfaceFacts& interface, XdpHook hook, int error) {
    if (error == EBUSY || error == EEXIST) return held_by_another(interface);
    if (error == EPERM || error == EACCES) return no_privilege(interface, error);
    return {
        "cannot attach the XDP program to '" + interface.name + "' in " + name_of(hook) + " mode",
        std::strerror(error), mend_for(interface, error), error};
}

}  // namespace

int RedirectProgram::load(FrameBuffers buffers, std::uint32_t queues, const OwnAddresses& own) {
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.object_name = "mtcp_redirect";
    object_ = ::bpf_object__open_mem(static_cast<const void*>(kRedirectBpfObject),
                                     sizeof kRedirectBpfObject, &options);
    if (object_ == nullptr) return errno;
    bpf_program* single = ::bpf_object__find_program_by_name(object_, "mtcp_redirect");
    bpf_program* several = ::bpf_object__find_program_by_name(object_, "mtcp_redirect_frags");
    bpf_program* wanted = buffers == FrameBuffers::single ? single : several;
    // The other one might not load on an older kernel.
    static_cast<void>(::bpf_program__set_autoload(wanted == single ? several : single, false));
    set_entries(object_, "sockets", queues);
    set_entries(object_, "own_ipv4", own.ipv4.size());
    set_entries(object_, "own_ipv6", own.ipv6.size());
    if (const int error = ::bpf_object__load(object_); error != 0) return -error;
    program_ = ::bpf_program__fd(wanted);
    sockets_ = ::bpf_object__find_map_fd_by_name(object_, "sockets");
    map_unclaimed();
    return fill_own_addresses(own);
}

void RedirectProgram::map_unclaimed() {
    const int map = ::bpf_object__find_map_fd_by_name(object_, "unclaimed");
    void* page = ::mmap(nullptr, sizeof *unclaimed_, PROT_READ, MAP_SHARED, map, 0);
    if (page == MAP_FAILED) return;
    static_cast<void>(::madvise(page, sizeof *unclaimed_, MADV_DONTFORK));
    unclaimed_ = static_cast<std::uint64_t*>(page);
}

int RedirectProgram::fill_own_addresses(const OwnAddresses& own) {
    const int ipv4 = ::bpf_object__find_map_fd_by_name(object_, "own_ipv4");
    const int ipv6 = ::bpf_object__find_map_fd_by_name(object_, "own_ipv6");
    for (const Ipv4Prefix4& prefix : own.ipv4) {
        if (const int error = add_prefix(ipv4, prefix.address, prefix.length); error != 0)
            return error;
    }
    for (const Ipv6Prefix16& prefix : own.ipv6) {
        if (const int error = add_prefix(ipv6, prefix.address, prefix.length); error != 0)
            return error;
    }
    return 0;
}

Result<std::unique_ptr<RedirectProgram>, Problem> RedirectProgram::attach(
    const InterfaceFacts& interface, XdpHook hook, FrameBuffers buffers, const OwnAddresses& own,
    std::uint32_t queues) {
    const LibbpfToLog messages;
    std::unique_ptr<RedirectProgram> program(new RedirectProgram);
    if (const int error = program->load(buffers, queues, own); error != 0) {
        if (error == EPERM || error == EACCES) return failure(no_privilege(interface, error));
        return failure(Problem{"cannot load the XDP program", std::strerror(error),
                               "needs Linux 5.9 or later with CONFIG_BPF_SYSCALL and "
                               "CONFIG_XDP_SOCKETS, 5.18 for frames in several buffers",
                               error});
    }
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.flags = hook == XdpHook::native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    const int link = ::bpf_link_create(program->program_, interface.index, BPF_XDP, &options);
    if (link < 0) return failure(attach_problem(interface, hook, -link));
    program->link_ = link;
    return program;
}

RedirectProgram::~RedirectProgram() {
    if (unclaimed_ != nullptr) static_cast<void>(::munmap(unclaimed_, sizeof *unclaimed_));
    if (link_ >= 0) ::close(link_);
    if (object_ != nullptr) ::bpf_object__close(object_);
}

int RedirectProgram::set_socket(std::uint32_t queue, int descriptor) {
    return -::bpf_map_update_elem(sockets_, &queue, &descriptor, BPF_ANY);
}

void RedirectProgram::abandon() {
    if (link_ >= 0) ::close(link_);
    link_ = -1;
    unclaimed_ = nullptr;  // not mapped here (MADV_DONTFORK)
}

}  // namespace mtcp::io
