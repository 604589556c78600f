/* SPDX-License-Identifier: Apache-2.0 */
/* The header by this name that programs for the original mTCP include for GetNumCPUs(). */
#ifndef MTCP_CPU_H
#define MTCP_CPU_H

#include "mtcp_api.h"

#endif /* MTCP_CPU_H */
