/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The shape rules of the forward ops.
 */
#include "graph/op_shapes.h"

#include "graph/frame.h"
#include "graph/op_types.h"

#include <string.h>

typedef DinoR1ShapeRule Rule;

#define wrong     dinor1_shape_wrong
#define broadcast dinor1_shape_broadcast

gchar *
dinor1_shape_wrong(const gchar *why, ...)
{
    va_list args;
    gchar *text;

    va_start(args, why);
    text = g_strdup_vprintf(why, args);
    va_end(args);
    return text;
}

static gint64
dim(const DinoR1View *x, gint axis)
{
    return dinor1_shape_dim(&x->shape, axis);
}

static gboolean
is_vector(const DinoR1View *x, gint64 size)
{
    return x->shape.ndim == 1 && x->shape.dims[0] == size;
}

static gboolean
is_matrix(const DinoR1View *x, gint64 n_rows, gint64 n_columns)
{
    return x->shape.ndim == 2 && x->shape.dims[0] == n_rows && x->shape.dims[1] == n_columns;
}

gboolean
dinor1_shape_broadcast(const DinoR1Shape *a, gint na, const DinoR1Shape *b, gint nb, DinoR1Shape *out)
{
    out->ndim = MAX(na, nb);
    for (gint i = 1; i <= out->ndim; i++) {
        const gint64 da = i <= na ? a->dims[na - i] : 1;
        const gint64 db = i <= nb ? b->dims[nb - i] : 1;

        if (da != db && da != 1 && db != 1)
            return FALSE;
        out->dims[out->ndim - i] = da == 1 ? db : da;
    }
    return TRUE;
}

static gchar *
check_residual(const Rule *r, gint index)
{
    if (r->has[index] && !dinor1_shape_equal(&r->x[index].shape, &r->out->shape))
        return wrong("the residual must have the output's shape");
    return NULL;
}

static gint
resolve_axis(gint axis, gint ndim)
{
    return axis < 0 ? axis + ndim : axis;
}

static gchar *
binary(const Rule *r)
{
    const DinoR1Shape *a = &r->x[0].shape, *b = &r->x[1].shape;

    if (!broadcast(a, a->ndim, b, b->ndim, &r->out->shape))
        return wrong("the shapes do not broadcast");
    return NULL;
}

static gchar *
same(const Rule *r)
{
    r->out->shape = r->x[0].shape;
    return NULL;
}

static gchar *
linear(const Rule *r)
{
    const DinoR1View *x = &r->x[0], *w = &r->x[1];

    if (x->shape.ndim < 1 || w->shape.ndim != 2 || dim(x, -1) != dim(w, 1))
        return wrong("x [..., K] and weight [N, K] differ in K");
    if (r->has[2] && !is_vector(&r->x[2], dim(w, 0)))
        return wrong("bias is not [N]");
    r->out->shape = x->shape;
    r->out->shape.dims[x->shape.ndim - 1] = dim(w, 0);
    return check_residual(r, 3);
}

static gchar *
mlp(const Rule *r)
{
    const DinoR1View *x = &r->x[0], *w1 = &r->x[1], *w2 = &r->x[3];

    if (x->shape.ndim < 1 || w1->shape.ndim != 2 || dim(x, -1) != dim(w1, 1))
        return wrong("x [..., K] and w1 [F, K] differ in K");
    if (w2->shape.ndim != 2 || dim(w2, 1) != dim(w1, 0))
        return wrong("w1 [F, K] and w2 [N, F] differ in F");
    if (!is_vector(&r->x[2], dim(w1, 0)) || !is_vector(&r->x[4], dim(w2, 0)))
        return wrong("b1 is not [F] or b2 is not [N]");
    r->out->shape = x->shape;
    r->out->shape.dims[x->shape.ndim - 1] = dim(w2, 0);
    return check_residual(r, 5);
}

