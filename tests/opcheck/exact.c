/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* The references against values worked out by hand, where an order or a convention could be got wrong, and the
 * backend around them. */
#include "opcheck.h"

#include <string.h>

#define EXACT(...) ((const gdouble[]){__VA_ARGS__})

typedef struct {
    OpCount *count;
    GPtrArray *cases;
    DinoR1Backend *backend;
    OpCase *c;
    OpRun *run;
    gchar *why;
} Exact;

/* A test is begin(), the case's inputs, prepare(), their numbers, and FINISH() with the numbers expected. */
static void
begin(Exact *self, DinoR1OpType op, const gchar *what)
{
    self->c = opcheck_add(self->cases, op, 0, "by hand: %s", what);
}

static void
prepare(Exact *self)
{
    self->run = opcheck_run_new(self->c, &self->why);
}

static void
set_input(Exact *self, guint i, const gdouble *values)
{
    const DinoR1DType dtype = self->c->inputs[i].dtype;

    for (gsize k = 0; self->run && k < self->run->inputs[i].size / dinor1_dtype_size(dtype); k++) {
        const gfloat value = (gfloat)values[k];

        if (dtype == DINOR1_I32)
            ((gint32 *)self->run->inputs[i].data)[k] = (gint32)values[k];
        else
            opcheck_from_floats(dtype, &value, 1, self->run->inputs[i].data + k * dinor1_dtype_size(dtype));
    }
    if (self->run)
        memcpy(self->run->copies[i], self->run->inputs[i].data, self->run->inputs[i].size);
}

static gdouble
get_number(const OpRun *run, gsize i)
{
    const DinoR1DType dtype = run->outputs[0].dtype;
    gfloat value;

    switch (dtype) {
    case DINOR1_I32:
        return ((const gint32 *)run->got[0].data)[i];
    case DINOR1_U8:
        return ((const guint8 *)run->got[0].data)[i];
    case DINOR1_F64:
        return ((const gdouble *)run->got[0].data)[i];
    case DINOR1_F32:
    case DINOR1_F16:
    case DINOR1_BF16:
        break;
    }
    opcheck_to_floats(dtype, run->got[0].data + i * dinor1_dtype_size(dtype), 1, &value);
    return value;
}

static gchar *
compare(const OpRun *run, const gdouble *expected, gsize n)
{
    const gsize n_got = run->got[0].size / dinor1_dtype_size(run->outputs[0].dtype);

    if (n_got != n)
        return g_strdup_printf("%" G_GSIZE_FORMAT " elements instead of %" G_GSIZE_FORMAT, n_got, n);
    for (gsize i = 0; i < n; i++) {
        gdouble got = get_number(run, i);
        if (got != expected[i] && !(fabs(got - expected[i]) <= 1e-6))
            return g_strdup_printf("element %" G_GSIZE_FORMAT " is %g instead of %g", i, got, expected[i]);
    }
    return NULL;
}

static void
finish(Exact *self, const gdouble *expected, gsize n)
{
    if (self->run)
        self->why = opcheck_run_execute(self->run, self->backend);
    if (!self->why)
        self->why = compare(self->run, expected, n);
    opcheck_count(self->count, self->c->name, self->why);
    g_clear_pointer(&self->run, opcheck_run_free);
    self->why = NULL;
}

#define FINISH(self, ...) finish(self, EXACT(__VA_ARGS__), sizeof EXACT(__VA_ARGS__) / sizeof(gdouble))

static void
exact_topk(Exact *self)
{
    begin(self, DINOR1_OP_TOPK, "ties by rising index, NaN last");
    self->c->params.topk.k = 6;
    opcheck_input(self->c, DINOR1_SHAPE(1, 6), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(1, 3, NAN, 3, -INFINITY, 2));
    FINISH(self, 1, 3, 5, 0, 2, 4);
}

static void
exact_gather(Exact *self)
{
    begin(self, DINOR1_OP_GATHER, "a batch, indices clamped");
    opcheck_input(self->c, DINOR1_SHAPE(2, 2, 2), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(2, 2), (OpFill){FILL_INDEX, 0, 1});
    prepare(self);
    set_input(self, 0, EXACT(1, 2, 3, 4, 5, 6, 7, 8));
    set_input(self, 1, EXACT(1, -1, 2, 0));
    FINISH(self, 3, 4, 1, 2, 7, 8, 5, 6);
}

