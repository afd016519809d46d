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

/* Where matrix @batch of a [B|1, ...] tensor begins. */
static gint64
batch_offset(const DinoR1View *view, gint64 batch)
{
    return view->shape.dims[0] == 1 ? 0 : batch * dinor1_shape_span(&view->shape, 1, view->shape.ndim);
}

static const real *
of_batch(const DinoR1View *view, gint64 batch)
{
    return (const real *)view->data + batch_offset(view, batch);
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
        const real *q = of_batch(&args->inputs[0], b), *k = of_batch(&args->inputs[1], b);
        const real *v = of_batch(&args->inputs[2], b);
        real *out = (real *)args->outputs[0].data + b * nq * cv;

        for (gint64 h = 0; h < heads; h++) {
            for (gint64 i = 0; i < nq; i++) {
                const real *mask = NULL;
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
                    out[i * cv + l] = (real)sum;
                }
            }
        }
    }
}

gsize
dinor1_ref_attention_grad_workspace(const DinoR1KernelArgs *args)
{
    return dinor1_ref_sums_size(args, 3) + 2 * (gsize)args->inputs[1].shape.dims[1] * sizeof(gdouble);
}

/* One query of one head: q, k, v, dy and the sums dq, dk, dv begin at the head's first channel; rows of k and v are
 * @c and @cv apart. weights, dweights: [Nk] of scratch. */
typedef struct {
    const real *q, *k, *v, *dy, *mask;
    gint64 nk, d, e, c, cv;
    gdouble scale;
    gdouble *dq, *dk, *dv, *weights, *dweights;
} QueryGrad;

static void
query_grad(const QueryGrad *g)
{
    gdouble mean = 0;

    for (gint64 j = 0; j < g->nk; j++)
        g->weights[j] = g->scale * dinor1_ref_dot(g->q, g->k + j * g->c, g->d) + (g->mask ? g->mask[j] : 0);
    dinor1_ref_softmax_row(g->weights, g->nk);
    for (gint64 j = 0; j < g->nk; j++) {
        g->dweights[j] = dinor1_ref_dot(g->dy, g->v + j * g->cv, g->e);
        mean += g->weights[j] * g->dweights[j];
    }
    for (gint64 j = 0; j < g->nk; j++) {
        gdouble dscore = g->scale * g->weights[j] * (g->dweights[j] - mean);
        for (gint64 l = 0; l < g->d; l++) {
            g->dq[l] += dscore * g->k[j * g->c + l];
            g->dk[j * g->c + l] += dscore * g->q[l];
        }
        for (gint64 l = 0; l < g->e; l++)
            g->dv[j * g->cv + l] += g->weights[j] * g->dy[l];
    }
}

void
dinor1_ref_attention_grad(const DinoR1KernelArgs *args)
{
    const DinoR1View *q = &args->inputs[0], *k = &args->inputs[1], *v = &args->inputs[2], *dy = &args->inputs[3];
    const DinoR1View *mask = &args->inputs[4];
    gint64 heads = args->params->attention.heads, nq = q->shape.dims[1], nk = k->shape.dims[1];
    gint64 c = q->shape.dims[2], cv = v->shape.dims[2], d = c / heads, e = cv / heads;
    gdouble *sums[3], *scratch = dinor1_ref_sums_begin(args, 3, sums);

    for (gint64 b = 0; b < dy->shape.dims[0]; b++) {
        for (gint64 h = 0; h < heads; h++) {
            for (gint64 i = 0; i < nq; i++) {
                gint64 at_q = batch_offset(q, b) + i * c + h * d;
                gint64 at_k = batch_offset(k, b) + h * d, at_v = batch_offset(v, b) + h * e;
                const QueryGrad g = {
                    .q = (const real *)q->data + at_q,
                    .k = (const real *)k->data + at_k,
                    .v = (const real *)v->data + at_v,
                    .dy = (const real *)dy->data + (b * nq + i) * cv + h * e,
                    .mask = mask->data ? of_batch(mask, b) + (mask->shape.dims[1] == 1 ? 0 : i * nk) : NULL,
                    .nk = nk,
                    .d = d,
                    .e = e,
                    .c = c,
                    .cv = cv,
                    .scale = args->params->attention.scale,
                    .dq = sums[0] + at_q,
                    .dk = sums[1] + at_k,
                    .dv = sums[2] + at_v,
                    .weights = scratch,
                    .dweights = scratch + nk,
                };
                query_grad(&g);
            }
        }
    }
    dinor1_ref_sums_end(args, 3, sums);
}
