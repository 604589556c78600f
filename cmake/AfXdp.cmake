# SPDX-License-Identifier: Apache-2.0
# MTCP_WITH_AF_XDP: on when libxdp, libbpf and a clang for the BPF object are there. The object is compiled at build
# time and embedded as bytes, so that the library needs no file beside it.
find_path(XDP_INCLUDE_DIR xdp/xsk.h)
find_library(XDP_LIBRARY xdp)
find_library(BPF_LIBRARY bpf)
find_program(BPF_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
mark_as_advanced(XDP_INCLUDE_DIR XDP_LIBRARY BPF_LIBRARY BPF_CLANG)

set(af_xdp_possible OFF)
if(XDP_INCLUDE_DIR AND XDP_LIBRARY AND BPF_LIBRARY AND BPF_CLANG)
    set(af_xdp_possible ON)
endif()
option(MTCP_WITH_AF_XDP "Back end af_xdp (needs libxdp-dev, libbpf-dev, clang)" ${af_xdp_possible})
if(MTCP_WITH_AF_XDP AND NOT af_xdp_possible)
    message(FATAL_ERROR "MTCP_WITH_AF_XDP is ON but libxdp-dev, libbpf-dev or clang is missing (./dev setup installs them)")
endif()

# Every src/<room>/af_xdp/NAME.bpf.c becomes NAME_bpf_object.h with mtcp::io::kNameBpfObject in the build tree.
function(mtcp_use_af_xdp room)
    if(NOT MTCP_WITH_AF_XDP)
        return()
    endif()
    get_target_property(kind mtcp_${room} TYPE)
    if(kind STREQUAL "INTERFACE_LIBRARY")
        set(scope INTERFACE)
    else()
        set(scope PUBLIC)
    endif()
    target_compile_definitions(mtcp_${room} ${scope} MTCP_WITH_AF_XDP=1)
    target_link_libraries(mtcp_${room} ${scope} xdp bpf)

    set(generated "${PROJECT_BINARY_DIR}/generated")
    set(headers "")
    file(GLOB programs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${room}/af_xdp/*.bpf.c")
    foreach(program ${programs})
        get_filename_component(name "${program}" NAME)
        string(REGEX REPLACE "\\.bpf\\.c$" "" name "${name}")
        set(object "${generated}/${name}.bpf.o")
        set(header "${generated}/${name}_bpf_object.h")
        # <asm/types.h> lies in the multiarch folder, which clang does not search for the target bpf.
        set(multiarch "")
        if(CMAKE_LIBRARY_ARCHITECTURE)
            set(multiarch "-I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}")
        endif()
        add_custom_command(OUTPUT "${object}"
            COMMAND ${CMAKE_COMMAND} -E make_directory "${generated}"
            COMMAND ${BPF_CLANG} -O2 -g -Wall -target bpf ${multiarch} -I${PROJECT_SOURCE_DIR}/src
                -MD -MF "${object}.d" -MT "${object}" -c "${program}" -o "${object}"
            DEPENDS "${program}" DEPFILE "${object}.d" VERBATIM COMMENT "BPF ${name}.bpf.c")
        add_custom_command(OUTPUT "${header}"
            COMMAND ${CMAKE_COMMAND} -DINPUT=${object} -DOUTPUT=${header} -DNAME=${name}
                -P "${PROJECT_SOURCE_DIR}/cmake/EmbedBpfObject.cmake"
            DEPENDS "${object}" "${PROJECT_SOURCE_DIR}/cmake/EmbedBpfObject.cmake" VERBATIM)
        list(APPEND headers "${header}")
    endforeach()
    if(headers)
        add_custom_target(mtcp_bpf_objects DEPENDS ${headers})
        add_dependencies(mtcp_${room} mtcp_bpf_objects)
        target_include_directories(mtcp_${room} ${scope} "${generated}")
    endif()
endfunction()
