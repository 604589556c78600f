# SPDX-License-Identifier: Apache-2.0
# mtcp_room(<name> <rooms it may use>...): src/<name>/**/*.cc -> library mtcp_<name>, *_test.cc -> <name>_test.
set(MTCP_LIBRARY_ROOMS "" CACHE INTERNAL "rooms with object code, in order")

if(MTCP_TESTS)
    find_package(GTest)
    if(NOT GTest_FOUND)
        message(WARNING "GoogleTest not found: the unit tests are left out (apt-get install libgtest-dev)")
    endif()
    include(GoogleTest)
endif()

function(mtcp_room name)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cc")
    set(tests ${sources})
    # A unit test lies beside its code; what several tests of a room need lies in its folder testing/.
    list(FILTER tests INCLUDE REGEX "(_test\\.cc|/testing/[^/]*\\.cc)$")
    list(FILTER sources EXCLUDE REGEX "(_test\\.cc|/testing/[^/]*\\.cc)$")
    if(NOT MTCP_WITH_AF_XDP)
        list(FILTER sources EXCLUDE REGEX "/io/af_xdp/")
        list(FILTER tests EXCLUDE REGEX "/io/af_xdp/")
    endif()

    set(target mtcp_${name})
    if(sources)
        add_library(${target} STATIC ${sources})
        target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:mtcp_warnings> $<BUILD_INTERFACE:mtcp_library_flags>)
        set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
        set(MTCP_LIBRARY_ROOMS ${MTCP_LIBRARY_ROOMS} ${name} CACHE INTERNAL "")
        set(scope PUBLIC)
    else()
        add_library(${target} INTERFACE)
        set(scope INTERFACE)
    endif()
    # -iquote, because -I would let our net/ stand in for the system's <net/...>.
    target_compile_options(${target} ${scope} "SHELL:-iquote ${PROJECT_SOURCE_DIR}/src")
    target_include_directories(${target} ${scope} "${PROJECT_SOURCE_DIR}/include"
        "${PROJECT_SOURCE_DIR}/include/mtcp")
    target_link_libraries(${target} ${scope} Threads::Threads)
    foreach(used ${ARGN})
        target_link_libraries(${target} ${scope} mtcp_${used})
    endforeach()

    if(tests AND MTCP_TESTS AND GTest_FOUND)
        add_executable(${name}_test ${tests})
        target_link_libraries(${name}_test PRIVATE ${target} mtcp_warnings GTest::gtest_main GTest::gmock)
        # Tests are compiled once and run once: what they call is optimised, they need not be.
        target_compile_options(${name}_test PRIVATE -O0)
        target_precompile_headers(${name}_test PRIVATE <gtest/gtest.h>)
        gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST TEST_PREFIX "${name}."
            PROPERTIES LABELS unit TIMEOUT 120)
    endif()
endfunction()
