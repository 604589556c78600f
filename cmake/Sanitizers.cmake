# SPDX-License-Identifier: Apache-2.0
# MTCP_SANITIZE=address,undefined | thread | memory, and the instrumentation of MTCP_FUZZ.
set(mtcp_sanitizers "${MTCP_SANITIZE}")
if(MTCP_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "MTCP_FUZZ needs clang: cmake --preset fuzz")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
    if(NOT mtcp_sanitizers)
        set(mtcp_sanitizers "address,undefined")
    endif()
endif()
if(mtcp_sanitizers)
    add_compile_options(-fsanitize=${mtcp_sanitizers} -fno-omit-frame-pointer)
    # Half the objects are built without run-time type information, which this check needs.
    if(mtcp_sanitizers MATCHES "undefined")
        add_compile_options(-fno-sanitize=vptr)
    endif()
    # Our fences say who must see that another sleeps; no data passes by them, so that the thread
    # sanitizer, which does not know fences and says so, misses nothing.
    if(mtcp_sanitizers MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-Wno-tsan)
    endif()
    add_link_options(-fsanitize=${mtcp_sanitizers})
    if(mtcp_sanitizers MATCHES "undefined")
        # A finding ends the program, so that a test cannot pass over it.
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()
