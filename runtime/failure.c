/* SPDX-License-Identifier: Apache-2.0
 *
 * Class -> action:
 *
 *   class    process   commit      restore     other
 *   RETRY    ABORT     TRY_AGAIN   TRY_AGAIN   TRY_AGAIN
 *   ABORT    ABORT     ABORT       TRY_AGAIN   ABORT
 *   FENCED   REJOIN    REJOIN      REJOIN      REJOIN
 *   others   STOP      STOP        STOP        STOP
 *
 * A record that failed half-way for a reason that passes (a full queue, a disk
 * without space) has changed state already, so it is done again from the last
 * commit. SKIP at this level means that the handlers said "fail". */
#include "runtime/failure.h"

#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS   1000

enum wr_action wr_failure_action(enum weir_status status, enum wr_step step)
{
    switch (weir_status_class(status)) {
    case WEIR_CLASS_OK:
        return WR_GO_ON;
    case WEIR_CLASS_RETRY:
        return step == WR_STEP_PROCESS ? WR_ABORT : WR_TRY_AGAIN;
    case WEIR_CLASS_ABORT:
        return step == WR_STEP_RESTORE ? WR_TRY_AGAIN : WR_ABORT;
    case WEIR_CLASS_FENCED:
        return WR_REJOIN;
    case WEIR_CLASS_SKIP:
    case WEIR_CLASS_FATAL:
    case WEIR_CLASS_CALLER:
        return WR_STOP;
    }
    return WR_STOP;
}

bool wr_patience_failed(struct wr_patience *patience, int64_t now_ms,
                        int64_t timeout_ms)
{
    if (patience->since_ms == 0) {
        patience->since_ms = now_ms;
        patience->pause_ms = PAUSE_FIRST_MS;
    } else if (patience->pause_ms < PAUSE_MAX_MS) {
        patience->pause_ms *= 2;
    }
    return now_ms - patience->since_ms <= timeout_ms;
}

void wr_patience_succeeded(struct wr_patience *patience)
{
    *patience = (struct wr_patience){0, 0};
}
