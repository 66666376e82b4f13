/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out on purpose. A test that is registered with FAULTS in its
 * CMakeLists.txt has every allocation of its program pass through here (the
 * linker wraps them), and can have the n-th one fail. */
#ifndef WEIR_TESTS_FAULTS_H
#define WEIR_TESTS_FAULTS_H

#include "weir/types.h"

/** Runs body with allocation 1 failing, then 2, and so on, until it runs
 * through without meeting the failing one. Each run must return WEIR_OK (it
 * could do without) or WEIR_E_NOMEM, and must have freed everything:
 * AddressSanitizer tells what it left. The test fails when no allocation was
 * met at all, or when all were done without. Returns how many runs ended in
 * WEIR_E_NOMEM. */
size_t wr_faults_each(enum weir_status (*body)(void *arg), void *arg);

#endif
