/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

#include "base/half.h"

OpCase *
opcheck_add(GPtrArray *cases, DinoR1OpType op, gdouble tolerance, const gchar *format, ...)
{
    OpCase *c = g_new0(OpCase, 1);
    g_autofree gchar *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    c->op = op;
    c->name = g_strdup_printf("%s %s", dinor1_op_name(op), text);
    c->tolerance = tolerance;
    for (guint i = 0; i < DINOR1_MAX_INPUTS; i++)
        c->inputs[i].shape.ndim = -1;
    g_ptr_array_add(cases, c);
    return c;
}

void
opcheck_case_free(OpCase *c)
{
    for (guint i = 0; i < DINOR1_MAX_INPUTS; i++)
        g_free(c->data[i]);
    g_free(c->name);
    g_free(c);
}

void
opcheck_optional(OpCase *c, gboolean present, DinoR1Shape shape, OpFill fill)
{
    guint i = c->n_inputs++;

    c->present[i] = present;
    if (!present)
        return;
    c->inputs[i].dtype = fill.kind == FILL_INDEX ? DINOR1_I32 : fill.kind == FILL_BYTES ? DINOR1_U8 : DINOR1_F32;
    c->inputs[i].shape = shape;
    c->fills[i] = fill;
}

void
opcheck_input(OpCase *c, DinoR1Shape shape, OpFill fill)
{
    opcheck_optional(c, TRUE, shape, fill);
}

void
opcheck_input_data(OpCase *c, DinoR1DType dtype, DinoR1Shape shape, gconstpointer data)
{
    guint i = c->n_inputs++;

    c->present[i] = TRUE;
    c->inputs[i] = (DinoR1View){dtype, shape, NULL};
    c->data[i] = g_memdup2(data, (gsize)dinor1_shape_size(&shape) * dinor1_dtype_size(dtype));
}

gdouble
opcheck_sum_tolerance(gint64 k)
{
    return 1e-6 + sqrt((gdouble)k) * 0x1p-22;
}

gdouble
opcheck_position_tolerance(gdouble span)
{
    return 2e-6 + span * 0x1p-22;
}

gchar *
opcheck_shape_text(const DinoR1Shape *shape)
{
    GString *text = g_string_new(shape->ndim == 0 ? "scalar" : NULL);

    for (gint i = 0; i < shape->ndim; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? "x" : "", shape->dims[i]);
    return g_string_free(text, FALSE);
}

/* SplitMix64's output function on a counter. */
gdouble
opcheck_random(guint64 seed, guint64 counter)
{
    guint64 x = (seed << 32) + counter * 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return (gdouble)(x >> 11) * 0x1p-53;
}

static gfloat
mask_value(gint64 row, gdouble random)
{
    return row % 3 == 0 || (row % 3 == 1 && random < 0.5) ? -INFINITY : 0;
}

static gfloat
fill_value(const DinoR1Shape *shape, OpFill fill, gint64 index, gdouble random)
{
    gint64 columns = shape->ndim > 0 ? dinor1_shape_dim(shape, -1) : 1;
    gint64 rows = shape->ndim > 1 ? dinor1_shape_dim(shape, -2) : 1;
    gfloat uniform = (gfloat)(fill.low + random * ((gdouble)fill.high - fill.low));

    switch (fill.kind) {
    case FILL_UNIFORM:
        return uniform;
    case FILL_EVEN:
        return (gfloat)floor(32 * fill.low + random * (32 * ((gdouble)fill.high - fill.low) + 1)) / 32;
    case FILL_ODD:
        return (gfloat)(2 * floor(32 * (gdouble)uniform) + 1) / 64;
    case FILL_STEPS:
    case FILL_INDEX:
        return (gfloat)floor(fill.low + random * ((gdouble)fill.high - fill.low + 1));
    case FILL_BYTES:
        return (gfloat)floor(256 * random);
    case FILL_MASK:
        return mask_value(index / columns, random);
    case FILL_IDENTITY:
        return index % columns == index / columns % rows ? 0 : -INFINITY;
    case FILL_ZERO:
        return random < 0.5 ? 0.0f : -0.0f;
    case FILL_NAN:
        return index % 5 == 4 ? NAN : uniform;
    }
    return NAN;
}

void
opcheck_fill(gpointer data, const DinoR1View *view, OpFill fill, guint64 seed)
{
    for (gint64 i = 0; i < dinor1_shape_size(&view->shape); i++) {
        gfloat value = fill_value(&view->shape, fill, i, opcheck_random(seed, (guint64)i));
        if (view->dtype == DINOR1_I32)
            ((gint32 *)data)[i] = (gint32)value;
        else if (fill.kind == FILL_BYTES)
            ((guint8 *)data)[i] = (guint8)value;
        else
            opcheck_from_floats(view->dtype, &value, 1, (guint8 *)data + (gsize)i * dinor1_dtype_size(view->dtype));
    }
}

void
opcheck_to_floats(DinoR1DType dtype, gconstpointer data, gsize n, gfloat *floats)
{
    for (gsize i = 0; i < n; i++) {
        if (dtype == DINOR1_F16)
            floats[i] = dinor1_half_to_float(((const guint16 *)data)[i]);
        else if (dtype == DINOR1_BF16)
            floats[i] = dinor1_bf16_to_float(((const guint16 *)data)[i]);
        else
            floats[i] = ((const gfloat *)data)[i];
    }
}

void
opcheck_from_floats(DinoR1DType dtype, const gfloat *floats, gsize n, gpointer data)
{
    if (dtype == DINOR1_F32)
        memcpy(data, floats, n * sizeof *floats);
    else
        dinor1_narrow(dtype, data, floats, n);
}