static gchar *
matmul(const Rule *r)
{
    const DinoR1Shape *a = &r->x[0].shape, *b = &r->x[1].shape;
    const gboolean ta = r->params->matmul.trans_a, tb = r->params->matmul.trans_b;
    DinoR1Shape *out = &r->out->shape;

    if (a->ndim < 2 || b->ndim < 2)
        return wrong("both factors need two dimensions");
    if (dinor1_shape_dim(a, ta ? -2 : -1) != dinor1_shape_dim(b, tb ? -1 : -2))
        return wrong("the inner dimensions differ");
    if (!broadcast(a, a->ndim - 2, b, b->ndim - 2, out) || out->ndim + 2 > DINOR1_MAX_DIMS)
        return wrong("the leading dimensions do not broadcast");
    out->dims[out->ndim++] = dinor1_shape_dim(a, ta ? -1 : -2);
    out->dims[out->ndim++] = dinor1_shape_dim(b, tb ? -2 : -1);
    if (r->has[2] && !is_vector(&r->x[2], out->dims[out->ndim - 1]))
        return wrong("bias is not [N]");
    return check_residual(r, 3);
}

static gchar *
softmax(const Rule *r)
{
    const gint axis = resolve_axis(r->params->softmax.axis, r->x[0].shape.ndim);

    if (axis < 0 || axis >= r->x[0].shape.ndim)
        return wrong("no axis %d", r->params->softmax.axis);
    return same(r);
}

static gchar *
layer_norm(const Rule *r)
{
    const DinoR1View *x = &r->x[0];

    if (x->shape.ndim < 1 || !is_vector(&r->x[1], dim(x, -1)) || !is_vector(&r->x[2], dim(x, -1)))
        return wrong("x is not [..., C] with gamma and beta [C]");
    r->out->shape = x->shape;
    return check_residual(r, 3);
}

static gchar *
group_norm(const Rule *r)
{
    const DinoR1View *x = &r->x[0];
    const gint groups = r->params->norm.groups;

    if (x->shape.ndim != 3 || !is_vector(&r->x[1], dim(x, 2)) || !is_vector(&r->x[2], dim(x, 2)))
        return wrong("x is not [B, N, C] with gamma and beta [C]");
    if (groups < 1 || dim(x, 2) % groups)
        return wrong("%" G_GINT64_FORMAT " channels do not divide into %d groups", dim(x, 2), groups);
    return same(r);
}

static gchar *
conv2d(const Rule *r)
{
    const DinoR1View *x = &r->x[0], *w = &r->x[1];
    gint64 height, width;

    if (x->shape.ndim != 4 || w->shape.ndim != 4 || dim(x, 3) != dim(w, 1))
        return wrong("x [B, H, W, Ci] and weight [Co, Ci, kh, kw] differ in Ci");
    if (r->has[2] && !is_vector(&r->x[2], dim(w, 0)))
        return wrong("bias is not [Co]");
    height = dim(x, 1) + r->params->conv.pad_top + r->params->conv.pad_bottom - dim(w, 2);
    width = dim(x, 2) + r->params->conv.pad_left + r->params->conv.pad_right - dim(w, 3);
    if (height < 0 || width < 0 || r->params->conv.stride < 1)
        return wrong("the map is smaller than the kernel");
    r->out->shape =
        DINOR1_SHAPE(dim(x, 0), height / r->params->conv.stride + 1, width / r->params->conv.stride + 1, dim(w, 0));
    return NULL;
}

static gchar *
attention(const Rule *r)
{
    const DinoR1View *q = &r->x[0], *k = &r->x[1], *v = &r->x[2], *mask = &r->x[3];
    const gint heads = r->params->attention.heads;
    gint64 batch;

    if (q->shape.ndim != 3 || k->shape.ndim != 3 || v->shape.ndim != 3)
        return wrong("q, k and v need three dimensions");
    if (dim(q, 2) != dim(k, 2) || dim(k, 1) != dim(v, 1))
        return wrong("q and k differ in width, or k and v in length");
    if (heads < 1 || dim(q, 2) % heads || dim(v, 2) % heads)
        return wrong("the width does not divide into %d heads", heads);
    batch = MAX(dim(q, 0), MAX(dim(k, 0), dim(v, 0)));
    for (gint i = 0; i < 3; i++)
        if (dim(&r->x[i], 0) != batch && dim(&r->x[i], 0) != 1)
            return wrong("the batches differ");
    if (r->has[3] && (mask->shape.ndim != 3 || (dim(mask, 0) != 1 && dim(mask, 0) != batch) ||
                         (dim(mask, 1) != 1 && dim(mask, 1) != dim(q, 1)) || dim(mask, 2) != dim(k, 1)))
        return wrong("mask is not [B|1, Nq|1, Nk]");
    r->out->shape = DINOR1_SHAPE(batch, dim(q, 1), dim(v, 2));
    return NULL;
}

