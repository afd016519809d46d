/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/vector.h"
#include "train/optimizer.h"

#include <math.h>

static gdouble
warmup(const DinoR1Schedule *schedule, guint step)
{
    if (step >= schedule->warmup_steps)
        return 1;
    return schedule->warmup_start + (1 - schedule->warmup_start) * (gdouble)step / (gdouble)schedule->warmup_steps;
}

static gdouble
multi_step(const DinoR1Schedule *schedule, guint step)
{
    gdouble rate = 1;

    for (guint i = 0; i < schedule->n_milestones; i++)
        if (step >= schedule->milestones[i])
            rate *= schedule->decay;
    return rate;
}

static gdouble
cosine(const DinoR1Schedule *schedule, guint step)
{
    const gdouble progress = MIN(1.0, (gdouble)step / (gdouble)MAX(schedule->n_steps, 1));

    return schedule->final + (1 - schedule->final) * (1 + cos(G_PI * progress)) / 2;
}

gdouble
dinor1_schedule_rate(const DinoR1Schedule *schedule, guint step)
{
    return warmup(schedule, step) *
           (schedule->kind == DINOR1_SCHEDULE_COSINE ? cosine(schedule, step) : multi_step(schedule, step));
}

gboolean
dinor1_average_update(
    DinoR1Parameters *average, const DinoR1Parameters *parameters, gdouble decay, guint64 step, GError **error)
{
    const gfloat keep = (gfloat)MIN(decay, (1.0 + (gdouble)step) / (10.0 + (gdouble)step));

    for (guint i = 0; i < dinor1_parameters_get_n(average); i++) {
        const DinoR1Parameter *to = dinor1_parameters_get(average, i);
        const DinoR1Parameter *from = dinor1_parameters_get(parameters, i);

        if (!dinor1_vector_blend(dinor1_parameters_get_backend(average), to->memory, keep, from->memory, 1 - keep,
                (gsize)dinor1_shape_size(&to->shape), error))
            return FALSE;
    }
    return TRUE;
}
