// SPDX-License-Identifier: Apache-2.0
// For DPDK programs that know PCI devices only: an argument of rte_eal_init() that ends with the
// name of EAL_DEVICE's device ("net_memif000,role=client,...") is told its options too, and PCI is
// left alone. Linked with -Wl,--wrap=rte_eal_init, so that nothing of the program is changed.
#include <stdlib.h>
#include <string.h>

int __real_rte_eal_init(int argc, char** argv);
int __wrap_rte_eal_init(int argc, char** argv);

static int ends_with(const char* text, const char* name, size_t size) {
    const size_t length = strlen(text);
    return length >= size && strncmp(text + length - size, name, size) == 0;
}

int __wrap_rte_eal_init(int argc, char** argv) {
    const char* const device = getenv("EAL_DEVICE");
    const size_t name = device == NULL ? 0 : strcspn(device, ",");
    char** const more = calloc((size_t)argc + 2, sizeof *more);
    if (more == NULL) return -1;
    int count = 0;
    for (int i = 0; i < argc && argv[i] != NULL; ++i) {
        more[count] = argv[i];
        if (name != 0 && i != 0 && ends_with(argv[i], device, name)) {
            more[count] = malloc(strlen(argv[i]) + strlen(device) + 1);
            if (more[count] == NULL) return -1;
            strcpy(more[count], argv[i]);
            strcat(more[count], device + name);
        }
        ++count;
    }
    if (name != 0) more[count++] = (char*)"--no-pci";
    return __real_rte_eal_init(count, more);
}