static void
exact_layout(Exact *self)
{
    begin(self, DINOR1_OP_PATCH_MERGE, "order and padding");
    opcheck_input(self->c, DINOR1_SHAPE(1, 3, 3, 1), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(1, 2, 3, 4, 5, 6, 7, 8, 9));
    FINISH(self, 1, 4, 2, 5, 3, 6, 0, 0, 7, 0, 8, 0, 9, 0, 0, 0);

    begin(self, DINOR1_OP_PERMUTE, "out.dims[i] = x.dims[perm[i]]");
    self->c->params.permute.perm[0] = 1;
    self->c->params.permute.perm[1] = 2;
    opcheck_input(self->c, DINOR1_SHAPE(2, 3, 1), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(1, 2, 3, 4, 5, 6));
    FINISH(self, 1, 4, 2, 5, 3, 6);
}

/* Ties go to the even neighbour, what is too large becomes infinite, the smallest f16 is 2^-24. */
static void
exact_cast(Exact *self)
{
    begin(self, DINOR1_OP_CAST, "f32 to f16");
    self->c->params.cast.dtype = DINOR1_F16;
    opcheck_input(self->c, DINOR1_SHAPE(8), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(2049, 2051, -2050.5, 65519, 65520, -INFINITY, 0.1, 3));
    FINISH(self, 2048, 2052, -2050, 65504, INFINITY, -INFINITY, 0x1.998p-4, 3);

    begin(self, DINOR1_OP_CAST, "f32 to bf16");
    self->c->params.cast.dtype = DINOR1_BF16;
    opcheck_input(self->c, DINOR1_SHAPE(6), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(257, 259, -258.5, 65520, 0x1p127, INFINITY));
    FINISH(self, 256, 260, -258, 65536, 0x1p127, INFINITY);

    begin(self, DINOR1_OP_CAST, "bf16 to f16");
    self->c->params.cast.dtype = DINOR1_F16;
    opcheck_input(self->c, DINOR1_SHAPE(3), UNIT);
    self->c->inputs[0].dtype = DINOR1_BF16;
    prepare(self);
    set_input(self, 0, EXACT(258, 0x1p20, -0.5));
    FINISH(self, 258, INFINITY, -0.5);
}

static void
exact_sine(Exact *self)
{
    begin(self, DINOR1_OP_SINE_EMBED, "sine, cosine, falling frequency");
    self->c->params.sine.features = 4;
    self->c->params.sine.temperature = 100;
    self->c->params.sine.scale = 2;
    opcheck_input(self->c, DINOR1_SHAPE(1, 2), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(0, 0.5));
    FINISH(self, 0, 1, 0, 1, sin(1), cos(1), sin(0.1), cos(0.1));
}

static void
exact_linear(Exact *self)
{
    begin(self, DINOR1_OP_LINEAR, "the residual after the activation");
    self->c->params.linear.activation = DINOR1_ACT_RELU;
    opcheck_input(self->c, DINOR1_SHAPE(1, 2), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(3, 2), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(3), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(1, 3), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(1, 2));
    set_input(self, 1, EXACT(1, 2, 3, 4, -5, -6));
    set_input(self, 2, EXACT(1, -20, 0));
    set_input(self, 3, EXACT(-10, -20, -30));
    FINISH(self, 6 - 10, 0 - 20, 0 - 30);
}

static void
exact_matmul(Exact *self)
{
    begin(self, DINOR1_OP_MATMUL, "both transposed, alpha before bias and residual");
    self->c->params.matmul.trans_a = self->c->params.matmul.trans_b = TRUE;
    self->c->params.matmul.alpha = 2;
    opcheck_input(self->c, DINOR1_SHAPE(2, 1), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(3, 2), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(3), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(1, 3), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(1, 10));
    set_input(self, 1, EXACT(1, 2, 3, 4, 5, 6));
    set_input(self, 2, EXACT(100, 200, 300));
    set_input(self, 3, EXACT(1000, 1000, 1000));
    FINISH(self, 42 + 1100, 86 + 1200, 130 + 1300);
}

static void
exact_conv(Exact *self)
{
    begin(self, DINOR1_OP_CONV2D, "correlation, padded at the top and left");
    self->c->params.conv.stride = 1;
    self->c->params.conv.pad_top = self->c->params.conv.pad_left = 1;
    opcheck_input(self->c, DINOR1_SHAPE(1, 2, 2, 1), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(1, 1, 2, 2), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(1, 2, 3, 4));
    set_input(self, 1, EXACT(1, 10, 100, 1000));
    FINISH(self, 1000, 2100, 3010, 4321);
}

