/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process keeps in memory of its own files. */
#ifndef WEIR_BASE_PAGES_H
#define WEIR_BASE_PAGES_H

/** Lets go the pages of program and libraries that were only read: what is used
 *  again comes back from the system's cache, a page fault each. For a process
 *  that has started and now idles with a part of its libraries. Thread: any. */
void wr_pages_let_go(void);

#endif
