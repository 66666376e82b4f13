/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames: a 4-byte length, then that many bytes. Assembles them from whatever
 * pieces a socket gives, with memory in proportion to what has arrived and not
 * to what was announced. No I/O here. Thread: broker loop. */
#ifndef WEIR_BROKER_FRAME_H
#define WEIR_BROKER_FRAME_H

#include "base/bytes.h"

#define WR_FRAME_HEAD    4           /* bytes of the length */
#define WR_FRAME_SCRATCH (128 << 10) /* bytes of the shared read buffer */

/** Memory that all connections together may hold in requests. */
struct wr_frame_budget {
    size_t used; /* bytes of partial frames and of requests being served */
    size_t max;
};

struct wr_frames {
    uint8_t *scratch;               /* lent, shared by all connections */
    struct wr_frame_budget *budget; /* lent, shared */
    size_t frame_max;               /* largest length accepted */
    uint8_t *own;                   /* what did not end in scratch; owned */
    size_t own_cap;
    size_t pos, len;   /* unread part of scratch or own */
    bool in_scratch;   /* which one */
    size_t bad_length; /* the length that was refused; for the log */
};

void wr_frames_init(struct wr_frames *frames, uint8_t *scratch,
                    struct wr_frame_budget *budget, size_t frame_max);
void wr_frames_done(struct wr_frames *frames);
/** Where the next read of the socket goes; not while a whole frame is ready.
 *  Errors: WEIR_E_TOOBIG (the budget),
 *  WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_frames_space(struct wr_frames *frames, uint8_t **out_at, size_t *out_size);
/** n bytes were read there. */
void wr_frames_added(struct wr_frames *frames, size_t n);
/** Whether a whole frame, or one that is refused, is next. */
bool wr_frames_ready(const struct wr_frames *frames);
/** The next whole frame; *out_memory is given (free with wr_frame_free), its
 *  body begins at WR_FRAME_HEAD. *out_len is that of the body. Errors:
 *  WEIR_E_AGAIN (not all there), WEIR_E_CORRUPT (length refused, see
 * bad_length), WEIR_E_TOOBIG (budget), WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status
wr_frames_next(struct wr_frames *frames, uint8_t **out_memory, size_t *out_len);
/** Keeps what is left in the shared buffer; before another connection reads.
 *  Errors: WEIR_E_TOOBIG, WEIR_E_NOMEM. */
WEIR_MUST_CHECK enum weir_status wr_frames_settle(struct wr_frames *frames);

void wr_frame_free(struct wr_frame_budget *budget, uint8_t *memory,
                   size_t body_len);

#endif
