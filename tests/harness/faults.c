/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. `--wrap=malloc` makes calls of malloc go to __wrap_malloc and
 * calls of __real_malloc go to the C library; calls from within the C library
 * are not touched, which is why strdup and strndup are wrapped too. Thread: one
 * while faults are on. */
#include "tests/harness/faults.h"

#include "tests/harness/weir_test.h"

static size_t fail_at;   /* the allocation that fails; 0: none */
static size_t allocated; /* since fail_at was set */

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's own names */
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

static bool fails(void)
{
    return fail_at != 0 && ++allocated == fail_at;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
    return fails() ? NULL : __real_strndup(text, n);
}
/* NOLINTEND(bugprone-reserved-identifier) */

size_t wr_faults_each(enum weir_status (*body)(void *arg), void *arg)
{
    size_t refused = 0;
    for (size_t n = 1;; n++) {
        fail_at = n;
        allocated = 0;
        enum weir_status status = body(arg);
        fail_at = 0;
        if (allocated < n) {
            assert_status(WEIR_OK, status);
            assert_true(n > 1);
            break;
        }
        if (status != WEIR_OK) {
            assert_status(WEIR_E_NOMEM, status);
            refused++;
        }
    }
    assert_true(refused > 0);
    return refused;
}
