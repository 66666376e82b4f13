/* SPDX-License-Identifier: Apache-2.0
 *
 * For ThreadSanitizer builds only: C11 threads by way of pthreads.
 *
 * librdkafka is built with C11 threads. ThreadSanitizer knows pthreads only; a
 * thread that glibc's thrd_create starts has no state there, and the first
 * access crashes. These functions stand before glibc's, because a program's own
 * symbols come first, so that every lock and thread of librdkafka is seen.
 * glibc's types for C11 threads are its pthread types under other names, which
 * is checked below. Thread: any. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

/* Found by the dynamic linker although the project hides its symbols. */
#pragma GCC visibility push(default)

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "mtx_t");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "cnd_t");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "thrd_t");
_Static_assert(sizeof(once_flag) == sizeof(pthread_once_t), "once_flag");

struct start {
    thrd_start_t run;
    void *arg;
};

static int result_of(int errnum)
{
    switch (errnum) {
    case 0:
        return thrd_success;
    case ETIMEDOUT:
        return thrd_timedout;
    case EBUSY:
        return thrd_busy;
    case ENOMEM:
        return thrd_nomem;
    default:
        return thrd_error;
    }
}

static void *trampoline(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    return (void *)(intptr_t)start.run(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
    struct start *start = malloc(sizeof(*start));
    if (!start) {
        return thrd_nomem;
    }
    *start = (struct start){run, arg};
    int errnum = pthread_create((pthread_t *)thread, NULL, trampoline, start);
    if (errnum != 0) {
        free(start);
    }
    return result_of(errnum);
}

thrd_t thrd_current(void)
{
    return (thrd_t)pthread_self();
}

int thrd_join(thrd_t thread, int *out)
{
    void *value = NULL;
    int errnum = pthread_join((pthread_t)thread, &value);
    if (errnum == 0 && out) {
        *out = (int)(intptr_t)value;
    }
    return result_of(errnum);
}

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attributes;
    int errnum = pthread_mutexattr_init(&attributes);
    if (errnum == 0 && (type & mtx_recursive)) {
        errnum =
            pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    }
    if (errnum == 0) {
        errnum = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
        (void)pthread_mutexattr_destroy(&attributes);
    }
    return result_of(errnum);
}

int mtx_lock(mtx_t *mutex)
{
    return result_of(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
    return result_of(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

void mtx_destroy(mtx_t *mutex)
{
    (void)pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int cnd_init(cnd_t *condition)
{
    return result_of(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

int cnd_signal(cnd_t *condition)
{
    return result_of(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
    return result_of(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return result_of(pthread_cond_wait((pthread_cond_t *)condition,
                                       (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict until)
{
    return result_of(pthread_cond_timedwait((pthread_cond_t *)condition,
                                            (pthread_mutex_t *)mutex, until));
}

void cnd_destroy(cnd_t *condition)
{
    (void)pthread_cond_destroy((pthread_cond_t *)condition);
}

void call_once(once_flag *flag, void (*run)(void))
{
    (void)pthread_once((pthread_once_t *)flag, run);
}

#pragma GCC visibility pop
