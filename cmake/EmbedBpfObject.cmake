# SPDX-License-Identifier: Apache-2.0
# cmake -DINPUT=x.o -DOUTPUT=x.h -DNAME=some_name -P EmbedBpfObject.cmake: the bytes of x.o as kSomeNameBpfObject.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REPEAT "[^,]*," 16 one_line)
string(REGEX REPLACE "(${one_line})" "\\1\n    " bytes "${bytes}")

string(REPLACE "_" ";" words "${NAME}")
set(pascal "")
foreach(word ${words})
    string(SUBSTRING "${word}" 0 1 first)
    string(SUBSTRING "${word}" 1 -1 rest)
    string(TOUPPER "${first}" first)
    string(APPEND pascal "${first}${rest}")
endforeach()

file(WRITE "${OUTPUT}" "// Generated from ${NAME}.bpf.c; not to be edited.
#pragma once

namespace mtcp::io {

// libbpf reads the ELF image in place and expects it aligned.
alignas(8) inline constexpr unsigned char k${pascal}BpfObject[] = {
    ${bytes}
};

}  // namespace mtcp::io
")
