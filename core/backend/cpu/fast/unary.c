/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/simd_math.h"

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 32768

typedef struct {
    const DinoR1KernelArgs *args; /* x and out; for the adjoint x, dy and dx */
    gboolean adjoint;
    gint64 n;
    DinoR1Blocks blocks;
} Job;

/* As in PyTorch the limits are single-precision numbers. */
static gfloat
logit(gfloat x, gfloat epsilon)
{
    const gdouble y = CLAMP(x, epsilon, 1 - epsilon);

    return (gfloat)log(y / (1 - y));
}

/* Rare functions go lane by lane through the C library. */
V_INLINE vf
by_lane(DinoR1UnaryFunc func, vf x, gfloat a)
{
    for (gint i = 0; i < VW; i++) {
        if (func == DINOR1_UNARY_TANH)
            x[i] = tanhf(x[i]);
        else if (func == DINOR1_UNARY_LOG)
            x[i] = logf(x[i]);
        else if (func == DINOR1_UNARY_SQRT)
            x[i] = sqrtf(x[i]);
        else
            x[i] = logit(x[i], a);
    }
    return x;
}

V_INLINE vf
apply(DinoR1UnaryFunc func, vf x, gfloat a, gfloat b)
{
    switch (func) {
    case DINOR1_UNARY_AFFINE:
        return v_fma(x, v_set(a), v_set(b));
    case DINOR1_UNARY_RELU:
        return v_relu(x);
    case DINOR1_UNARY_GELU:
        return v_gelu(x);
    case DINOR1_UNARY_SIGMOID:
        return v_sigmoid(x);
    case DINOR1_UNARY_EXP:
        return v_exp(x);
    case DINOR1_UNARY_CLAMP:
        return v_min(v_max(x, v_set(a)), v_set(b));
    case DINOR1_UNARY_ABS:
        return v_max(x, -x);
    default:
        return by_lane(func, x, a);
    }
}

V_INLINE void
map(DinoR1UnaryFunc func, const gfloat *x, gfloat *out, gsize n, gfloat a, gfloat b)
{
    for (gsize i = 0; i < n; i += VW)
        v_store_n(out + i, apply(func, v_load_n(x + i, n - i), a, b), n - i);
}

V_INLINE vf
one_where(vi mask)
{
    return v_select(mask, v_set(1), v_set(0));
}

/* s(x) (1 - s(x)) for the sigmoid s, without cancelling. */
V_INLINE vf
sigmoid_slope(vf x)
{
    const vf e = v_exp(v_min(x, -x)), sum = v_set(1) + e;

    return e / (sum * sum);
}

/* The normal distribution and x times its density. */
V_INLINE vf
gelu_slope(vf x)
{
    const vf density = v_set(0.39894228f) * v_exp(v_set(-0.5f) * x * x), tail = v_normal_tail(v_max(x, -x));

    return v_select(x > v_set(0), v_set(1) - tail, tail) + x * density;
}

V_INLINE vf
slope(DinoR1UnaryFunc func, vf x, gfloat a, gfloat b)
{
    switch (func) {
    case DINOR1_UNARY_AFFINE:
        return v_set(a);
    case DINOR1_UNARY_RELU:
        return one_where(x > v_set(0));
    case DINOR1_UNARY_GELU:
        return gelu_slope(x);
    case DINOR1_UNARY_SIGMOID:
        return sigmoid_slope(x);
    case DINOR1_UNARY_TANH: /* tanh(x) = 2 s(2x) - 1 */
        return v_set(4) * sigmoid_slope(x + x);
    case DINOR1_UNARY_EXP:
        return v_exp(x);
    case DINOR1_UNARY_LOG:
        return v_set(1) / x;
    case DINOR1_UNARY_LOGIT:
        return v_select((x < v_set(a)) | (x > v_set(1 - a)), v_set(0), v_set(1) / (x * (v_set(1) - x)));
    case DINOR1_UNARY_CLAMP:
        return one_where((x >= v_set(a)) & (x <= v_set(b)));
    case DINOR1_UNARY_ABS:
        return one_where(x > v_set(0)) - one_where(x < v_set(0));
    case DINOR1_UNARY_SQRT:
        for (gint i = 0; i < VW; i++)
            x[i] = sqrtf(x[i]);
        return v_set(0.5f) / x;
    case DINOR1_N_UNARY:
        break;
    }
    return v_set(NAN);
}

V_INLINE void
map_grad(DinoR1UnaryFunc func, const gfloat *x, const gfloat *dy, gfloat *dx, gsize n, gfloat a, gfloat b)
{
    for (gsize i = 0; i < n; i += VW)
        v_store_n(dx + i, v_load_n(dy + i, n - i) * slope(func, v_load_n(x + i, n - i), a, b), n - i);
}

/* Each function, and its adjoint, in a loop of its own. */
#define MAP(func)                                                                                                      \
    case func:                                                                                                         \
        if (dy)                                                                                                        \
            map_grad(func, x, dy, out, (gsize)n, a, b);                                                                \
        else                                                                                                           \
            map(func, x, out, (gsize)n, a, b);                                                                         \
        break;

static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const DinoR1OpParams *params = job->args->params;
    const gfloat a = params->unary.a, b = params->unary.b;
    gint64 n;
    const gint64 first = dinor1_fast_block(job->blocks, job->n, (gint64)task, &n);
    const gfloat *x = (const gfloat *)job->args->inputs[0].data + first;
    const gfloat *dy = job->adjoint ? (const gfloat *)job->args->inputs[1].data + first : NULL;
    gfloat *out = (gfloat *)job->args->outputs[0].data + first;

    switch (params->unary.func) {
        MAP(DINOR1_UNARY_AFFINE)
        MAP(DINOR1_UNARY_RELU)
        MAP(DINOR1_UNARY_GELU)
        MAP(DINOR1_UNARY_SIGMOID)
        MAP(DINOR1_UNARY_TANH)
        MAP(DINOR1_UNARY_EXP)
        MAP(DINOR1_UNARY_LOG)
        MAP(DINOR1_UNARY_LOGIT)
        MAP(DINOR1_UNARY_CLAMP)
        MAP(DINOR1_UNARY_ABS)
        MAP(DINOR1_UNARY_SQRT)
    case DINOR1_N_UNARY:
        break;
    }
}

void
ISA_NAME(fast_unary)(const DinoR1KernelArgs *args)
{
    const DinoR1UnaryFunc func = args->params->unary.func;
    const gboolean slow = func == DINOR1_UNARY_TANH || func == DINOR1_UNARY_LOG || func == DINOR1_UNARY_LOGIT ||
                          func == DINOR1_UNARY_SQRT;
    Job job = {.args = args, .n = dinor1_shape_size(&args->outputs[0].shape)};

    job.blocks = dinor1_fast_blocks(job.n, slow ? TASK_FLOATS / 32 : TASK_FLOATS, VW);
    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)job.n * (slow ? 20 : 0.7), run_block, &job);
}

void
ISA_NAME(fast_unary_grad)(const DinoR1KernelArgs *args)
{
    Job job = {.args = args, .adjoint = TRUE, .n = dinor1_shape_size(&args->outputs[0].shape)};

    job.blocks = dinor1_fast_blocks(job.n, TASK_FLOATS, VW);
    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)job.n * 1.5, run_block, &job);
}
