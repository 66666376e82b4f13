/* SPDX-License-Identifier: Apache-2.0
 *
 * The quick look at JSON: whether bytes surely are one value, without making a
 * tree of it. Every record of a JSON topic is checked, so the common case must
 * cost about a nanosecond a byte; what this scan is not sure about (numbers of
 * many digits, surrogates, great depth, and everything wrong) is left to the
 * full parser, which also has the words for it. The stack is a bit per level:
 * object or array. */
#include "runtime/json.h"

#include "runtime/serde.h"

#define DEPTH_MAX  64
#define DIGITS_MAX 18 /* of an integer that surely fits 64 bits */

struct scan {
    const uint8_t *at, *end;
};

static void skip_blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' ||
                              *s->at == '\t' || *s->at == '\r')) {
        s->at++;
    }
}

static bool take(struct scan *s, uint8_t byte)
{
    if (s->at < s->end && *s->at == byte) {
        s->at++;
        return true;
    }
    return false;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* After a backslash. Code points that may be halves of a pair are not for us.
 */
static bool skip_escape(struct scan *s)
{
    if (s->at == s->end) {
        return false;
    }
    uint8_t c = *s->at++;
    if (c != 'u') {
        return c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' ||
               c == 'n' || c == 'r' || c == 't';
    }
    if (s->end - s->at < 4 || !is_hex(s->at[0]) || !is_hex(s->at[1]) ||
        !is_hex(s->at[2]) || !is_hex(s->at[3]) || (s->at[0] | 0x20) == 'd') {
        return false;
    }
    s->at += 4;
    return true;
}

static bool skip_text(struct scan *s)
{
    if (!take(s, '"')) {
        return false;
    }
    const uint8_t *start = s->at;
    uint8_t all = 0;
    while (s->at < s->end && *s->at != '"') {
        uint8_t c = *s->at++;
        all |= c;
        if (c < 0x20 || (c == '\\' && !skip_escape(s))) {
            return false;
        }
    }
    size_t bad;
    return (all < 0x80 ||
            wr_utf8_valid(weir_bytes(start, (size_t)(s->at - start)), &bad)) &&
           take(s, '"');
}

static size_t skip_digits(struct scan *s)
{
    const uint8_t *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return (size_t)(s->at - start);
}

static bool skip_number(struct scan *s)
{
    take(s, '-');
    const uint8_t *start = s->at;
    size_t digits = skip_digits(s);
    if (digits == 0 || digits > DIGITS_MAX || (digits > 1 && *start == '0')) {
        return false;
    }
    if (take(s, '.') && skip_digits(s) == 0) {
        return false;
    }
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) {
            take(s, '-');
        }
        digits = skip_digits(s);
        return digits > 0 && digits <= 2;
    }
    return true;
}

static bool skip_word(struct scan *s, const char *word, size_t len)
{
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0) {
        return false;
    }
    s->at += len;
    return true;
}

static bool skip_scalar(struct scan *s)
{
    switch (s->at < s->end ? *s->at : 0) {
    case '"':
        return skip_text(s);
    case 't':
        return skip_word(s, "true", 4);
    case 'f':
        return skip_word(s, "false", 5);
    case 'n':
        return skip_word(s, "null", 4);
    default:
        return skip_number(s);
    }
}

/* A key and its colon, when the innermost level is an object. */
static bool skip_key(struct scan *s, bool object)
{
    if (!object) {
        return true;
    }
    skip_blanks(s);
    if (!skip_text(s)) {
        return false;
    }
    skip_blanks(s);
    return take(s, ':');
}

bool wr_json_scan(struct weir_bytes bytes)
{
    struct scan s = {bytes.data, bytes.data + bytes.len};
    uint64_t objects = 0; /* bit 0: the innermost level is an object */
    unsigned depth = 0;
    for (;;) {
        skip_blanks(&s);
        bool object = take(&s, '{');
        if (object || take(&s, '[')) {
            if (++depth > DEPTH_MAX) {
                return false;
            }
            objects = objects << 1 | object;
            skip_blanks(&s);
            if (s.at == s.end || *s.at != (object ? '}' : ']')) {
                if (!skip_key(&s, object)) {
                    return false;
                }
                continue;
            }
        } else if (!skip_scalar(&s)) {
            return false;
        }
        /* A value is complete: close what ends here, go on after a comma. */
        skip_blanks(&s);
        while (depth > 0 && take(&s, objects & 1 ? '}' : ']')) {
            objects >>= 1;
            depth--;
            skip_blanks(&s);
        }
        if (depth == 0) {
            return s.at == s.end;
        }
        if (!take(&s, ',') || !skip_key(&s, objects & 1)) {
            return false;
        }
    }
}
