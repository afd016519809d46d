/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cpu/cpu.h"

#include <math.h>

/* A case: one op with shapes, parameters and the kind of numbers that go in.
 *
 * The rule of agreement, for every element of the output: both infinite and equal, or
 *     |fast - reference| <= tolerance * max(|reference|, scale)
 * where scale is the root mean square of the finite reference outputs unless the case sets its own. Tolerances say how
 * single precision must behave on this op; 0 means equal, and integers always are. */

typedef enum {
    FILL_UNIFORM,  /* low … high */
    FILL_EVEN,     /* even 64ths low … high */
    FILL_ODD,      /* odd 64ths low … high: with even ones and whole numbers they never make a whole number */
    FILL_STEPS,    /* whole numbers low … high, so that many are equal */
    FILL_MASK,     /* rows of the last dimension in turn: all -inf, about half -inf, nothing masked */
    FILL_IDENTITY, /* last two dimensions: 0 on the diagonal, else -inf */
    FILL_ZERO,     /* 0 or -0, which are equal */
    FILL_NAN,      /* uniform, every fifth NaN */
    FILL_INDEX,    /* i32, whole numbers low … high */
    FILL_BYTES,    /* u8, 0 … 255 */
} OpFillKind;

typedef struct {
    OpFillKind kind;
    gfloat low, high;
} OpFill;

#define UNIFORM(low, high)                                                                                             \
    (OpFill)                                                                                                           \
    {                                                                                                                  \
        FILL_UNIFORM, (low), (high)                                                                                    \
    }
#define UNIT UNIFORM(-1, 1)
#define MASK                                                                                                           \
    (OpFill)                                                                                                           \
    {                                                                                                                  \
        FILL_MASK, 0, 0                                                                                                \
    }

typedef struct {
    DinoR1OpType op;
    gchar *name; /* what is special about it, with the op's name in front */
    DinoR1OpParams params;
    DinoR1View inputs[DINOR1_MAX_INPUTS]; /* without data; ndim -1 = absent */
    gboolean present[DINOR1_MAX_INPUTS];
    OpFill fills[DINOR1_MAX_INPUTS];
    gpointer data[DINOR1_MAX_INPUTS]; /* instead of a fill; its own */
    guint n_inputs;
    gdouble tolerance, scale;
    gboolean big; /* of a real model: for the benchmark */
} OpCase;

/* Appends a case of no inputs yet; it belongs to @cases (an array of OpCase *). */
OpCase *opcheck_add(GPtrArray *cases, DinoR1OpType op, gdouble tolerance, const gchar *format, ...) G_GNUC_PRINTF(4, 5);
void opcheck_input(OpCase *c, DinoR1Shape shape, OpFill fill);
void opcheck_optional(OpCase *c, gboolean present, DinoR1Shape shape, OpFill fill);
/* The numbers themselves. */
void opcheck_input_data(OpCase *c, DinoR1DType dtype, DinoR1Shape shape, gconstpointer data);
void opcheck_case_free(OpCase *c);

/* The tolerance of a sum of @k products: rounding errors add up like a random walk. */
gdouble opcheck_sum_tolerance(gint64 k);

/* The tolerance of a bilinear sample, in values: its position comes from numbers of up to @span pixels, is known to
 * some units of span * 2^-24 pixels, and what it takes from a neighbour to as much of a value. */
gdouble opcheck_position_tolerance(gdouble span);

/* "2x3x5" (transfer full) */
gchar *opcheck_shape_text(const DinoR1Shape *shape);

/* Random number @counter of stream @seed, in [0, 1). */
gdouble opcheck_random(guint64 seed, guint64 counter);
/* @data has @view's type and shape. */
void opcheck_fill(gpointer data, const DinoR1View *view, OpFill fill, guint64 seed);

/* Between floats and a view's type (f32 or a half type). */
void opcheck_to_floats(DinoR1DType dtype, gconstpointer data, gsize n, gfloat *floats);
void opcheck_from_floats(DinoR1DType dtype, const gfloat *floats, gsize n, gpointer data);

