/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread, one lock, two queues: given and finished. The lock is held for
 * list operations only, never during a job, and no other lock is taken under
 * it. Signals are blocked in the thread: they are the main thread's. */
#include "broker/helper.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct queue {
    struct wr_helper_job *first;
    struct wr_helper_job *last;
};

struct wr_helper {
    pthread_t thread;
    pthread_mutex_t lock;    /* guards all that follows */
    pthread_cond_t given;    /* signalled by submit and stop */
    pthread_cond_t finished; /* signalled after each job */
    struct queue todo;
    struct queue done;
    bool running; /* a job is under way */
    bool stop;    /* end when todo is empty */
    void (*wake)(void *arg);
    void *wake_arg;
};

static void queue_put(struct queue *queue, struct wr_helper_job *job)
{
    job->next = NULL;
    *(queue->last ? &queue->last->next : &queue->first) = job;
    queue->last = job;
}

static struct wr_helper_job *queue_take(struct queue *queue)
{
    struct wr_helper_job *job = queue->first;
    if (job) {
        queue->first = job->next;
        if (!queue->first) {
            queue->last = NULL;
        }
    }
    return job;
}

static void *helper_main(void *arg)
{
    struct wr_helper *helper = arg;
    pthread_mutex_lock(&helper->lock);
    for (;;) {
        struct wr_helper_job *job = queue_take(&helper->todo);
        if (!job) {
            if (helper->stop) {
                break;
            }
            pthread_cond_wait(&helper->given, &helper->lock);
            continue;
        }
        helper->running = true;
        pthread_mutex_unlock(&helper->lock);
        job->run(job);
        pthread_mutex_lock(&helper->lock);
        helper->running = false;
        queue_put(&helper->done, job);
        pthread_cond_broadcast(&helper->finished);
        pthread_mutex_unlock(&helper->lock);
        if (helper->wake) {
            helper->wake(helper->wake_arg);
        }
        pthread_mutex_lock(&helper->lock);
    }
    pthread_mutex_unlock(&helper->lock);
    return NULL;
}

enum weir_status wr_helper_start(const char *name, void (*wake)(void *arg),
                                 void *wake_arg, struct wr_helper **out,
                                 struct weir_error *err)
{
    sigset_t all, old;
    struct wr_helper *helper = calloc(1, sizeof(*helper));
    if (!helper) {
        return weir_fail(err, WEIR_E_NOMEM, "thread %s: out of memory", name);
    }
    helper->wake = wake;
    helper->wake_arg = wake_arg;
    (void)pthread_mutex_init(&helper->lock, NULL);
    (void)pthread_cond_init(&helper->given, NULL);
    (void)pthread_cond_init(&helper->finished, NULL);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&helper->thread, NULL, helper_main, helper);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed) {
        free(helper);
        return weir_fail(err, WEIR_E_IO, "thread %s cannot be started", name);
    }
    (void)pthread_setname_np(helper->thread, name);
    *out = helper;
    return WEIR_OK;
}

void wr_helper_stop(struct wr_helper *helper)
{
    if (!helper) {
        return;
    }
    pthread_mutex_lock(&helper->lock);
    helper->stop = true;
    pthread_cond_signal(&helper->given);
    pthread_mutex_unlock(&helper->lock);
    (void)pthread_join(helper->thread, NULL);
    (void)pthread_mutex_destroy(&helper->lock);
    (void)pthread_cond_destroy(&helper->given);
    (void)pthread_cond_destroy(&helper->finished);
    free(helper);
}

void wr_helper_submit(struct wr_helper *helper, struct wr_helper_job *job)
{
    pthread_mutex_lock(&helper->lock);
    queue_put(&helper->todo, job);
    pthread_cond_signal(&helper->given);
    pthread_mutex_unlock(&helper->lock);
}

struct wr_helper_job *wr_helper_take(struct wr_helper *helper)
{
    pthread_mutex_lock(&helper->lock);
    struct wr_helper_job *job = queue_take(&helper->done);
    pthread_mutex_unlock(&helper->lock);
    return job;
}

void wr_helper_wait(struct wr_helper *helper)
{
    pthread_mutex_lock(&helper->lock);
    while (!helper->done.first && (helper->running || helper->todo.first)) {
        pthread_cond_wait(&helper->finished, &helper->lock);
    }
    pthread_mutex_unlock(&helper->lock);
}
