# SPDX-License-Identifier: Apache-2.0
# Compiler flags: mtcp_warnings for everything we write, mtcp_library_flags for src/ alone.
find_package(Threads REQUIRED)

find_program(CCACHE ccache)
mark_as_advanced(CCACHE)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

add_library(mtcp_warnings INTERFACE)
target_compile_options(mtcp_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wimplicit-fallthrough
    # A designated initialiser that leaves the defaults alone is the house style.
    -Wno-missing-field-initializers
    $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
    $<$<BOOL:${MTCP_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # GoogleTest's variadic macros are called with nothing in the variable part.
    target_compile_options(mtcp_warnings INTERFACE -Wno-gnu-zero-variadic-macro-arguments)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # False alarms of GCC 12 about std::string and std::optional once they are inlined.
    target_compile_options(mtcp_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()

add_library(mtcp_library_flags INTERFACE)
target_compile_options(mtcp_library_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions> $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>
    -fno-strict-aliasing)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    # A record is cleared by plain stores: "rep stos" takes tens of cycles to begin.
    target_compile_options(mtcp_library_flags INTERFACE
        -mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign)
endif()

# What the library was seen to do decides what is inlined and which way a branch falls through
# (scripts/build_fast.sh). src/ alone: programs are compiled as ever, also those on the kernel's
# sockets that a benchmark puts beside ours.
if(MTCP_PROFILE STREQUAL "generate")
    target_compile_options(mtcp_library_flags INTERFACE -fprofile-generate -fprofile-update=prefer-atomic)
    add_link_options(-fprofile-generate)
elseif(MTCP_PROFILE STREQUAL "use")
    # What the training did not reach is compiled as without a profile, not as if it never ran.
    target_compile_options(mtcp_library_flags INTERFACE -fprofile-use -fprofile-partial-training -fprofile-correction
        -Wno-missing-profile -Wno-coverage-mismatch)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # What was seen to be hot becomes part of its callers, however large: calls, and the registers saved around
        # them, are a sixth of the instructions of a short connection otherwise. Also said to the linker, which decides.
        set(inlining --param=hot-bb-count-ws-permille=999 --param=inline-min-speedup=1 --param=max-inline-insns-auto=1500
            --param=max-inline-insns-single=2000 --param=inline-unit-growth=300 --param=large-function-insns=20000
            --param=large-function-growth=1000 --param=large-stack-frame-growth=3000
            # GCC 12 then believes of std::string what cannot be.
            -Wno-stringop-overflow -Wno-stringop-overread)
        target_compile_options(mtcp_library_flags INTERFACE ${inlining})
        add_link_options(${inlining})
    endif()
elseif(MTCP_PROFILE)
    message(FATAL_ERROR "MTCP_PROFILE is generate, use or nothing, not ${MTCP_PROFILE}")
endif()

# Debug and sanitizer builds check indices and iterators of the standard library too.
add_compile_definitions($<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

if(MTCP_LTO)
    include(CheckIPOSupported)
    check_ipo_supported(RESULT ipo_works OUTPUT ipo_reason LANGUAGES CXX)
    if(ipo_works)
        set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
        if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
            # libmtcp.a must stay linkable by a compiler without our LTO plugin.
            add_compile_options(-ffat-lto-objects)
        endif()
    else()
        message(WARNING "MTCP_LTO ignored: ${ipo_reason}")
    endif()
endif()