void opcheck_elementwise_cases(GPtrArray *cases);
void opcheck_matmul_cases(GPtrArray *cases);
void opcheck_norm_cases(GPtrArray *cases);
void opcheck_conv_cases(GPtrArray *cases);
void opcheck_attention_cases(GPtrArray *cases);
void opcheck_window_cases(GPtrArray *cases);
void opcheck_deformable_cases(GPtrArray *cases);
void opcheck_loss_cases(GPtrArray *cases);
void opcheck_optimizer_cases(GPtrArray *cases);
void opcheck_layout_cases(GPtrArray *cases);
void opcheck_cast_cases(GPtrArray *cases);
void opcheck_select_cases(GPtrArray *cases);
void opcheck_preprocess_cases(GPtrArray *cases);
void opcheck_big_cases(GPtrArray *cases);
void opcheck_big_grad_cases(GPtrArray *cases);

/* Memory with something to trip over on both sides. */
typedef struct {
    guchar *mapping;
    gsize mapped;
    guchar *data;
    gsize size;
} OpBuffer;

/* Ends at a page that cannot be read, so its start has the alignment of its element only, like a tensor in a mapped
 * file. */
OpBuffer opcheck_buffer_input(gsize size);
/* 64-byte aligned between two bands of canaries, every byte 0xff: NaN as float, -1 as integer. */
OpBuffer opcheck_buffer_output(gsize size);
/* NULL, or where a canary died. */
const gchar *opcheck_buffer_damage(const OpBuffer *buffer);
void opcheck_buffer_free(OpBuffer *buffer);

/* A case with its inputs in memory and what the reference makes of them. */
typedef struct {
    const OpCase *c;
    OpBuffer inputs[DINOR1_MAX_INPUTS];
    guchar *copies[DINOR1_MAX_INPUTS];
    DinoR1View outputs[DINOR1_MAX_OUTPUTS]; /* shapes */
    OpBuffer expected[DINOR1_MAX_OUTPUTS];
    OpBuffer got[DINOR1_MAX_OUTPUTS];
} OpRun;

/* NULL with @why (transfer full) if the shape rule refuses the case. */
OpRun *opcheck_run_new(const OpCase *c, gchar **why);
void opcheck_run_free(OpRun *run);
/* Runs the case on @backend into run->got. Returns NULL, or (transfer full) how the kernel broke its contract. */
gchar *opcheck_run_execute(OpRun *run, DinoR1Backend *backend);
/* Takes run->got as the expected outputs. Fails if some of it was never written. */
gchar *opcheck_run_accept(OpRun *run);
/* Compares run->got with the expected outputs. @worst: the largest error as a share of what is allowed. */
gchar *opcheck_run_compare(const OpRun *run, gdouble *worst);
/* The root mean square of what is finite, or a number as good as 0. */
gdouble opcheck_scale(const gfloat *x, gsize n);
/* Seconds of the fastest of several executions. */
gdouble opcheck_run_time(OpRun *run, DinoR1Backend *backend);

typedef struct {
    guint passed, failed, skipped;
} OpCount;

/* Counts a test; prints @what and @why and takes @why if it failed. */
void opcheck_count(OpCount *count, const gchar *what, gchar *why);

/* The references and the backend against values worked out by hand. */
void opcheck_exact(OpCount *count);
/* Table of times, rates and bandwidths. */
void opcheck_bench(GPtrArray *cases, const gchar *op, const gchar *level, guint n_threads);

/* Runs the case on a backend whose memory is a device's, into run->got. @missing: (out): it has no kernel for the op.
 * Returns NULL, or (transfer full) how the kernel broke its contract. */
gchar *opcheck_device_execute(OpRun *run, DinoR1Backend *backend, gboolean *missing);

/* The same case with halves (half.c) of type @half. @exact: the case in f32, which the reference has not run yet.
 * @wide: a product that makes f32. @worst: as above. */
gboolean opcheck_half_fits(const OpCase *c, DinoR1DType half);
gchar *opcheck_half_check(
    const OpCase *c, DinoR1DType half, gboolean wide, DinoR1Backend *reference, DinoR1Backend *backend, gdouble *worst);

/* Checks a device's kernels (dinor1_backend_open()) against the references; the exit status. An op without a kernel
 * there is listed as missing, which is a failure if @require_all. */
int opcheck_device(GPtrArray *cases, const gchar *device, const gchar *op, gboolean big, gboolean require_all);

typedef struct {
    const gchar *name;
    DinoR1CpuFlags flags;
} OpLevel;

#define OPCHECK_N_LEVELS 4
/* From the references to everything. */
extern const OpLevel opcheck_levels[OPCHECK_N_LEVELS];

/* Whether @op has a kernel of its own at @level, not one of the level before. */
gboolean opcheck_level_has(guint level, DinoR1OpType op);
