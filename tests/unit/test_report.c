/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dinor1/report.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "io/json.h"

static void
assert_json(const gchar *line)
{
    DinoR1Json json;

    dinor1_json_init(&json, line, strlen(line));
    dinor1_json_skip(&json);
    g_assert_true(dinor1_json_end(&json));
}

static void
test_line(void)
{
    const DinoR1FrameInfo frame = {"street.mp4", 12, 480000000, 768, 576};
    const DinoR1ReportItem items[] = {
        {"car", 0.87314f, {104.25f, 88, 61.5f, 40.125f}}, {"a \"b\"\n\\", 1, {0, 0, 768, 576}}};
    g_autoptr(GString) line = g_string_new("before\n");

    dinor1_report_append_json(line, &frame, items, 2);
    g_assert_cmpstr(line->str, ==,
        "before\n{\"schema\":\"dinor1.detections/1\",\"source\":\"street.mp4\",\"frame\":12,\"pts\":480000000,"
        "\"width\":768,\"height\":576,\"detections\":["
        "{\"label\":\"car\",\"score\":0.8731,\"box\":[104.25,88.00,61.50,40.12]},"
        "{\"label\":\"a \\\"b\\\"\\u000a\\\\\",\"score\":1.0000,\"box\":[0.00,0.00,768.00,576.00]}]}\n");
    assert_json(line->str + strlen("before\n"));
}

static void
test_unknown(void)
{
    const DinoR1FrameInfo frame = {NULL, -1, -1, 1, 1};
    g_autoptr(GString) line = g_string_new(NULL);

    dinor1_report_append_json(line, &frame, NULL, 0);
    g_assert_cmpstr(line->str, ==,
        "{\"schema\":\"dinor1.detections/1\",\"source\":null,\"frame\":null,\"pts\":null,\"width\":1,\"height\":1,"
        "\"detections\":[]}\n");
}

static void
test_not_finite(void)
{
    const DinoR1FrameInfo frame = {"x", G_MAXINT64, 0, 1, 1};
    const DinoR1ReportItem item = {NULL, NAN, {INFINITY, -INFINITY, G_MAXFLOAT, -G_MAXFLOAT}};
    g_autoptr(GString) line = g_string_new(NULL);

    dinor1_report_append_json(line, &frame, &item, 1);
    assert_json(line->str);
    g_assert_nonnull(strstr(line->str, "{\"label\":null,\"score\":null,\"box\":[null,null,3402823"));
    g_assert_nonnull(strstr(line->str, "\"frame\":9223372036854775807,"));
}

static void
test_invalid_utf8(void)
{
    const DinoR1FrameInfo frame = {"clip\xff.mp4", 0, 0, 1, 1};
    const DinoR1ReportItem item = {"\xc3\xa4\xff", 0, {0}};
    g_autoptr(GString) line = g_string_new(NULL);

    dinor1_report_append_json(line, &frame, &item, 1);
    assert_json(line->str);
    g_assert_nonnull(strstr(line->str, "\"clip\xef\xbf\xbd.mp4\""));
    g_assert_nonnull(strstr(line->str, "\"\xc3\xa4\xef\xbf\xbd\""));
}

/* A locale with a decimal comma, if the machine has one. */
static void
test_locale(void)
{
    static const gchar *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    const DinoR1FrameInfo frame = {"x", 0, 0, 1, 1};
    const DinoR1ReportItem item = {"y", 0.5f, {0.5f, 0, 0, 0}};
    g_autoptr(GString) line = g_string_new(NULL);
    guint i = 0;

    while (i < G_N_ELEMENTS(locales) && !setlocale(LC_NUMERIC, locales[i]))
        i++;
    if (i == G_N_ELEMENTS(locales)) {
        g_test_skip("no locale with a decimal comma");
        return;
    }
    dinor1_report_append_json(line, &frame, &item, 1);
    setlocale(LC_NUMERIC, "C");
    g_assert_nonnull(strstr(line->str, "\"score\":0.5000,\"box\":[0.50,"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report/line", test_line);
    g_test_add_func("/report/unknown", test_unknown);
    g_test_add_func("/report/not-finite", test_not_finite);
    g_test_add_func("/report/invalid-utf8", test_invalid_utf8);
    g_test_add_func("/report/locale", test_locale);
    return g_test_run();
}