static gchar *
window_attention(const Rule *r)
{
    const DinoR1View *q = &r->x[0];
    const gint heads = r->params->window.heads, window = r->params->window.window;
    const gint64 side = 2 * (gint64)window - 1;

    if (q->shape.ndim != 4 || !dinor1_shape_equal(&q->shape, &r->x[1].shape) ||
        !dinor1_shape_equal(&q->shape, &r->x[2].shape))
        return wrong("q, k and v are not all [B, H, W, C]");
    if (heads < 1 || dim(q, 3) % heads || window < 1 || r->params->window.shift < 0 ||
        r->params->window.shift >= window)
        return wrong("impossible heads, window or shift");
    if (!is_matrix(&r->x[3], side * side, heads))
        return wrong("table is not [(2w-1)^2, heads]");
    for (gint i = 4; i < 6; i++)
        if (r->has[i] && !is_vector(&r->x[i], dim(q, 3)))
            return wrong("k_pad or v_pad is not [C]");
    return same(r);
}

static gchar *
deformable_attention(const Rule *r)
{
    const DinoR1View *value = &r->x[0], *reference = &r->x[1], *offsets = &r->x[2], *logits = &r->x[3];
    const gint levels = r->params->deformable.n_levels;
    const gint64 samples = (gint64)r->params->deformable.heads * levels * r->params->deformable.n_points;
    gint64 n = 0;

    if (value->shape.ndim != 3 || reference->shape.ndim != 4 || offsets->shape.ndim != 3 || logits->shape.ndim != 3)
        return wrong("value [B, N, C], reference [B, Q, L, 2|4], offsets [B, Q, ..], logits [B, Q, ..] expected");
    if (levels < 1 || levels > DINOR1_MAX_LEVELS || r->params->deformable.heads < 1 ||
        dim(value, 2) % r->params->deformable.heads || r->params->deformable.n_points < 1)
        return wrong("impossible heads, levels or points");
    for (gint i = 0; i < levels; i++)
        n += (gint64)r->params->deformable.heights[i] * r->params->deformable.widths[i];
    if (n != dim(value, 1))
        return wrong("the levels have %" G_GINT64_FORMAT " positions, value has %" G_GINT64_FORMAT, n, dim(value, 1));
    if (dim(offsets, 2) != samples * 2 || dim(logits, 2) != samples || dim(offsets, 1) != dim(logits, 1) ||
        dim(offsets, 0) != dim(value, 0) || dim(logits, 0) != dim(value, 0))
        return wrong("offsets or logits do not fit heads, levels and points");
    if ((dim(reference, 0) != 1 && dim(reference, 0) != dim(value, 0)) || dim(reference, 1) != dim(offsets, 1) ||
        (dim(reference, 2) != 1 && dim(reference, 2) != levels) || (dim(reference, 3) != 2 && dim(reference, 3) != 4))
        return wrong("reference is not [B|1, Q, L|1, 2 or 4]");
    r->out->shape = DINOR1_SHAPE(dim(value, 0), dim(offsets, 1), dim(value, 2));
    return NULL;
}

static gchar *
permute(const Rule *r)
{
    const DinoR1Shape *x = &r->x[0].shape;
    guint seen = 0;

    r->out->shape.ndim = x->ndim;
    for (gint i = 0; i < x->ndim; i++) {
        const gint from = r->params->permute.perm[i];

        if (from < 0 || from >= x->ndim || (seen & 1u << from))
            return wrong("not a permutation");
        seen |= 1u << from;
        r->out->shape.dims[i] = x->dims[from];
    }
    return NULL;
}

