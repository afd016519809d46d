/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The types of the ops' tensors. What is small and decides much stays f32 beside half activations: the scales and
 * shifts of norms, masks and biases of scores, places and logits of samples.
 */
#include "graph/op_types.h"

DinoR1InputType
dinor1_op_input_type(DinoR1OpType op, guint index)
{
    switch (op) {
    case DINOR1_OP_LINEAR: /* x, weight, bias, residual */
    case DINOR1_OP_MATMUL: /* a, b, bias, residual */
        return index >= 2 ? DINOR1_INPUT_OUTPUT : DINOR1_INPUT_OWN;
    case DINOR1_OP_MLP: /* x, w1, b1, w2, b2, residual */
        return index >= 4 ? DINOR1_INPUT_OUTPUT : DINOR1_INPUT_OWN;
    case DINOR1_OP_LAYER_NORM: /* x, gamma, beta, residual */
    case DINOR1_OP_GROUP_NORM:
        return index == 1 || index == 2 ? DINOR1_INPUT_F32 : DINOR1_INPUT_OWN;
    case DINOR1_OP_ATTENTION:        /* q, k, v, mask */
    case DINOR1_OP_WINDOW_ATTENTION: /* q, k, v, table, k_pad, v_pad */
        return index == 3 ? DINOR1_INPUT_F32 : DINOR1_INPUT_OWN;
    case DINOR1_OP_DEFORMABLE_ATTENTION: /* value, reference, offsets, logits */
        return index >= 1 ? DINOR1_INPUT_F32 : DINOR1_INPUT_OWN;
    case DINOR1_OP_GATHER:
    case DINOR1_OP_GATHER_GRAD:
        return index == 1 ? DINOR1_INPUT_I32 : DINOR1_INPUT_OWN;
    case DINOR1_OP_PREPROCESS: /* frame, then whole numbers and real ones in turn */
        return index == 0 ? DINOR1_INPUT_U8 : index % 2 ? DINOR1_INPUT_I32 : DINOR1_INPUT_F32;
    default:
        return DINOR1_INPUT_OWN;
    }
}

gboolean
dinor1_op_has_half(DinoR1OpType op)
{
    switch (op) {
    case DINOR1_OP_BINARY:
    case DINOR1_OP_UNARY:
    case DINOR1_OP_LINEAR:
    case DINOR1_OP_MLP:
    case DINOR1_OP_MATMUL:
    case DINOR1_OP_LAYER_NORM:
    case DINOR1_OP_GROUP_NORM:
    case DINOR1_OP_CONV2D:
    case DINOR1_OP_ATTENTION:
    case DINOR1_OP_WINDOW_ATTENTION:
    case DINOR1_OP_DEFORMABLE_ATTENTION:
    case DINOR1_OP_PERMUTE:
    case DINOR1_OP_SLICE:
    case DINOR1_OP_CONCAT:
    case DINOR1_OP_EXPAND:
    case DINOR1_OP_GATHER:
    case DINOR1_OP_PATCH_MERGE:
    case DINOR1_OP_CAST:
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean
dinor1_op_is_product(DinoR1OpType op)
{
    return op == DINOR1_OP_LINEAR || op == DINOR1_OP_MLP || op == DINOR1_OP_MATMUL;
}

DinoR1DType *
dinor1_op_product_type(DinoR1OpType op, DinoR1OpParams *params)
{
    return op == DINOR1_OP_MATMUL ? &params->matmul.dtype : &params->linear.dtype;
}

/* What the op makes of inputs of type @own. */
static DinoR1DType
output_type(DinoR1OpType op, const DinoR1OpParams *params, DinoR1DType own)
{
    DinoR1OpParams copy = *params;

    if (op == DINOR1_OP_CAST)
        return params->cast.dtype;
    return dinor1_op_is_product(op) ? *dinor1_op_product_type(op, &copy) : own;
}

static gboolean
is_float(DinoR1DType dtype)
{
    return dtype == DINOR1_F32 || dinor1_dtype_is_half(dtype);
}

static DinoR1DType
wanted_type(DinoR1OpType op, guint index, DinoR1DType own, DinoR1DType output)
{
    switch (dinor1_op_input_type(op, index)) {
    case DINOR1_INPUT_OWN:
        return own;
    case DINOR1_INPUT_OUTPUT:
        return output;
    case DINOR1_INPUT_F32:
        return DINOR1_F32;
    case DINOR1_INPUT_U8:
        return DINOR1_U8;
    case DINOR1_INPUT_I32:
        break;
    }
    return DINOR1_I32;
}

gchar *
dinor1_types_infer(DinoR1OpType op, const DinoR1OpParams *params, const DinoR1View *inputs, const gboolean *present,
    DinoR1DType *output)
{
    const DinoR1DType own = dinor1_op_input_type(op, 0) == DINOR1_INPUT_OWN ? inputs[0].dtype : DINOR1_F32;

    if (!is_float(own) || (own != DINOR1_F32 && !dinor1_op_has_half(op)))
        return dinor1_shape_wrong("input 0 must not be %s", dinor1_dtype_name(own));
    *output = output_type(op, params, own);
    if (!is_float(*output) || (dinor1_op_is_product(op) && *output != own && *output != DINOR1_F32))
        return dinor1_shape_wrong("no %s of %s", dinor1_dtype_name(*output), dinor1_dtype_name(own));
    for (guint i = 0; i < DINOR1_MAX_INPUTS; i++)
        if (present[i] && inputs[i].dtype != wanted_type(op, i, own, *output))
            return dinor1_shape_wrong("input %u must be %s, not %s", i,
                dinor1_dtype_name(wanted_type(op, i, own, *output)), dinor1_dtype_name(inputs[i].dtype));
    return NULL;
}
