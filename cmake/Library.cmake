# SPDX-License-Identifier: Apache-2.0
# libmtcp.so and libmtcp.a out of all rooms; installation, pkg-config file, CMake package mtcp::mtcp.
include(CMakePackageConfigHelpers)

set(system_libraries m)
if(MTCP_WITH_AF_XDP)
    list(APPEND system_libraries xdp bpf)
endif()

set(objects "")
foreach(room ${MTCP_LIBRARY_ROOMS})
    list(APPEND objects $<TARGET_OBJECTS:mtcp_${room}>)
endforeach()

file(GLOB public_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/mtcp/*.h")
if(NOT objects)
    return()
endif()

add_library(mtcp_shared SHARED ${objects})
add_library(mtcp_static STATIC ${objects})
add_library(mtcp::mtcp ALIAS mtcp_shared)
add_library(mtcp::mtcp_static ALIAS mtcp_static)
set_target_properties(mtcp_shared mtcp_static PROPERTIES OUTPUT_NAME mtcp LINKER_LANGUAGE CXX)
set_target_properties(mtcp_shared PROPERTIES EXPORT_NAME mtcp
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
foreach(library mtcp_shared mtcp_static)
    target_include_directories(${library} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include/mtcp>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/mtcp>)
    target_link_libraries(${library} PRIVATE Threads::Threads ${system_libraries})
endforeach()
# A project of C alone links the archive with its C compiler.
target_link_libraries(mtcp_static INTERFACE $<INSTALL_INTERFACE:stdc++>)
if(NOT MTCP_SANITIZE AND NOT MTCP_FUZZ)
    # An undefined symbol shall be our error, not the consumer's.
    target_link_options(mtcp_shared PRIVATE -Wl,-z,defs)
endif()
target_link_options(mtcp_shared PRIVATE
    "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/libmtcp.map")
set_target_properties(mtcp_shared PROPERTIES LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/libmtcp.map")

install(TARGETS mtcp_shared mtcp_static EXPORT mtcpTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mtcp)
install(EXPORT mtcpTargets NAMESPACE mtcp:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mtcp)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/mtcpConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/mtcpConfig.cmake" INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mtcp)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/mtcpConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/mtcpConfig.cmake" "${PROJECT_BINARY_DIR}/mtcpConfigVersion.cmake"
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mtcp)

list(TRANSFORM system_libraries PREPEND "-l" OUTPUT_VARIABLE private_libraries)
string(JOIN " " MTCP_PC_LIBS_PRIVATE ${private_libraries} -lstdc++ -lpthread)
file(RELATIVE_PATH MTCP_PC_UP "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file("${PROJECT_SOURCE_DIR}/cmake/mtcp.pc.in" "${PROJECT_BINARY_DIR}/mtcp.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/mtcp.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
