/* SPDX-License-Identifier: Apache-2.0
 *
 * ApiVersions: the first thing every client asks. A version that is not known
 * is answered in version 0 with UNSUPPORTED_VERSION and the full list all the
 * same, so that the client can ask again. No feature is reported: without
 * transaction.version 2 Java clients stay with the transaction protocol that
 * all others speak too. Thread: broker loop. */
#include "broker/api.h"
#include "broker/errors.h"

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* Letters, digits, and between them '-' and '.': what Kafka accepts as name and
 * version of a client's software. */
static bool software_valid(struct weir_bytes s)
{
    if (s.len == 0 || !is_alnum(s.data[0]) || !is_alnum(s.data[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.data[i]) && s.data[i] != '-' && s.data[i] != '.') {
            return false;
        }
    }
    return true;
}

static int16_t check(const struct wr_request *request)
{
    const struct wr_api_versions_request *body = request->body;
    if (request->unknown_version) {
        return WR_ERR_UNSUPPORTED_VERSION;
    }
    if (request->version >= 3 &&
        (!software_valid(body->client_software_name) ||
         !software_valid(body->client_software_version))) {
        return WR_ERR_INVALID_REQUEST;
    }
    return 0;
}

void wr_handle_api_versions(struct wr_request *request)
{
    struct wr_api_versions_response response;
    wr_api_versions_response_init(&response);
    response.error_code = check(request);
    size_t count;
    const struct wr_api *rows = wr_apis(&count);
    if (response.error_code == 0 ||
        response.error_code == WR_ERR_UNSUPPORTED_VERSION) {
        response.api_keys =
            wr_request_calloc(request, count, sizeof(*response.api_keys));
        if (!response.api_keys) {
            wr_request_hang_up(request, "out of memory for an answer");
            return;
        }
        response.api_keys_count = (int32_t)count;
        for (size_t i = 0; i < count; i++) {
            response.api_keys[i].api_key = rows[i].key;
            response.api_keys[i].min_version = rows[i].version_min;
            response.api_keys[i].max_version = rows[i].version_max;
        }
    }
    wr_request_reply(request, &response);
}