static void
begin_window(Exact *self, const gchar *what, gint64 side, gint shift, gboolean pads)
{
    begin(self, DINOR1_OP_WINDOW_ATTENTION, what);
    self->c->params.window.heads = 1;
    self->c->params.window.window = 2;
    self->c->params.window.shift = shift;
    /* q = k = 0: the table and the mask alone decide. */
    opcheck_input(self->c, DINOR1_SHAPE(1, side, side, 1), UNIFORM(0, 0));
    opcheck_input(self->c, DINOR1_SHAPE(1, side, side, 1), UNIFORM(0, 0));
    opcheck_input(self->c, DINOR1_SHAPE(1, side, side, 1), UNIFORM(0, 0));
    opcheck_input(self->c, DINOR1_SHAPE(9, 1), UNIFORM(0, 0));
    opcheck_optional(self->c, FALSE, DINOR1_SHAPE(1), UNIT);
    opcheck_optional(self->c, pads, DINOR1_SHAPE(1), UNIFORM(8, 8));
    prepare(self);
}

static void
exact_window(Exact *self)
{
    /* The shifted windows hold the middle four pixels, pairs of edge pixels and single corners. */
    begin_window(self, "shifted windows and their mask", 4, 1, FALSE);
    set_input(self, 2, EXACT(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768));
    FINISH(self, 1, 3, 3, 8, 136, 408, 408, 1088, 136, 408, 408, 1088, 4096, 12288, 12288, 32768);

    begin_window(self, "padding takes part", 3, 0, TRUE);
    set_input(self, 2, EXACT(0, 4, 8, 12, 16, 20, 24, 28, 32));
    FINISH(self, 8, 8, 11, 8, 8, 11, 17, 17, 14);

    /* Padding is in the same region as the last row, so it is seen after a shift too. */
    begin_window(self, "padding before the shift", 3, 1, TRUE);
    set_input(self, 2, EXACT(0, 4, 8, 12, 16, 20, 24, 28, 32));
    FINISH(self, 0, 6, 6, 18, 24, 24, 18, 24, 24);

    /* The table's row is (query - key): the key on the right of its query weighs three times. */
    begin_window(self, "direction of the table", 2, 0, FALSE);
    set_input(self, 2, EXACT(0, 6, 12, 24));
    set_input(self, 3, EXACT(0, 0, 0, log(3), 0, 0, 0, 0, 0));
    FINISH(self, 9, 10.5, 15, 10.5);
}

static void
begin_deformable(Exact *self, const gchar *what, gint64 coordinates)
{
    begin(self, DINOR1_OP_DEFORMABLE_ATTENTION, what);
    self->c->params.deformable.heads = 1;
    self->c->params.deformable.n_levels = 2;
    self->c->params.deformable.n_points = 2;
    self->c->params.deformable.heights[0] = 2;
    self->c->params.deformable.widths[0] = 4;
    self->c->params.deformable.heights[1] = 1;
    self->c->params.deformable.widths[1] = 1;
    opcheck_input(self->c, DINOR1_SHAPE(1, 9, 1), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(1, 1, 1, coordinates), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(1, 1, 8), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(1, 1, 4), UNIFORM(0, 0));
    prepare(self);
    set_input(self, 0, EXACT(1, 2, 4, 8, 16, 32, 64, 128, 1000));
}

static void
exact_deformable(Exact *self)
{
    /* (3/8, 1/4) is the centre of pixel (1, 0) of the 4 x 2 map, and (-1/8, -1/4) from the centre of the 1 x 1 map. */
    begin_deformable(self, "offsets in pixels", 2);
    set_input(self, 1, EXACT(0.375, 0.25));
    set_input(self, 2, EXACT(1, 1, 0.5, 0, 0.125, 0.25, 5, 0));
    FINISH(self, (64 + 3 + 1000 + 0) / 4.0);

    /* One unit is a quarter of the box's size: 1/4 wide and 1/2 high here. */
    begin_deformable(self, "offsets in boxes", 4);
    set_input(self, 1, EXACT(0.375, 0.25, 1, 2));
    set_input(self, 2, EXACT(1, 1, -1, 0, 0.5, 0.5, 0.5, -8));
    FINISH(self, (64 + 1 + 1000 + 0) / 4.0);
}

static void
exact_softmax(Exact *self)
{
    begin(self, DINOR1_OP_SOFTMAX, "a masked row is 0");
    self->c->params.softmax.axis = -1;
    opcheck_input(self->c, DINOR1_SHAPE(2, 2), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(-INFINITY, -INFINITY, 0, log(3)));
    FINISH(self, 0, 0, 0.25, 0.75);
}

