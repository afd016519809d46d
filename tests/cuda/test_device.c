/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Opening devices, and what a CUDA backend says when something fails: on the emulated GPU. */
#include "backend/device.h"

#include <dinor1/error.h>
#include <string.h>

/* Takes the error; it must contain @text. */
static void
assert_error(GError *error, DinoR1Error code, const gchar *text)
{
    g_assert_error(error, DINOR1_ERROR, (gint)code);
    if (!strstr(error->message, text))
        g_error("'%s' is not in '%s'", text, error->message);
    g_error_free(error);
}

static void
assert_refused(const gchar *device, DinoR1Error code, const gchar *text)
{
    GError *error = NULL;

    g_assert_null(dinor1_backend_open(device, 1, NULL, &error));
    assert_error(error, code, text);
}

static void
test_open(void)
{
    g_autofree gchar *cpu_text = NULL, *auto_text = NULL, *cuda_text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Backend) cpu = dinor1_backend_open("cpu", 2, &cpu_text, &error);
    g_autoptr(DinoR1Backend) any = dinor1_backend_open("auto", 1, &auto_text, &error);
    g_autoptr(DinoR1Backend) cuda = dinor1_backend_open("cuda-host:0", 1, &cuda_text, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(cpu->klass->name, ==, "cpu");
    g_assert_cmpstr(any->klass->name, ==, "cpu");
    g_assert_true(g_str_has_prefix(cpu_text, "cpu, 2 threads, "));
    /* The folders of this test have no module "cuda". */
    g_assert_true(g_str_has_prefix(auto_text, "cpu, 1 thread, "));
    g_assert_nonnull(strstr(auto_text, "(auto: cuda: no module "));
    g_assert_true(g_str_has_prefix(cuda_text, "cuda:0, emulated on the host, "));
    g_assert_cmpstr(cuda->klass->name, ==, "cuda");
    g_assert_false(cuda->host_memory);
}

static void
test_refused(void)
{
    assert_refused("tpu", DINOR1_ERROR_ARGUMENT, "device 'tpu': not auto, cpu, cuda or cuda:N");
    assert_refused("cuda-host:", DINOR1_ERROR_ARGUMENT, "device 'cuda-host:'");
    assert_refused("cuda:-1", DINOR1_ERROR_ARGUMENT, "device 'cuda:-1'");
    assert_refused("cuda", DINOR1_ERROR_UNSUPPORTED, "cuda: no module libdinor1-cuda.so in ");
    assert_refused(
        "cuda:1", DINOR1_ERROR_UNSUPPORTED, ": build and install it (meson's option -Dcuda=enabled), or use ");
    assert_refused("cuda-host:1", DINOR1_ERROR_DEVICE, "cuda:1: there is no such device, only 1");
}

static void
test_memory(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Backend) backend = dinor1_backend_open("cuda-host", 1, NULL, &error);
    const gint numbers[3] = {1, 2, 3};
    gint back[3];
    gpointer memory;

    g_assert_no_error(error);
    g_assert_null(backend->klass->alloc(backend, (gsize)1 << 45, &error));
    assert_error(g_steal_pointer(&error), DINOR1_ERROR_MEMORY, "out of memory: asked for 32.0");
    /* It lives on. */
    memory = backend->klass->alloc(backend, sizeof numbers, &error);
    g_assert_no_error(error);
    g_assert_true(backend->klass->upload(backend, memory, numbers, sizeof numbers, &error));
    g_assert_true(backend->klass->download(backend, back, memory, sizeof back, &error));
    g_assert_cmpmem(numbers, sizeof numbers, back, sizeof back);
    backend->klass->release(backend, memory);
}

/* A launch that no device takes: more blocks than a grid has. */
static DinoR1KernelArgs
impossible_args(const DinoR1OpParams *params)
{
    const DinoR1View view = {DINOR1_F32, DINOR1_SHAPE((gint64)1 << 50), NULL};

    return (DinoR1KernelArgs){.params = params, .inputs = {view}, .outputs = {view}, .n_inputs = 1};
}

static void
test_death(void)
{
    const DinoR1OpParams params = {.unary = {.func = DINOR1_UNARY_RELU}};
    DinoR1KernelArgs args = impossible_args(&params);
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Backend) backend = dinor1_backend_open("cuda-host", 1, NULL, &error);
    const gchar *expected = "cuda:0: unary: invalid configuration argument (cudaErrorInvalidConfiguration) at "
                            "elementwise.cu:";

    g_assert_no_error(error);
    g_assert_false(backend->klass->run(backend, DINOR1_OP_UNARY, &args, &error));
    assert_error(g_steal_pointer(&error), DINOR1_ERROR_DEVICE, expected);
    /* Whatever is asked of it now, it answers the same. */
    g_assert_null(backend->klass->alloc(backend, 4, &error));
    assert_error(g_steal_pointer(&error), DINOR1_ERROR_DEVICE, expected);
    g_assert_false(backend->klass->sync(backend, &error));
    assert_error(g_steal_pointer(&error), DINOR1_ERROR_DEVICE, expected);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/device/open", test_open);
    g_test_add_func("/device/refused", test_refused);
    g_test_add_func("/device/memory", test_memory);
    g_test_add_func("/device/death", test_death);
    return g_test_run();
}
