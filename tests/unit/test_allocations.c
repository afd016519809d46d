/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * No heap allocation per frame after the first of a size: the C library's allocator is counted.
 */
#include <dinor1/dinor1.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTING 0
#elif defined(__has_feature)
#define COUNTING                                                                                                       \
    !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer))
#else
#define COUNTING 1
#endif

static atomic_uint n_allocations;

#if COUNTING
/* glibc's own names for what the names below replace. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *
malloc(size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_calloc(n, size);
}

void *
realloc(void *memory, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_realloc(memory, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_memalign(alignment, size);
}

int
posix_memalign(void **memory, size_t alignment, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}
#endif

static void
test_no_allocation_per_frame(void)
{
    static guint8 pixels[200 * 150 * 3];
    g_autofree gchar *path =
        g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "models", "dino-r1-visual", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Model) model = dinor1_model_load(path, &error);
    g_autoptr(DinoR1Detector) detector = NULL;
    g_autoptr(DinoR1PromptBank) bank = NULL;
    DinoR1Image image = {
        .format = DINOR1_PIXEL_RGB, .width = 200, .height = 150, .planes = {pixels}, .strides = {200 * 3}};
    const DinoR1Box box = {10, 10, 50, 50};
    DinoR1DetectorOptions options;
    DinoR1DetectionList found;
    guint before;

    g_assert_no_error(error);
    dinor1_detector_options_init(&options);
    options.threshold = 0;
    options.shortest_edge = 96;
    options.longest_edge = 160;
    options.n_threads = 3;
    detector = dinor1_detector_new(model, &options, &error);
    bank = dinor1_prompt_bank_new(model);
    g_assert_true(dinor1_detector_add_prompt(detector, bank, "x", &image, &box, NULL, &error));
    g_assert_true(dinor1_detector_set_prompts(detector, bank, &error));
    for (gint width = 200; width >= 199; width--) {
        image.width = width;
        g_assert_true(dinor1_detector_detect(detector, &image, &found, &error));
    }
    before = atomic_load(&n_allocations);
    for (gint frame = 0; frame < 20; frame++) {
        pixels[frame] ^= 255;
        g_assert_true(dinor1_detector_detect(detector, &image, &found, &error));
        g_assert_cmpuint(found.n_items, >, 0);
    }
    g_assert_cmpuint(before, >, 0); /* the counter works */
    g_assert_cmpuint(atomic_load(&n_allocations) - before, ==, 0);
}

int
main(int argc, char **argv)
{
    if (!COUNTING) {
        g_print("1..0 # SKIP a sanitizer owns the allocator\n");
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/allocations/none-per-frame", test_no_allocation_per_frame);
    return g_test_run();
}
