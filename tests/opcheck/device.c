/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* A backend whose memory is a device's against the references: the same cases, tolerances and guards. */
#include "opcheck.h"

#include "backend/device.h"

#include <dinor1/error.h>
#include <string.h>

/* Bytes of canary on both sides of what a kernel writes; the address sanitizer finds more without them. */
#if defined(__SANITIZE_ADDRESS__)
#define BAND ((gsize)0)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BAND ((gsize)0)
#endif
#endif
#ifndef BAND
#define BAND ((gsize)1024)
#endif
#define CANARY 0x5a

typedef struct {
    guchar *base; /* on the device: band, data, band */
    gsize size;
} DeviceBuffer;

typedef struct {
    DinoR1Backend *backend;
    DeviceBuffer inputs[DINOR1_MAX_INPUTS], outputs[DINOR1_MAX_OUTPUTS], workspace;
} DeviceRun;

static gsize
view_size(const DinoR1View *view)
{
    return (gsize)dinor1_shape_size(&view->shape) * dinor1_dtype_size(view->dtype);
}

/* @data: NULL = every byte 0xff, NaN as float. */
static gboolean
buffer_new(DinoR1Backend *backend, gconstpointer data, gsize size, DeviceBuffer *buffer, GError **error)
{
    g_autofree guchar *image = g_malloc(size + 2 * BAND + 1);

    memset(image, CANARY, size + 2 * BAND);
    if (data)
        memcpy(image + BAND, data, size);
    else
        memset(image + BAND, 0xff, size);
    buffer->size = size;
    buffer->base = backend->klass->alloc(backend, size + 2 * BAND, error);
    return buffer->base && backend->klass->upload(backend, buffer->base, image, size + 2 * BAND, error);
}

static void
buffer_free(DinoR1Backend *backend, DeviceBuffer *buffer)
{
    if (buffer->base)
        backend->klass->release(backend, buffer->base);
    *buffer = (DeviceBuffer){0};
}

/* Reads @buffer back into @to (NULL = only its bands). Returns NULL or (transfer full) what is wrong. */
static gchar *
buffer_read(DinoR1Backend *backend, const DeviceBuffer *buffer, const gchar *name, gpointer to)
{
    g_autofree guchar *image = g_malloc(buffer->size + 2 * BAND + 1);
    g_autoptr(GError) error = NULL;

    if (!backend->klass->download(backend, image, buffer->base, buffer->size + 2 * BAND, &error))
        return g_strdup(error->message);
    for (gssize i = 0; i < (gssize)BAND; i++) {
        if (image[i] != CANARY)
            return g_strdup_printf("wrote before the start of %s", name);
        if (image[BAND + buffer->size + (gsize)i] != CANARY)
            return g_strdup_printf("wrote past the end of %s", name);
    }
    if (to)
        memcpy(to, image + BAND, buffer->size);
    return NULL;
}

static gboolean
attach(DeviceRun *device, const OpRun *run, DinoR1KernelArgs *args, GError **error)
{
    DinoR1Backend *backend = device->backend;
    const gsize workspace = backend->klass->workspace(backend, run->c->op, args);

    for (guint i = 0; i < run->c->n_inputs; i++) {
        if (!run->c->present[i])
            continue;
        if (!buffer_new(backend, run->inputs[i].data, run->inputs[i].size, &device->inputs[i], error))
            return FALSE;
        args->inputs[i].data = device->inputs[i].base + BAND;
    }
    for (guint i = 0; i < dinor1_op_n_outputs(run->c->op); i++) {
        if (!buffer_new(backend, NULL, view_size(&run->outputs[i]), &device->outputs[i], error))
            return FALSE;
        args->outputs[i].data = device->outputs[i].base + BAND;
    }
    if (!buffer_new(backend, NULL, workspace, &device->workspace, error))
        return FALSE;
    args->workspace = workspace ? device->workspace.base + BAND : NULL;
    return TRUE;
}

static gchar *
read_back(DeviceRun *device, OpRun *run)
{
    gchar *why = buffer_read(device->backend, &device->workspace, "the workspace", NULL);

    for (guint i = 0; !why && i < dinor1_op_n_outputs(run->c->op); i++) {
        g_autofree gchar *name = g_strdup_printf("output %u", i);

        opcheck_buffer_free(&run->got[i]);
        run->got[i] = opcheck_buffer_output(device->outputs[i].size);
        why = buffer_read(device->backend, &device->outputs[i], name, run->got[i].data);
    }
    for (guint i = 0; !why && i < run->c->n_inputs; i++) {
        g_autofree guchar *now = g_malloc(device->inputs[i].size + 1);
        g_autofree gchar *name = g_strdup_printf("input %u", i);

        if (!run->c->present[i])
            continue;
        why = buffer_read(device->backend, &device->inputs[i], name, now);
        if (!why && memcmp(now, run->copies[i], device->inputs[i].size) != 0)
            why = g_strdup_printf("changed input %u", i);
    }
    return why;
}

