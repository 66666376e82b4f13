/* SPDX-License-Identifier: Apache-2.0
 *
 * What a supervisor decides, apart from how it does it: pure functions of what
 * was seen, so that each row of their tables is a unit test. */
#include "cli/supervisor.h"

#include <signal.h>
#include <sys/wait.h>

#define WAIT_MS_MAX 60000

/* What a worker says of itself and another try would only say again. */
static bool is_final(int code, bool was_ready)
{
    return code == WR_EXIT_USAGE || code == WR_EXIT_LOAD ||
           code == WR_EXIT_INCOMPATIBLE || code == WR_EXIT_POISON ||
           (code == WR_EXIT_UNREACHABLE && !was_ready) ||
           (code == WR_EXIT_IN_USE && !was_ready) ||
           (code == WR_EXIT_NOTFOUND && !was_ready);
}

enum wr_exit_action wr_supervise_exit(const struct wr_exit_facts *facts,
                                      unsigned random, int64_t *out_backoff_ms,
                                      int *out_code)
{
    if (WIFEXITED(facts->wait_status)) {
        int code = WEXITSTATUS(facts->wait_status);
        if (is_final(code, facts->was_ready)) {
            *out_code = code;
            return WR_STOP_POOL;
        }
    }
    int64_t next = facts->backoff_ms * 2;
    if (facts->backoff_ms == 0 || facts->uptime_ms >= WR_HEALTHY_MS) {
        next = WR_BACKOFF_FIRST_MS;
    }
    if (next > facts->backoff_max_ms) {
        next = facts->backoff_max_ms;
    }
    *out_backoff_ms = next - next / 4 * (int64_t)(random % 1000) / 1000;
    return WR_RESTART;
}

int wr_supervise_stopped_code(int wait_status, int code)
{
    if (code != WR_EXIT_OK) {
        return code; /* what stopped the pool says more than what followed */
    }
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : WR_EXIT_FAILED;
}

enum wr_signal_action wr_supervise_signal(int number, int64_t stopping_ms,
                                          int64_t now_ms)
{
    if (number != SIGTERM && number != SIGINT && number != SIGHUP &&
        number != SIGQUIT) {
        return WR_SIGNAL_IGNORE;
    }
    if (stopping_ms < 0) {
        return WR_SIGNAL_STOP;
    }
    return now_ms - stopping_ms < WR_SAME_WISH_MS ? WR_SIGNAL_IGNORE
                                                  : WR_SIGNAL_KILL;
}

int wr_supervise_wait_ms(int64_t until_ms, int64_t now_ms)
{
    if (until_ms == INT64_MAX) {
        return -1;
    }
    int64_t left = until_ms - now_ms;
    return left < 0 ? 0 : left > WAIT_MS_MAX ? WAIT_MS_MAX : (int)left;
}

bool wr_silence_look(struct wr_silence *silence, uint32_t beat, int64_t now_ms,
                     int64_t silent_ms)
{
    int64_t since_look = now_ms - silence->looked_ms;
    silence->looked_ms = now_ms;
    if (beat == WR_BEAT_NONE || beat == WR_BEAT_ENDS || beat != silence->beat) {
        silence->beat = beat;
        silence->heard_ms = now_ms;
        return false;
    }
    /* Who was stopped itself (a frozen container, a machine asleep) has not
     * listened in the meantime: only what it could have heard counts. */
    if (since_look > 2 * WR_LOOK_MS) {
        silence->heard_ms += since_look - WR_LOOK_MS;
    }
    return now_ms - silence->heard_ms >= silent_ms;
}
