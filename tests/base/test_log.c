/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "tests/harness/weir_test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static char captured[16384];
static int kept_stderr;
static int pipe_fds[2];

/* Standard error into a pipe; a pipe holds 64 KiB, which no test fills. */
static void capture_start(void)
{
    assert_int_equal(pipe(pipe_fds), 0);
    kept_stderr = dup(STDERR_FILENO);
    assert_true(kept_stderr >= 0);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    assert_int_equal(close(pipe_fds[1]), 0);
}

static const char *capture_end(void)
{
    size_t len = 0;
    ssize_t n;
    assert_true(dup2(kept_stderr, STDERR_FILENO) >= 0);
    assert_int_equal(close(kept_stderr), 0);
    while ((n = read(pipe_fds[0], captured + len, sizeof(captured) - 1 - len)) >
           0) {
        len += (size_t)n;
    }
    assert_int_equal(close(pipe_fds[0]), 0);
    captured[len] = '\0';
    return captured;
}

static int restore(void **state)
{
    (void)state;
    wr_log_set_name("");
    wr_log_configure(WR_INFO, WR_LOG_LOGFMT);
    return 0;
}

/* The time is the only part of a line that a test does not know. */
static const char *after_time(const char *line)
{
    const char *z = strchr(line, 'Z');
    assert_non_null(z);
    return z + 1;
}

static void a_pretty_line_reads_as_the_header_shows(void **state)
{
    (void)state;
    wr_log_configure(WR_INFO, WR_LOG_PRETTY);
    capture_start();
    wr_log(WR_INFO, "broker", "ready", "listen=%s:%d", "127.0.0.1", 9092);
    wr_log(WR_WARN, "broker", "slow", "");
    wr_log_set_name("worker-1");
    wr_log(WR_ERROR, "task", "failed", "task=0_1 error=\"a b\"");
    const char *out = capture_end();
    assert_string_equal(out + 10 + 14,
                        strchr(out, 'Z') + 1); /* 2026-11-21T21:40:12.123Z */
    assert_non_null(
        strstr(out, "Z INFO  broker: ready listen=127.0.0.1:9092\n"));
    assert_non_null(strstr(out, "Z WARN  broker: slow\n"));
    assert_non_null(
        strstr(out, "Z ERROR worker-1 task: failed task=0_1 error=\"a b\"\n"));
}

static void logfmt_quotes_only_what_needs_it(void **state)
{
    (void)state;
    wr_log_configure(WR_INFO, WR_LOG_LOGFMT);
    wr_log_set_name("w");
    capture_start();
    wr_log(WR_INFO, "c", "e", "a=1 path=/tmp/x text=\"two words\" none=");
    assert_string_equal(after_time(capture_end()),
                        " level=info process=w component=c event=e a=1 "
                        "path=/tmp/x text=\"two words\" none=\"\"\n");
}

static void json_escapes_everything_that_would_break_it(void **state)
{
    (void)state;
    wr_log_configure(WR_INFO, WR_LOG_JSON);
    capture_start();
    wr_log(WR_INFO, "c", "e", "error=\"%s\" n=%d",
           "a \"b\" \\ \n\t\x01 \xc3\xa9 \xff\xc0\x80\xed\xa0\x80", 3);
    assert_string_equal(
        after_time(capture_end()),
        "\",\"level\":\"info\",\"component\":\"c\",\"event\":\"e\","
        "\"error\":\"a \\\"b\\\" \\\\ \\n\\t\\u0001 \xc3\xa9 "
        "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\",\"n\":\"3\"}\n");
}

static void a_line_never_breaks_and_words_without_a_key_are_kept(void **state)
{
    (void)state;
    wr_log_configure(WR_INFO, WR_LOG_PRETTY);
    capture_start();
    wr_log(WR_INFO, "c", "e", "just words\nand=more");
    assert_non_null(
        strstr(capture_end(), " c: e msg=\"just words\\nand=more\"\n"));
}

static void levels_that_are_off_evaluate_nothing(void **state)
{
    (void)state;
    int evaluated = 0;
    wr_log_configure(WR_WARN, WR_LOG_LOGFMT);
    capture_start();
    wr_log(WR_INFO, "c", "e", "n=%d", ++evaluated);
    assert_string_equal(capture_end(), "");
    assert_int_equal(evaluated, 0);
}

static void a_long_line_is_cut_and_still_whole(void **state)
{
    (void)state;
    static char word[10000];
    for (int format = WR_LOG_PRETTY; format <= WR_LOG_JSON; format++) {
        for (int c = 0; c < 2; c++) {
            memset(word, c ? '\x01' : 'w', sizeof(word) - 1);
            wr_log_configure(WR_INFO, (enum wr_log_format)format);
            capture_start();
            wr_log(WR_INFO, "c", "e", "first=1 long=\"%s\" last=2", word);
            const char *out = capture_end();
            size_t len = strlen(out);
            assert_in_range(len, 1000, 4096);
            assert_non_null(strstr(out, "first"));
            assert_null(strstr(out, "last"));
            const char *end =
                format == WR_LOG_JSON ? ",\"cut\":\"true\"}\n" : " cut=true\n";
            assert_string_equal(out + len - strlen(end), end);
            assert_ptr_equal(strchr(out, '\n'), out + len - 1);
        }
    }
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    capture_start();
    errno = ENOSPC;
    wr_log(WR_INFO, "c", "e", "");
    int after = errno;
    (void)capture_end();
    assert_int_equal(after, ENOSPC);
}

static void names_of_levels_and_formats_are_read(void **state)
{
    (void)state;
    enum wr_log_level level = WR_INFO;
    enum wr_log_format format = WR_LOG_LOGFMT;
    assert_status(WEIR_OK, wr_log_level_parse("debug", &level));
    assert_int_equal(level, WR_DEBUG);
    assert_status(WEIR_E_CONFIG, wr_log_level_parse("loud", &level));
    assert_int_equal(level, WR_DEBUG);
    assert_status(WEIR_OK, wr_log_format_parse("json", &format));
    assert_int_equal(format, WR_LOG_JSON);
    assert_status(WEIR_E_CONFIG, wr_log_format_parse("xml", &format));
    assert_int_equal(setenv("WEIR_LOG_FORMAT", "pretty", 1), 0);
    assert_status(WEIR_OK, wr_log_format_parse("auto", &format));
    assert_int_equal(format, WR_LOG_PRETTY);
    assert_int_equal(setenv("WEIR_LOG_FORMAT", "xml", 1), 0);
    assert_status(WEIR_E_CONFIG, wr_log_format_parse(NULL, &format));
    assert_int_equal(unsetenv("WEIR_LOG_FORMAT"), 0);
    capture_start(); /* not a terminal */
    enum weir_status status = wr_log_format_parse(NULL, &format);
    (void)capture_end();
    assert_status(WEIR_OK, status);
    assert_int_equal(format, WR_LOG_LOGFMT);
}

#define LOGGING(test) cmocka_unit_test_teardown(test, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOGGING(a_pretty_line_reads_as_the_header_shows),
        LOGGING(logfmt_quotes_only_what_needs_it),
        LOGGING(json_escapes_everything_that_would_break_it),
        LOGGING(a_line_never_breaks_and_words_without_a_key_are_kept),
        LOGGING(levels_that_are_off_evaluate_nothing),
        LOGGING(a_long_line_is_cut_and_still_whole),
        LOGGING(logging_leaves_errno_alone),
        LOGGING(names_of_levels_and_formats_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
