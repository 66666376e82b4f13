/* SPDX-License-Identifier: Apache-2.0
 *
 * The dynamic linker reads the symbol tables and relocations of every library
 * of a program, also of those that a process will not use: `weir broker` never
 * calls RocksDB, but has 6 MB of it in memory, and 15 MB of files in all. These
 * pages are clean and shared with the system's cache; still they count as the
 * process's. They are let go once, after the start.
 *
 * Only segments that cannot be written are touched; what relocation changed is
 * in others, so nothing can get lost (madvise(2): a private mapping
 * of a file is read again from the file). */
#include "base/pages.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Whether code of the image was changed when it was loaded; nobody builds for
 * that any more. */
static bool has_text_relocations(const struct dl_phdr_info *image)
{
    for (size_t i = 0; i < image->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &image->dlpi_phdr[i];
        if (segment->p_type != PT_DYNAMIC) {
            continue;
        }
        const ElfW(Dyn) *d =
            (const void *)(image->dlpi_addr + segment->p_vaddr);
        for (; d->d_tag != DT_NULL; d++) {
            if (d->d_tag == DT_TEXTREL ||
                (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL) != 0)) {
                return true;
            }
        }
    }
    return false;
}

static int let_go(struct dl_phdr_info *image, size_t size, void *user)
{
    (void)size;
    uintptr_t page = *(const uintptr_t *)user;
    if (has_text_relocations(image)) {
        return 0;
    }
    for (size_t i = 0; i < image->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &image->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) {
            continue;
        }
        uintptr_t from = image->dlpi_addr + segment->p_vaddr;
        uintptr_t to = from + segment->p_memsz;
        from &= ~(page - 1);
        to = (to + page - 1) & ~(page - 1);
        /* a failure leaves things as they were */
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void wr_pages_let_go(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)dl_iterate_phdr(let_go, &page);
}
