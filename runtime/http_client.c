/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl's door. One handle per call: these calls cross processes and are rare
 * beside the queries a worker answers itself. */
#include "runtime/http_client.h"

#include <curl/curl.h>

#define CONNECT_TIMEOUT_MS 1000L

void wr_http_client_start(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct wr_buf *out = user;
    wr_buf_put(out, data, size * count);
    return out->status == WEIR_OK ? size * count : 0;
}

static enum weir_status status_of(CURLcode code, const struct wr_buf *out)
{
    if (out->status != WEIR_OK) {
        return out->status;
    }
    return code == CURLE_OPERATION_TIMEDOUT ? WEIR_E_TIMEOUT
                                            : WEIR_E_UNREACHABLE;
}

enum weir_status wr_http_get(const char *url, const char *header,
                             int timeout_ms, struct wr_buf *out,
                             int *out_status, struct weir_error *err)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers =
        header ? curl_slist_append(NULL, header) : NULL;
    if (!curl || (header && !headers)) {
        curl_easy_cleanup(curl);
        return weir_fail(err, WEIR_E_NOMEM, "GET %s: out of memory", url);
    }
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK) {
        return weir_fail(err, status_of(code, out), "GET %s: %s", url,
                         curl_easy_strerror(code));
    }
    *out_status = (int)status;
    return WEIR_OK;
}
