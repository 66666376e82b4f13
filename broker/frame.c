/* SPDX-License-Identifier: Apache-2.0
 *
 * Two places for incoming bytes. Small requests come whole, often several in
 * one read: they are cut out of a buffer that all connections share. What is
 * left over moves to memory of the connection, and a large frame is then read
 * straight into it, never past its end, so that it can be handed on without a
 * copy. That memory doubles as bytes arrive: a length of 100 MiB that is
 * announced but not sent costs nothing. */
#include "broker/frame.h"

#include <stdlib.h>

#define OWN_MIN ((size_t)4 << 10)

void wr_frames_init(struct wr_frames *frames, uint8_t *scratch,
                    struct wr_frame_budget *budget, size_t frame_max)
{
    *frames = (struct wr_frames){
        .scratch = scratch, .budget = budget, .frame_max = frame_max};
}

static bool budget_take(struct wr_frame_budget *budget, size_t n)
{
    if (n > budget->max - budget->used) {
        return false;
    }
    budget->used += n;
    return true;
}

static void own_drop(struct wr_frames *frames)
{
    free(frames->own);
    frames->budget->used -= frames->own_cap;
    frames->own = NULL;
    frames->own_cap = 0;
}

void wr_frames_done(struct wr_frames *frames)
{
    own_drop(frames);
    frames->pos = frames->len = 0;
}

void wr_frame_free(struct wr_frame_budget *budget, uint8_t *memory,
                   size_t body_len)
{
    if (memory) {
        free(memory);
        budget->used -= body_len + WR_FRAME_HEAD;
    }
}

static const uint8_t *unread(const struct wr_frames *frames)
{
    return (frames->in_scratch ? frames->scratch : frames->own) + frames->pos;
}

static size_t left(const struct wr_frames *frames)
{
    return frames->len - frames->pos;
}

/* Body length that the unread bytes announce; WR_FRAME_HEAD of them are there.
 * A negative one comes out huge. */
static size_t announced(const struct wr_frames *frames)
{
    return wr_load_u32(unread(frames));
}

/* Gives `own` room for cap bytes, paying for it. */
static enum weir_status own_reserve(struct wr_frames *frames, size_t cap)
{
    if (cap <= frames->own_cap) {
        return WEIR_OK;
    }
    size_t more = cap - frames->own_cap;
    if (!budget_take(frames->budget, more)) {
        return WEIR_E_TOOBIG;
    }
    uint8_t *own = realloc(frames->own, cap);
    if (!own) {
        frames->budget->used -= more;
        return WEIR_E_NOMEM;
    }
    frames->own = own;
    frames->own_cap = cap;
    return WEIR_OK;
}

enum weir_status wr_frames_space(struct wr_frames *frames, uint8_t **out_at,
                                 size_t *out_size)
{
    if (left(frames) == 0) {
        own_drop(frames);
        frames->pos = frames->len = 0;
        frames->in_scratch = true;
        *out_at = frames->scratch;
        *out_size = WR_FRAME_SCRATCH;
        return WEIR_OK;
    }
    enum weir_status s = wr_frames_settle(frames); /* a second read at once */
    if (s != WEIR_OK) {
        return s;
    }
    if (frames->pos > 0) {
        memmove(frames->own, frames->own + frames->pos, left(frames));
        frames->len -= frames->pos;
        frames->pos = 0;
    }
    size_t whole = WR_FRAME_HEAD;
    if (frames->len >= WR_FRAME_HEAD) {
        whole += announced(frames); /* <= frame_max, or it was refused */
    }
    if (frames->own_cap == frames->len) {
        size_t cap = frames->len < OWN_MIN ? OWN_MIN : frames->len * 2;
        s = own_reserve(frames, cap < whole ? cap : whole);
    }
    if (s == WEIR_OK) {
        *out_at = frames->own + frames->len;
        *out_size =
            (frames->own_cap < whole ? frames->own_cap : whole) - frames->len;
    }
    return s;
}

void wr_frames_added(struct wr_frames *frames, size_t n)
{
    frames->len += n;
}

bool wr_frames_ready(const struct wr_frames *frames)
{
    if (left(frames) < WR_FRAME_HEAD) {
        return false;
    }
    size_t body = announced(frames);
    return body > frames->frame_max || left(frames) - WR_FRAME_HEAD >= body;
}

enum weir_status wr_frames_next(struct wr_frames *frames, uint8_t **out_memory,
                                size_t *out_len)
{
    if (left(frames) < WR_FRAME_HEAD) {
        return WEIR_E_AGAIN;
    }
    size_t body = announced(frames);
    if (body > frames->frame_max) {
        frames->bad_length = body;
        return WEIR_E_CORRUPT;
    }
    size_t whole = body + WR_FRAME_HEAD;
    if (left(frames) < whole) {
        return WEIR_E_AGAIN;
    }
    if (!frames->in_scratch && frames->pos == 0 && frames->len == whole &&
        frames->own_cap == whole) { /* read in place: hand it on */
        *out_memory = frames->own;
        *out_len = body;
        frames->own = NULL;
        frames->own_cap = 0;
        frames->len = 0;
        return WEIR_OK;
    }
    if (!budget_take(frames->budget, whole)) {
        return WEIR_E_TOOBIG;
    }
    uint8_t *memory = malloc(whole);
    if (!memory) {
        frames->budget->used -= whole;
        return WEIR_E_NOMEM;
    }
    memcpy(memory, unread(frames), whole);
    frames->pos += whole;
    if (!frames->in_scratch && left(frames) == 0) {
        wr_frames_done(frames);
    }
    *out_memory = memory;
    *out_len = body;
    return WEIR_OK;
}

enum weir_status wr_frames_settle(struct wr_frames *frames)
{
    if (!frames->in_scratch) {
        return WEIR_OK;
    }
    size_t n = left(frames);
    if (n > 0) {
        enum weir_status s = own_reserve(frames, n);
        if (s != WEIR_OK) {
            return s;
        }
        memcpy(frames->own, unread(frames), n);
    }
    frames->in_scratch = false;
    frames->pos = 0;
    frames->len = n;
    return WEIR_OK;
}