static gchar *
slice(const Rule *r)
{
    const DinoR1Shape *x = &r->x[0].shape;
    const gint axis = resolve_axis(r->params->slice.axis, x->ndim);

    if (axis < 0 || axis >= x->ndim)
        return wrong("no axis %d", r->params->slice.axis);
    if (r->params->slice.start < 0 || r->params->slice.length < 1 ||
        r->params->slice.start > x->dims[axis] - r->params->slice.length)
        return wrong("the slice lies outside");
    r->out->shape = *x;
    r->out->shape.dims[axis] = r->params->slice.length;
    return NULL;
}

static gchar *
concat(const Rule *r)
{
    DinoR1Shape sum = r->x[0].shape;
    const gint axis = resolve_axis(r->params->concat.axis, sum.ndim);

    if (axis < 0 || axis >= sum.ndim)
        return wrong("no axis %d", r->params->concat.axis);
    for (gint i = 1; i < DINOR1_MAX_INPUTS && r->has[i]; i++) {
        DinoR1Shape other = r->x[i].shape;
        const gint64 length = axis < other.ndim ? other.dims[axis] : 0;

        other.dims[axis] = sum.dims[axis];
        if (!dinor1_shape_equal(&sum, &other))
            return wrong("input %d differs beside the axis", i);
        sum.dims[axis] += length;
    }
    r->out->shape = sum;
    return NULL;
}

static gchar *
expand(const Rule *r)
{
    const DinoR1Shape *x = &r->x[0].shape, *to = &r->params->expand.shape;

    if (!broadcast(x, x->ndim, to, to->ndim, &r->out->shape) || !dinor1_shape_equal(&r->out->shape, to))
        return wrong("the shape does not broadcast to the target");
    return NULL;
}

static gchar *
reduce(const Rule *r)
{
    const gint axis = resolve_axis(r->params->reduce.axis, r->x[0].shape.ndim);

    if (axis < 0 || axis >= r->x[0].shape.ndim)
        return wrong("no axis %d", r->params->reduce.axis);
    r->out->shape = r->x[0].shape;
    r->out->shape.dims[axis] = 1;
    return NULL;
}

static gchar *
topk(const Rule *r)
{
    const DinoR1View *x = &r->x[0];

    if (x->shape.ndim != 2 || r->params->topk.k < 1 || r->params->topk.k > dim(x, 1))
        return wrong("x is not [B, N] with N >= %" G_GINT64_FORMAT, r->params->topk.k);
    r->out->dtype = DINOR1_I32;
    r->out->shape = DINOR1_SHAPE(dim(x, 0), r->params->topk.k);
    return NULL;
}

static gchar *
gather(const Rule *r)
{
    const DinoR1View *x = &r->x[0], *indices = &r->x[1];

    if (x->shape.ndim == 3 && (indices->shape.ndim != 2 || dim(indices, 0) != dim(x, 0)))
        return wrong("x [B, N, D] needs indices [B, k]");
    if ((x->shape.ndim != 2 && x->shape.ndim != 3) || indices->shape.ndim + 1 > DINOR1_MAX_DIMS)
        return wrong("x is not [N, D] or [B, N, D]");
    r->out->shape = indices->shape;
    r->out->shape.dims[r->out->shape.ndim++] = dim(x, -1);
    return NULL;
}

static gchar *
sine_embed(const Rule *r)
{
    const gint features = r->params->sine.features;

    if (r->x[0].shape.ndim < 1 || features < 2 || features % 2)
        return wrong("x needs a last dimension, and features must be even");
    r->out->shape = r->x[0].shape;
    r->out->shape.dims[r->out->shape.ndim - 1] *= features;
    return NULL;
}

