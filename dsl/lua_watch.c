/* SPDX-License-Identifier: Apache-2.0
 *
 * The watch over running scripts. Each call from outside has one budget of
 * time, which the calls that it leads to (functions further down the topology,
 * in the same state) share; time in nodes of C, which may wait for the network,
 * is not the script's.
 *
 *   watching thread, every tick:           state's thread:
 *     another call than before?              outermost call: call++
 *       spent = 0                            into and out of the script:
 *     sequence odd?                            sequence++ (odd inside)
 *       spent += time since the last tick
 *     spent >= call_ms_max?
 *       condemned = call
 *       pthread_kill(SIGURG)  ------------>  handler: condemned == call?
 *                                              expired, count hook on the
 *                                              coroutine that runs
 *
 * So the time of a script that emits is sampled, and costs it nothing. The
 * handler runs on the state's own thread, so it sees that thread's call
 * exactly: a signal that comes too late condemns nothing. lua_sethook is made
 * to be called from a signal handler.
 *
 * Thread: one for the process, started with the first state and joined with the
 * last. Locks, in this order: `life` around starting and joining it; `lock`
 * guards the list and is held while signalling, so that a thread in the list is
 * alive. */
#include "dsl/lua_watch.h"

#include "base/clock.h"

#include <lua.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define TICK_MS_MAX 20
#define HOOK_COUNT  1 /* instructions between two errors of a stopped call */

struct watched {
    struct watched *next;
    struct wr_lua *lua;
    pthread_t thread;
    uint_fast64_t call; /* as last seen */
    int64_t spent_ms;   /* by that call, in the script */
};

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake; /* with the monotonic clock; made with the thread */
static struct watched *list;
static pthread_t watcher;
static bool stopping;
static struct sigaction previous;

static _Thread_local struct wr_lua *volatile here; /* for the handler */

/* ---- on the state's thread ------------------------------------------------
 */

static void on_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct wr_lua *lua = wr_lua_of(L);
    wr_lua_check_doomed(lua, L);
    /* The call that it was for has ended, this coroutine lives on. */
    lua_sethook(L, NULL, 0, 0);
}

static void on_signal(int number)
{
    (void)number;
    struct wr_lua *lua = here;
    if (lua && lua->depth > 0 &&
        atomic_load(&lua->condemned) == atomic_load(&lua->call)) {
        lua->expired = 1;
        lua_sethook(lua->running, on_hook, LUA_MASKCOUNT, HOOK_COUNT);
    }
}

/* ---- the watching thread ---------------------------------------------------
 */

static void look_at(struct watched *w, int64_t passed_ms)
{
    uint_fast64_t call = atomic_load(&w->lua->call);
    if (call != w->call) {
        w->call = call;
        w->spent_ms = 0;
    } else if (atomic_load(&w->lua->sequence) % 2 == 1) {
        w->spent_ms += passed_ms;
    }
    if (w->spent_ms >= w->lua->limits.call_ms_max) {
        atomic_store(&w->lua->condemned, call);
        (void)pthread_kill(w->thread, SIGURG);
    }
}

static int64_t tick_ms(void)
{
    int64_t tick = TICK_MS_MAX;
    for (const struct watched *w = list; w; w = w->next) {
        int64_t quarter = w->lua->limits.call_ms_max / 4;
        tick = quarter < tick ? quarter : tick;
    }
    return tick > 0 ? tick : 1;
}

static void *run(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    int64_t before_ms = wr_mono_ms();
    while (!stopping) {
        int64_t now_ms = wr_mono_ms();
        for (struct watched *w = list; w; w = w->next) {
            look_at(w, now_ms - before_ms);
        }
        before_ms = now_ms;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += tick_ms() * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&wake, &lock, &until);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* With `life` held. */
static bool start_watcher(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&wake, &attributes);
    pthread_condattr_destroy(&attributes);
    stopping = false; /* nobody else reads it now */
    if (sigaction(SIGURG, &action, &previous) != 0) {
        return false;
    }
    /* The watcher takes no signals: they are for the program's own threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&watcher, NULL, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* ---- life ---------------------------------------------------------------- */

enum weir_status wr_lua_watch(struct wr_lua *lua, struct weir_error *err)
{
    struct watched *w = calloc(1, sizeof(*w));
    if (!w) {
        return weir_fail(err, WEIR_E_NOMEM, "no memory to watch a script");
    }
    w->lua = lua;
    w->thread = pthread_self();
    here = lua;
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
    pthread_mutex_lock(&life);
    bool started = list != NULL || start_watcher();
    if (started) {
        pthread_mutex_lock(&lock);
        w->next = list;
        list = w;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_unlock(&life);
    if (!started) {
        free(w);
        return weir_fail(err, WEIR_E_NOMEM,
                         "no thread to watch a script's time");
    }
    return WEIR_OK;
}

void wr_lua_unwatch(struct wr_lua *lua)
{
    pthread_mutex_lock(&life);
    pthread_mutex_lock(&lock);
    struct watched **link = &list;
    while (*link && (*link)->lua != lua) {
        link = &(*link)->next;
    }
    struct watched *w = *link;
    bool last = false;
    if (w) {
        *link = w->next;
        last = !list;
    }
    stopping = last;
    if (here == lua) {
        here = NULL;
    }
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
    if (last) {
        pthread_join(watcher, NULL);
        pthread_cond_destroy(&wake);
        sigaction(SIGURG, &previous, NULL);
    }
    pthread_mutex_unlock(&life);
    free(w);
}
