/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/ops.h"

static const struct {
    const gchar *name;
    guint min_inputs, max_inputs, n_outputs;
} op_table[DINOR1_N_OPS] = {
#define DINOR1_OP_ROW(op, name, min_in, max_in, n_out) [DINOR1_OP_##op] = {name, min_in, max_in, n_out},
    DINOR1_OPS(DINOR1_OP_ROW)
#undef DINOR1_OP_ROW
};

const gchar *
dinor1_op_name(DinoR1OpType op)
{
    return op_table[op].name;
}

void
dinor1_op_n_inputs(DinoR1OpType op, guint *min_inputs, guint *max_inputs)
{
    *min_inputs = op_table[op].min_inputs;
    *max_inputs = op_table[op].max_inputs;
}

guint
dinor1_op_n_outputs(DinoR1OpType op)
{
    return op_table[op].n_outputs;
}

/* Rows of a [..., C] tensor. */
static gdouble
rows(const DinoR1View *view)
{
    return (gdouble)dinor1_shape_span(&view->shape, 0, view->shape.ndim - 1);
}

static gdouble
last(const DinoR1View *view)
{
    return (gdouble)dinor1_shape_dim(&view->shape, -1);
}

/* Every query with every key, @width channels in all. @y: what the attention makes, [B, Nq, H*e]. */
static gdouble
attention_macs(const DinoR1View *y, const DinoR1View *k, gdouble width)
{
    return rows(y) * (gdouble)k->shape.dims[1] * width;
}

static gdouble
window_macs(const DinoR1OpParams *params, const DinoR1View *q)
{
    const gdouble window = params->window.window;

    return rows(q) * window * window * last(q) * 2;
}

/* Four corners a point. */
static gdouble
deformable_macs(const DinoR1OpParams *params, const DinoR1View *y)
{
    return rows(y) * last(y) * params->deformable.n_levels * params->deformable.n_points * 4;
}

gdouble
dinor1_op_macs(DinoR1OpType op, const DinoR1OpParams *params, const DinoR1View *inputs, const DinoR1View *outputs)
{
    const DinoR1View *x = &inputs[0];
    const gdouble n_out = (gdouble)dinor1_shape_size(&outputs[0].shape);

    switch (op) {
    case DINOR1_OP_LINEAR:
        return n_out * last(x);
    case DINOR1_OP_MLP:
        return rows(x) * (gdouble)inputs[1].shape.dims[0] * (last(x) + (gdouble)inputs[3].shape.dims[0]);
    case DINOR1_OP_MATMUL:
        return n_out * (gdouble)dinor1_shape_dim(&x->shape, params->matmul.trans_a ? -2 : -1);
    case DINOR1_OP_CONV2D:
        return n_out * (gdouble)dinor1_shape_span(&inputs[1].shape, 1, 4);
    case DINOR1_OP_ATTENTION:
        return attention_macs(&outputs[0], &inputs[1], last(x) + last(&inputs[2]));
    case DINOR1_OP_WINDOW_ATTENTION:
        return window_macs(params, x);
    case DINOR1_OP_DEFORMABLE_ATTENTION:
        return deformable_macs(params, &outputs[0]);
    case DINOR1_OP_CONV2D_GRAD: /* by the input and by the weight */
        return 2 * rows(&inputs[2]) * (gdouble)dinor1_shape_size(&inputs[1].shape);
    case DINOR1_OP_ATTENTION_GRAD: /* the scores again, dq, dk; the weights' gradient, dv */
        return attention_macs(&inputs[3], &inputs[1], 3 * last(x) + 2 * last(&inputs[2]));
    case DINOR1_OP_WINDOW_ATTENTION_GRAD: /* 5 products where the forward op has 2 */
        return 2.5 * window_macs(params, x);
    case DINOR1_OP_DEFORMABLE_ATTENTION_GRAD: /* by the weights and places, and by the value */
        return 2 * deformable_macs(params, &inputs[4]);
    default:
        return 0;
    }
}