static void
exact_optimizer(Exact *self)
{
    begin(self, DINOR1_OP_SUM_SQUARES, "beyond what f32 holds");
    opcheck_input(self->c, DINOR1_SHAPE(2, 2), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(0x1p70, 3, -4, 0));
    FINISH(self, 0x1p140);

    begin(self, DINOR1_OP_BLEND, "a of x and b of y");
    self->c->params.blend.a = 0.5f;
    self->c->params.blend.b = 3;
    opcheck_input(self->c, DINOR1_SHAPE(2), UNIT);
    opcheck_input(self->c, DINOR1_SHAPE(2), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(2, 4));
    set_input(self, 1, EXACT(1, -1));
    FINISH(self, 4, -1);

    /* m = 0.5 * 1 = 0.5; v = 4 + 0.25 * (1 - 4) = 3.25 of the gradient 1. */
    begin(self, DINOR1_OP_ADAMW, "the first moment over the root of the second");
    self->c->params.adamw.scale = 0.5f;
    self->c->params.adamw.beta1 = 0.5f;
    self->c->params.adamw.beta2 = 0.75f;
    self->c->params.adamw.epsilon = 0.25f;
    self->c->params.adamw.keep = 0.75f;
    self->c->params.adamw.step = 0.125f;
    self->c->params.adamw.root = 2;
    for (guint i = 0; i < 4; i++)
        opcheck_input(self->c, DINOR1_SHAPE(1), UNIT);
    prepare(self);
    set_input(self, 0, EXACT(8));
    set_input(self, 1, EXACT(0));
    set_input(self, 2, EXACT(4));
    set_input(self, 3, EXACT(2));
    FINISH(self, 6 - 0.125 * 0.5 / (2 * sqrt(3.25) + 0.25));
}

static gchar *
check_alloc(DinoR1Backend *backend)
{
    g_autoptr(GError) error = NULL;
    gfloat value = 0;
    gfloat *memory = backend->klass->alloc(backend, sizeof *memory, NULL);

    if (!memory || (gsize)memory % 64)
        return g_strdup("memory is missing or not aligned");
    if (!backend->klass->upload(backend, memory, &(gfloat){42}, sizeof *memory, NULL) ||
        !backend->klass->download(backend, &value, memory, sizeof *memory, NULL) || value != 42)
        return g_strdup("what was uploaded did not come back");
    backend->klass->release(backend, memory);
    if (backend->klass->alloc(backend, G_MAXSIZE, &error) || !error)
        return g_strdup("all memory there could be, without an error");
    return NULL;
}

static gchar *
check_mask(void)
{
    const struct {
        const gchar *text;
        DinoR1CpuFlags allowed;
    } rows[] = {{"0", 0}, {"1", DINOR1_CPU_FAST}, {"0x3", DINOR1_CPU_FAST | DINOR1_CPU_AVX2}, {"", DINOR1_CPU_ALL},
        {"fast", DINOR1_CPU_ALL}};
    g_autofree gchar *before = g_strdup(g_getenv("DINOR1_CPU_MASK"));
    const gchar *wrong = NULL;

    g_unsetenv("DINOR1_CPU_MASK");
    DinoR1CpuFlags all = dinor1_cpu_detect();
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_setenv("DINOR1_CPU_MASK", rows[i].text, TRUE);
        if (dinor1_cpu_detect() != (all & rows[i].allowed))
            wrong = rows[i].text;
    }
    if (before)
        g_setenv("DINOR1_CPU_MASK", before, TRUE);
    else
        g_unsetenv("DINOR1_CPU_MASK");
    return wrong ? g_strdup_printf("\"%s\" leaves the wrong flags", wrong) : NULL;
}

void
opcheck_exact(OpCount *count)
{
    Exact self = {.count = count, .cases = g_ptr_array_new_with_free_func((GDestroyNotify)opcheck_case_free)};

    self.backend = dinor1_cpu_backend_new(1, 0);
    exact_topk(&self);
    exact_gather(&self);
    exact_layout(&self);
    exact_cast(&self);
    exact_sine(&self);
    exact_linear(&self);
    exact_matmul(&self);
    exact_conv(&self);
    exact_window(&self);
    exact_deformable(&self);
    exact_softmax(&self);
    exact_optimizer(&self);
    opcheck_count(count, "cpu memory", check_alloc(self.backend));
    opcheck_count(count, "DINOR1_CPU_MASK", check_mask());
    dinor1_backend_free(self.backend);
    g_ptr_array_unref(self.cases);
}
