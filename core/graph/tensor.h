/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DINOR1_MAX_DIMS 8

typedef enum {
    DINOR1_F32,
    DINOR1_I32,
    DINOR1_U8, /* bytes of a picture */
    DINOR1_F16,
    DINOR1_BF16,
    DINOR1_F64, /* sums that f32 is too coarse for: only where an op says so */
} DinoR1DType;

/* Outermost dimension first, as in PyTorch; tensors are always contiguous. ndim 0 is a scalar. */
typedef struct {
    gint ndim;
    gint64 dims[DINOR1_MAX_DIMS];
} DinoR1Shape;

/* A shape from its dimensions: DINOR1_SHAPE(b, n, d). */
#define DINOR1_SHAPE(...)                                                                                              \
    (DinoR1Shape)                                                                                                      \
    {                                                                                                                  \
        .ndim = (gint)(sizeof((gint64[]){__VA_ARGS__}) / sizeof(gint64)), .dims = { __VA_ARGS__ }                      \
    }

static inline gint64
dinor1_shape_size(const DinoR1Shape *shape)
{
    gint64 n = 1;
    for (gint i = 0; i < shape->ndim; i++)
        n *= shape->dims[i];
    return n;
}

/* The product of the dimensions [from, to). */
static inline gint64
dinor1_shape_span(const DinoR1Shape *shape, gint from, gint to)
{
    gint64 n = 1;
    for (gint i = from; i < to; i++)
        n *= shape->dims[i];
    return n;
}

/* Dimension @axis counted from the end for negative numbers: -1 is the last. */
static inline gint64
dinor1_shape_dim(const DinoR1Shape *shape, gint axis)
{
    return shape->dims[axis < 0 ? shape->ndim + axis : axis];
}

static inline gboolean
dinor1_shape_equal(const DinoR1Shape *a, const DinoR1Shape *b)
{
    if (a->ndim != b->ndim)
        return FALSE;
    for (gint i = 0; i < a->ndim; i++)
        if (a->dims[i] != b->dims[i])
            return FALSE;
    return TRUE;
}

/* A tensor with memory behind it, as kernels see it. data is NULL for an absent optional input. */
typedef struct {
    DinoR1DType dtype;
    DinoR1Shape shape;
    gpointer data;
} DinoR1View;

static inline gsize
dinor1_dtype_size(DinoR1DType dtype)
{
    switch (dtype) {
    case DINOR1_F32:
    case DINOR1_I32:
        return 4;
    case DINOR1_U8:
        return 1;
    case DINOR1_F16:
    case DINOR1_BF16:
        return 2;
    case DINOR1_F64:
        return 8;
    }
    return 0;
}

static inline gboolean
dinor1_dtype_is_half(DinoR1DType dtype)
{
    return dtype == DINOR1_F16 || dtype == DINOR1_BF16;
}

/* "f32" */
const gchar *dinor1_dtype_name(DinoR1DType dtype);

/* @n numbers to the nearest ones of a half type, ties to even. */
void dinor1_narrow(DinoR1DType half, guint16 *to, const gfloat *from, gsize n);

G_END_DECLS
