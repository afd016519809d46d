/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "progress.h"

#include <unistd.h>

#define REDRAW_INTERVAL (G_USEC_PER_SEC / 8)
#define BAR_WIDTH       30

struct _Progress {
    gboolean active;
    gboolean drawn;
    gint64 start, last; /* monotonic microseconds */
    gdouble first;      /* the fraction at the start */
};

Progress *
progress_new(gboolean quiet)
{
    Progress *progress = g_new0(Progress, 1);

    progress->active = !quiet && isatty(STDERR_FILENO);
    progress->start = g_get_monotonic_time();
    return progress;
}

void
progress_free(Progress *progress)
{
    if (progress->drawn)
        g_printerr("\r\033[K");
    g_free(progress);
}

void
progress_start_at(Progress *progress, gdouble fraction)
{
    progress->first = fraction;
}

static void
append_bar(GString *line, gdouble first, gdouble fraction, gdouble seconds)
{
    const gint filled = (gint)(BAR_WIDTH * fraction);
    const gdouble left = fraction > first ? seconds * (1 - fraction) / (fraction - first) : 0;

    g_string_append_c(line, '[');
    for (gint i = 0; i < BAR_WIDTH; i++)
        g_string_append_c(line, i < filled ? '#' : ' ');
    g_string_append_printf(line, "] %3.0f %%, %.0f s left, ", 100 * fraction, left);
}

void
progress_show(Progress *progress, const gchar *text, gdouble fraction)
{
    const gint64 now = g_get_monotonic_time();
    g_autoptr(GString) line = NULL;

    if (!progress->active || now - progress->last < REDRAW_INTERVAL)
        return;
    progress->last = now;
    progress->drawn = TRUE;
    line = g_string_new("\r\033[K");
    if (fraction >= 0)
        append_bar(line, progress->first, CLAMP(fraction, 0, 1), (gdouble)(now - progress->start) / G_USEC_PER_SEC);
    g_string_append(line, text);
    g_printerr("%s", line->str);
}

void
progress_update(Progress *progress, guint64 n_frames, guint64 n_detections, gdouble fraction)
{
    const gdouble seconds = (gdouble)(g_get_monotonic_time() - progress->start) / G_USEC_PER_SEC;
    g_autofree gchar *text = g_strdup_printf("%" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT " detections, "
                                             "%.1f frames/s",
        n_frames, n_detections, (gdouble)n_frames / MAX(seconds, 1e-3));

    progress_show(progress, text, fraction);
}
