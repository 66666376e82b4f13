/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to a stream thread. Any thread posts one and waits; the stream
 * thread answers between two batches, with a copy of the committed value. A
 * question whose asker gave up is freed by the stream thread. An atomic flag
 * tells the loop that there is mail, so that no lock is taken while there is
 * none. */
#include "runtime/worker_state.h"

#include <stdlib.h>
#include <time.h>

#define VALUE_MAX ((size_t)1 << 30)

enum question_state { WAITING, ANSWERED, ABANDONED };

struct wr_question {
    struct wr_question *next;
    struct wr_task_id task;
    int store_index;
    bool has_key;
    struct wr_buf key;
    enum question_state state; /* under the worker's lock */
    enum weir_status status;
    struct wr_query_answer answer;
    struct weir_error error;
};

static void question_free(struct wr_question *q)
{
    wr_buf_done(&q->key);
    wr_buf_done(&q->answer.value);
    free(q);
}

static enum weir_status answer(struct wr_worker *worker, struct wr_question *q)
{
    struct wr_worker_task *t = wr_worker_find(worker, q->task);
    if (!t || t->step != WR_STEP_RUN) {
        return weir_fail(&q->error, WEIR_E_AGAIN, "task %d_%d is %s",
                         q->task.subtopology, (int)q->task.partition,
                         t ? "restoring" : "moving");
    }
    struct weir_store *store =
        wr_task_state_store(wr_task_state(t->task), q->store_index);
    struct weir_bytes value = WEIR_NULL;
    int64_t timestamp_ms = -1;
    if (q->has_key) {
        enum weir_status status = wr_store_get_committed(
            store, wr_buf_view(&q->key), &value, &timestamp_ms);
        if (status == WEIR_E_CORRUPT) {
            t->damaged = true;
            worker->damaged = true;
        }
        if (status != WEIR_OK) {
            const struct weir_error *why =
                wr_task_state_error(wr_task_state(t->task));
            return weir_fail(&q->error, status, "store '%s' of task %s: %s",
                             wr_store_spec(store)->name, wr_task_name(t->task),
                             why->status == status ? why->text
                                                   : weir_status_text(status));
        }
    }
    q->answer.found = !weir_bytes_is_null(value);
    wr_buf_put_bytes(&q->answer.value, value);
    q->answer.timestamp_ms = timestamp_ms;
    q->answer.position = wr_store_position(store);
    q->answer.entries = weir_store_approximate_count(store);
    return q->answer.value.status;
}

/* Marks a question as answered, or frees it when nobody waits. Under the lock.
 */
static void settle(struct wr_question *q, enum weir_status status)
{
    if (q->state == ABANDONED) {
        question_free(q);
        return;
    }
    q->status = status;
    q->state = ANSWERED;
}

void wr_mailbox_serve(struct wr_worker *worker)
{
    if (!atomic_load_explicit(&worker->has_mail, memory_order_acquire)) {
        return;
    }
    (void)pthread_mutex_lock(&worker->lock);
    atomic_store(&worker->has_mail, false);
    struct wr_question *list = worker->questions;
    worker->questions = NULL;
    while (list) {
        struct wr_question *q = list;
        list = q->next;
        /* an asker that gives up only marks the question */
        (void)pthread_mutex_unlock(&worker->lock);
        enum weir_status status = answer(worker, q);
        (void)pthread_mutex_lock(&worker->lock);
        settle(q, status);
    }
    (void)pthread_cond_broadcast(&worker->answered);
    (void)pthread_mutex_unlock(&worker->lock);
}

void wr_mailbox_close(struct wr_worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->closed = true;
    while (worker->questions) {
        struct wr_question *q = worker->questions;
        worker->questions = q->next;
        settle(q, weir_fail(&q->error, WEIR_E_CLOSED,
                            "the application is stopping"));
    }
    (void)pthread_cond_broadcast(&worker->answered);
    (void)pthread_mutex_unlock(&worker->lock);
}

static struct timespec deadline_in(int timeout_ms)
{
    struct timespec t = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static struct wr_question *question_new(const struct wr_worker_query *query)
{
    struct wr_question *q = calloc(1, sizeof(*q));
    if (!q) {
        return NULL;
    }
    q->task = query->task;
    q->store_index = query->store_index;
    q->has_key = !weir_bytes_is_null(query->key);
    wr_buf_init(&q->key, VALUE_MAX);
    wr_buf_put_bytes(&q->key, query->key);
    wr_buf_init(&q->answer.value, VALUE_MAX);
    if (q->key.status != WEIR_OK) {
        question_free(q);
        return NULL;
    }
    return q;
}

enum weir_status wr_worker_get(struct wr_worker *worker,
                               const struct wr_worker_query *query,
                               struct wr_query_answer *out,
                               struct weir_error *err)
{
    struct timespec until = deadline_in(query->timeout_ms);
    struct wr_question *q = question_new(query);
    if (!q) {
        return weir_fail(err, WEIR_E_NOMEM, "query: out of memory");
    }
    (void)pthread_mutex_lock(&worker->lock);
    if (worker->closed) {
        (void)pthread_mutex_unlock(&worker->lock);
        question_free(q);
        return weir_fail(err, WEIR_E_CLOSED, "the application is stopping");
    }
    q->next = worker->questions;
    worker->questions = q;
    atomic_store_explicit(&worker->has_mail, true, memory_order_release);
    if (worker->wakeable) {
        wr_consumer_wake(worker->wakeable);
    }
    int late = 0;
    while (q->state == WAITING && late == 0) {
        late = pthread_cond_timedwait(&worker->answered, &worker->lock, &until);
    }
    if (q->state == WAITING) {
        q->state = ABANDONED;
        (void)pthread_mutex_unlock(&worker->lock);
        return weir_fail(err, WEIR_E_TIMEOUT,
                         "the stream thread was busy for %d ms",
                         query->timeout_ms);
    }
    (void)pthread_mutex_unlock(&worker->lock);
    enum weir_status status = q->status;
    if (status == WEIR_OK) {
        *out = q->answer;
        wr_buf_init(&q->answer.value, 0); /* moved to the asker */
    } else if (err) {
        *err = q->error;
    }
    question_free(q);
    return status;
}
