/* SPDX-License-Identifier: Apache-2.0
 *
 * weir query: one key of one store, from any worker. With -o json the worker's
 * answer as it is, otherwise the value alone. */
#include "cli/tools.h"

#include "runtime/http_client.h"
#include "runtime/json.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX ((size_t)64 << 20)

/* Percent-encodes everything but RFC 3986's unreserved characters. */
static void put_encoded(struct wr_buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (const char *p = text; *p; p++) {
        if (strchr(plain, *p)) {
            wr_buf_put(out, p, 1);
        } else {
            wr_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
        }
    }
}

static int print_answer(const struct wr_buf *body, bool json)
{
    if (json) {
        (void)fwrite(body->data, 1, body->len, stdout);
        return WR_EXIT_OK;
    }
    struct wr_buf value;
    wr_buf_init(&value, ANSWER_MAX);
    enum weir_status s = wr_json_member(wr_buf_view(body), "value", &value);
    if (s == WEIR_OK) {
        wr_buf_put_text(&value, "\n");
        (void)fwrite(value.data, 1, value.len, stdout);
    }
    wr_buf_done(&value);
    return s == WEIR_OK ? WR_EXIT_OK : WR_EXIT_FAILED;
}

/* What went wrong, in the worker's words. */
static int print_problem(int status, const struct wr_buf *body)
{
    struct wr_buf detail;
    wr_buf_init(&detail, 4096);
    if (wr_json_member(wr_buf_view(body), "detail", &detail) != WEIR_OK) {
        wr_buf_reset(&detail);
        wr_buf_printf(&detail, "the worker answered with status %d", status);
    }
    (void)fprintf(stderr, "weir: %s\n", wr_buf_text(&detail));
    wr_buf_done(&detail);
    return status == 404   ? WR_EXIT_NOTFOUND
           : status == 400 ? WR_EXIT_USAGE
           : status == 503 ? WR_EXIT_UNREACHABLE
                           : WR_EXIT_FAILED;
}

int wr_query(struct wr_cli *cli)
{
    const char *format = wr_cli_text(cli, "output", "text");
    bool json = strcmp(format, "json") == 0;
    if (!json && strcmp(format, "text") != 0) {
        return wr_cli_usage(cli, "-o %s: want text or json", format);
    }
    struct wr_buf url;
    struct wr_buf body;
    struct weir_error err = {0};
    int status = 0;
    wr_buf_init(&url, 65536);
    wr_buf_init(&body, ANSWER_MAX);
    wr_buf_printf(&url, "http://%s/v1/stores/",
                  wr_cli_text(cli, "http", "127.0.0.1:8090"));
    put_encoded(&url, cli->operands[0]);
    wr_buf_put_text(&url, "/keys/");
    put_encoded(&url, cli->operands[1]);
    if (wr_cli_has(cli, "hex")) {
        wr_buf_put_text(&url, "?kenc=hex");
    }
    wr_http_client_start();
    enum weir_status s =
        wr_http_get(wr_buf_text(&url), NULL, 10000, &body, &status, &err);
    int code = s != WEIR_OK    ? wr_cli_fail(&err)
               : status == 200 ? print_answer(&body, json)
                               : print_problem(status, &body);
    wr_buf_done(&url);
    wr_buf_done(&body);
    return code;
}
