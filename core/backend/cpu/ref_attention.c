/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>

void
dinor1_ref_softmax_row(gdouble *scores, gint64 n)
{
    gdouble max = -INFINITY, sum = 0;

    for (gint64 i = 0; i < n; i++)
        max = MAX(max, scores[i]);
    for (gint64 i = 0; i < n; i++)
        sum += scores[i] = max == -INFINITY ? 0 : exp(scores[i] - max);
    for (gint64 i = 0; i < n; i++)
        scores[i] = sum > 0 ? scores[i] / sum : 0;
}

gsize
dinor1_ref_attention_workspace(const DinoR1KernelArgs *args)
{
    return (gsize)args->inputs[1].shape.dims[1] * sizeof(gdouble);
}

/* Matrix @batch of a [B|1, ...] tensor. */
static const gfloat *
of_batch(const DinoR1View *view, gint64 batch)
{
    const gfloat *data = view->data;
    return view->shape.dims[0] == 1 ? data : data + batch * dinor1_shape_span(&view->shape, 1, view->shape.ndim);
}

void
dinor1_ref_attention(const DinoR1KernelArgs *args)
{
    const DinoR1View *mask_view = &args->inputs[3];
    gint64 heads = args->params->attention.heads;
    gint64 batches = args->outputs[0].shape.dims[0], nq = args->outputs[0].shape.dims[1];
    gint64 nk = args->inputs[1].shape.dims[1];
    gint64 c = args->inputs[0].shape.dims[2], d = c / heads;    /* q and k [N, C] */
    gint64 cv = args->outputs[0].shape.dims[2], e = cv / heads; /* v and out [N, Cv] */
    gdouble *scores = args->workspace;                          /* [Nk] */

    for (gint64 b = 0; b < batches; b++) {
        const gfloat *q = of_batch(&args->inputs[0], b), *k = of_batch(&args->inputs[1], b);
        const gfloat *v = of_batch(&args->inputs[2], b);
        gfloat *out = (gfloat *)args->outputs[0].data + b * nq * cv;

        for (gint64 h = 0; h < heads; h++) {
            for (gint64 i = 0; i < nq; i++) {
                const gfloat *mask = NULL;
                if (mask_view->data)
                    mask = of_batch(mask_view, b) + (mask_view->shape.dims[1] == 1 ? 0 : i * nk);
                for (gint64 j = 0; j < nk; j++)
                    scores[j] =
                        args->params->attention.scale * dinor1_ref_dot(q + i * c + h * d, k + j * c + h * d, d) +
                        (mask ? mask[j] : 0);
                dinor1_ref_softmax_row(scores, nk);
                for (gint64 l = h * e; l < (h + 1) * e; l++) {
                    gdouble sum = 0;
                    for (gint64 j = 0; j < nk; j++)
                        sum += scores[j] * v[j * cv + l];
                    out[i * cv + l] = (gfloat)sum;
                }
            }
        }
    }
}
