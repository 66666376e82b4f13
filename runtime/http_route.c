/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes. The target is split at '/' while it is still percent-encoded, so that
 * a key may hold an encoded slash, and any other byte, NUL included. A key in
 * the path is everything behind "/keys/", unencoded slashes too. */
#include "runtime/http_route.h"

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

enum weir_status wr_hex_decode(struct weir_bytes text, struct wr_buf *out)
{
    if (text.len % 2 != 0) {
        return WEIR_E_DECODE;
    }
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_digit(text.data[i]);
        int low = hex_digit(text.data[i + 1]);
        if (high < 0 || low < 0) {
            return WEIR_E_DECODE;
        }
        wr_buf_put_i8(out, (int8_t)(high << 4 | low));
    }
    return out->status;
}

/* Percent-decoding of RFC 3986; '+' stays '+'. */
static bool percent_decode(struct weir_bytes text, struct wr_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_digit(text.data[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        wr_buf_put(out, &c, 1);
    }
    return out->status == WEIR_OK;
}

/* A decoded text without NUL into a fixed array. */
static bool decode_text(struct weir_bytes text, char *out, size_t size)
{
    struct wr_buf buf;
    wr_buf_init(&buf, size - 1);
    bool ok = percent_decode(text, &buf) &&
              (buf.len == 0 || !memchr(buf.data, 0, buf.len));
    if (ok) {
        memcpy(out, buf.len ? (const char *)buf.data : "", buf.len);
        out[buf.len] = '\0';
    }
    wr_buf_done(&buf);
    return ok;
}

/* Cuts *rest at the first `mark`: returns what is before, leaves what is behind
 * (null when there is no mark). */
static struct weir_bytes cut(struct weir_bytes *rest, uint8_t mark)
{
    const uint8_t *at = rest->len ? memchr(rest->data, mark, rest->len) : NULL;
    struct weir_bytes before = *rest;
    if (!at) {
        *rest = WEIR_NULL;
        return before;
    }
    before.len = (size_t)(at - rest->data);
    *rest = weir_bytes(at + 1, rest->len - before.len - 1);
    return before;
}

static bool parse_query(struct weir_bytes query, struct wr_route *out)
{
    while (query.data) {
        struct weir_bytes value = cut(&query, '&');
        struct weir_bytes name = cut(&value, '=');
        bool ok = true;
        char flag[8] = "";
        if (wr_bytes_equal_text(name, "format")) {
            ok = decode_text(value, out->format, sizeof(out->format));
        } else if (wr_bytes_equal_text(name, "kenc")) {
            ok = decode_text(value, out->key_encoding,
                             sizeof(out->key_encoding));
        } else if (wr_bytes_equal_text(name, "redirect")) {
            ok = decode_text(value, flag, sizeof(flag));
            out->redirect = strcmp(flag, "1") == 0;
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static enum wr_route_kind parse_store(struct weir_bytes rest,
                                      struct wr_route *out)
{
    struct weir_bytes store = cut(&rest, '/');
    if (store.len == 0) {
        return WR_ROUTE_STORES;
    }
    if (!decode_text(store, out->store, sizeof(out->store))) {
        return WR_ROUTE_BAD;
    }
    if (!rest.data || rest.len == 0) {
        return WR_ROUTE_STORE;
    }
    struct weir_bytes word = cut(&rest, '/');
    if (!wr_bytes_equal_text(word, "keys") || !rest.data) {
        return WR_ROUTE_NONE;
    }
    return percent_decode(rest, &out->key) ? WR_ROUTE_KEY : WR_ROUTE_BAD;
}

static enum wr_route_kind parse_path(struct weir_bytes path,
                                     struct wr_route *out)
{
    static const struct {
        const char *path;
        enum wr_route_kind kind;
    } fixed[] = {
        {"/v1/app", WR_ROUTE_APP},           {"/v1/stores", WR_ROUTE_STORES},
        {"/v1/topology", WR_ROUTE_TOPOLOGY}, {"/v1/tasks", WR_ROUTE_TASKS},
        {"/metrics", WR_ROUTE_METRICS},      {"/livez", WR_ROUTE_LIVEZ},
        {"/readyz", WR_ROUTE_READYZ},
    };
    static const char stores[] = "/v1/stores/";
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (wr_bytes_equal_text(path, fixed[i].path)) {
            return fixed[i].kind;
        }
    }
    size_t n = sizeof(stores) - 1;
    if (path.len >= n && memcmp(path.data, stores, n) == 0) {
        return parse_store(weir_bytes(path.data + n, path.len - n), out);
    }
    return WR_ROUTE_NONE;
}

void wr_route_parse(struct weir_bytes target, struct wr_route *out)
{
    *out = (struct wr_route){.kind = WR_ROUTE_BAD};
    wr_buf_init(&out->key, WR_TARGET_MAX);
    if (target.len == 0 || target.len > WR_TARGET_MAX ||
        target.data[0] != '/') {
        return;
    }
    struct weir_bytes query = target;
    struct weir_bytes path = cut(&query, '?');
    if (parse_query(query, out)) {
        out->kind = parse_path(path, out);
    }
}

void wr_route_done(struct wr_route *route)
{
    wr_buf_done(&route->key);
}