static gchar *
patch_merge(const Rule *r)
{
    const DinoR1View *x = &r->x[0];

    if (x->shape.ndim != 4)
        return wrong("x is not [B, H, W, C]");
    r->out->shape = DINOR1_SHAPE(dim(x, 0), (dim(x, 1) + 1) / 2, (dim(x, 2) + 1) / 2, 4 * dim(x, 3));
    return NULL;
}

static gchar *
preprocess(const Rule *r)
{
    const DinoR1View *frame = &r->x[0], *columns = &r->x[3], *rows = &r->x[5];

    if (frame->shape.ndim != 1 || dim(frame, 0) > G_MAXINT32)
        return wrong("frame is not [n] with n < 2^31");
    if (!is_vector(&r->x[1], DINOR1_FRAME_GEOMETRY))
        return wrong("geometry is not [%d]", DINOR1_FRAME_GEOMETRY);
    if (!is_matrix(&r->x[2], 5, 4))
        return wrong("colour is not [5, 4]");
    for (gint i = 3; i < 7; i += 2)
        if (r->x[i].shape.ndim != 1 || r->x[i + 1].shape.ndim != 2 || dim(&r->x[i + 1], 0) != dim(&r->x[i], 0))
            return wrong("%s are not [n] with weights [n, K]", i == 3 ? "columns" : "rows");
    r->out->shape = DINOR1_SHAPE(1, dim(rows, 0), dim(columns, 0), 3);
    return NULL;
}

static const DinoR1ShapeRuleFunc rules[DINOR1_N_OPS] = {
    [DINOR1_OP_BINARY] = binary,
    [DINOR1_OP_UNARY] = same,
    [DINOR1_OP_LINEAR] = linear,
    [DINOR1_OP_MLP] = mlp,
    [DINOR1_OP_MATMUL] = matmul,
    [DINOR1_OP_SOFTMAX] = softmax,
    [DINOR1_OP_LAYER_NORM] = layer_norm,
    [DINOR1_OP_GROUP_NORM] = group_norm,
    [DINOR1_OP_CONV2D] = conv2d,
    [DINOR1_OP_ATTENTION] = attention,
    [DINOR1_OP_WINDOW_ATTENTION] = window_attention,
    [DINOR1_OP_DEFORMABLE_ATTENTION] = deformable_attention,
    [DINOR1_OP_PERMUTE] = permute,
    [DINOR1_OP_SLICE] = slice,
    [DINOR1_OP_CONCAT] = concat,
    [DINOR1_OP_EXPAND] = expand,
    [DINOR1_OP_REDUCE] = reduce,
    [DINOR1_OP_TOPK] = topk,
    [DINOR1_OP_GATHER] = gather,
    [DINOR1_OP_SINE_EMBED] = sine_embed,
    [DINOR1_OP_PATCH_MERGE] = patch_merge,
    [DINOR1_OP_PREPROCESS] = preprocess,
    [DINOR1_OP_CAST] = same,
};

gchar *
dinor1_op_infer(DinoR1OpType op, const DinoR1OpParams *params, const DinoR1View *inputs, const gboolean *present,
    DinoR1View *outputs)
{
    const Rule rule = {params, inputs, present, outputs};
    guint min_inputs, max_inputs;
    DinoR1DType dtype;
    gchar *why;

    dinor1_op_n_inputs(op, &min_inputs, &max_inputs);
    for (guint i = 0; i < max_inputs; i++) {
        if (!present[i]) {
            if (i < min_inputs)
                return wrong("input %u is missing", i);
            continue;
        }
        for (gint d = 0; d < inputs[i].shape.ndim; d++)
            if (inputs[i].shape.dims[d] < 1)
                return wrong("input %u has an empty dimension", i);
    }
    why = dinor1_types_infer(op, params, inputs, present, &dtype);
    if (why)
        return why;
    memset(outputs, 0, sizeof *outputs * DINOR1_MAX_OUTPUTS);
    for (guint i = 0; i < DINOR1_MAX_OUTPUTS; i++)
        outputs[i].dtype = dtype;
    return rules[op] ? rules[op](&rule) : dinor1_shape_rule_grad(op)(&rule);
}