gchar *
opcheck_device_execute(OpRun *run, DinoR1Backend *backend, gboolean *missing)
{
    g_autoptr(GError) error = NULL;
    DeviceRun device = {.backend = backend};
    DinoR1KernelArgs args = {.params = &run->c->params, .n_inputs = run->c->n_inputs};
    gchar *why = NULL;

    memcpy(args.inputs, run->c->inputs, sizeof args.inputs);
    memcpy(args.outputs, run->outputs, sizeof args.outputs);
    if (attach(&device, run, &args, &error) && backend->klass->run(backend, run->c->op, &args, &error) &&
        backend->klass->sync(backend, &error))
        why = read_back(&device, run);
    *missing = g_error_matches(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED);
    if (error && !*missing)
        why = g_strdup(error->message);

    for (guint i = 0; i < DINOR1_MAX_INPUTS; i++)
        buffer_free(backend, &device.inputs[i]);
    for (guint i = 0; i < DINOR1_MAX_OUTPUTS; i++)
        buffer_free(backend, &device.outputs[i]);
    buffer_free(backend, &device.workspace);
    return why;
}

typedef struct {
    DinoR1Backend *backend, *reference;
    OpCount count;
    guint n_cases[DINOR1_N_OPS];
    gboolean missing[DINOR1_N_OPS];
    gdouble worst[DINOR1_N_OPS];
    gdouble worst_half[2][DINOR1_N_OPS]; /* f16, bf16; -1: not run */
} DeviceCheck;

static const DinoR1DType halves[] = {DINOR1_F16, DINOR1_BF16};

static gchar *
check_run(DeviceCheck *check, OpRun *run)
{
    gchar *why = opcheck_run_execute(run, check->reference);

    if (!why)
        why = opcheck_run_accept(run);
    if (!why)
        why = opcheck_device_execute(run, check->backend, &check->missing[run->c->op]);
    if (!why && !check->missing[run->c->op])
        why = opcheck_run_compare(run, &check->worst[run->c->op]);
    return why;
}

/* With every half type that the device computes with, and products with halves as factors only. */
static void
check_halves(DeviceCheck *check, const OpCase *c)
{
    for (guint h = 0; h < G_N_ELEMENTS(halves); h++) {
        gdouble *worst = &check->worst_half[h][c->op];

        if (!(check->backend->half_types & 1u << halves[h]) || !opcheck_half_fits(c, halves[h]))
            continue;
        *worst = MAX(*worst, 0);
        for (gint wide = 0; wide <= dinor1_op_is_product(c->op); wide++) {
            g_autofree gchar *what =
                g_strdup_printf("%s, %s%s", c->name, dinor1_dtype_name(halves[h]), wide ? " to f32" : "");
            opcheck_count(
                &check->count, what, opcheck_half_check(c, halves[h], wide, check->reference, check->backend, worst));
        }
    }
}

static void
check_case(DeviceCheck *check, const OpCase *c)
{
    gchar *why = NULL;
    OpRun *run;

    check->n_cases[c->op]++;
    if (check->missing[c->op])
        return;
    run = opcheck_run_new(c, &why);
    if (run)
        why = check_run(check, run);
    g_clear_pointer(&run, opcheck_run_free);
    if (check->missing[c->op])
        return;
    opcheck_count(&check->count, c->name, why);
    check_halves(check, c);
}

/* A row per op: how near it came to what is allowed. Returns how many ops are missing. */
static guint
print_summary(const DeviceCheck *check)
{
    guint n_missing = 0;

    g_print("%-26s %5s %9s %9s %9s\n", "worst error / allowed", "cases", "f32", "f16", "bf16");
    for (gint op = 0; op < DINOR1_N_OPS; op++) {
        if (check->n_cases[op] == 0)
            continue;
        if (check->missing[op])
            g_print("%-26s %5u %9s", dinor1_op_name(op), check->n_cases[op], "missing");
        else
            g_print("%-26s %5u %9.2f", dinor1_op_name(op), check->n_cases[op], check->worst[op]);
        for (guint h = 0; h < G_N_ELEMENTS(halves) && !check->missing[op]; h++) {
            if (check->worst_half[h][op] < 0)
                g_print(" %9s", "-");
            else
                g_print(" %9.2f", check->worst_half[h][op]);
        }
        g_print("\n");
        n_missing += check->missing[op];
    }
    return n_missing;
}

int
opcheck_device(GPtrArray *cases, const gchar *device, const gchar *op, gboolean big, gboolean require_all)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *description = NULL;
    DeviceCheck check = {.backend = dinor1_backend_open(device, 0, &description, &error)};
    guint n_missing;

    if (!check.backend) {
        g_printerr("opcheck: %s\n", error->message);
        return 1;
    }
    g_print("%s\n", description);
    check.reference = dinor1_cpu_backend_new(1, 0);
    for (guint i = 0; i < DINOR1_N_OPS; i++)
        check.worst_half[0][i] = check.worst_half[1][i] = -1;
    for (guint i = 0; i < cases->len; i++) {
        const OpCase *c = cases->pdata[i];
        if ((!c->big || big) && (!op || g_str_equal(op, dinor1_op_name(c->op))))
            check_case(&check, c);
    }
    n_missing = print_summary(&check);
    g_print("%u passed, %u failed, %u ops missing\n", check.count.passed, check.count.failed, n_missing);
    dinor1_backend_free(check.backend);
    dinor1_backend_free(check.reference);
    return check.count.failed || (require_all && n_missing) ? 1 : 0;
}
