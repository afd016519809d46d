/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <dinor1/image.h>
#include <dinor1/model.h>
#include <dinor1/prompts.h>

G_BEGIN_DECLS

/**
 * DinoR1Detector:
 *
 * A model at work on one device: its threads, its plans (one per input size and number of prompt tokens, the last few
 * are kept) and its memory. Not thread-safe: use it from one thread at a time; use one detector per stream to work in
 * parallel. After the first frame of a size no call to dinor1_detector_detect() allocates.
 *
 * |[<!-- language="C" -->
 * g_autoptr(GError) error = NULL;
 * g_autoptr(DinoR1Model) model = dinor1_model_load("models/dinor1-nano", &error);
 * g_autoptr(DinoR1Detector) detector = model ? dinor1_detector_new(model, NULL, &error) : NULL;
 * g_autoptr(DinoR1PromptBank) bank = model ? dinor1_prompt_bank_new(model) : NULL;
 * DinoR1DetectionList found;
 *
 * if (!detector || !dinor1_detector_add_prompt(detector, bank, "cup", &image, &box, NULL, &error) ||
 *     !dinor1_detector_set_prompts(detector, bank, &error) ||
 *     !dinor1_detector_detect(detector, &image, &found, &error))
 *     g_printerr("%s\n", error->message);
 * ]|
 */
typedef struct _DinoR1Detector DinoR1Detector;

typedef struct {
    const gchar *device;  /* "auto" (the first CUDA device, else the CPU), "cpu", "cuda" or "cuda:N"; NULL = "auto" */
    guint n_threads;      /* CPU threads; 0 = as many as the machine has; on a GPU they only prepare pictures */
    gfloat threshold;     /* detections below this score are dropped, 0 … 1 */
    gfloat nms;           /* class-wise NMS at this IoU; 0 = off (the model is NMS-free) */
    guint max_detections; /* 1 … 10000 */
    gint shortest_edge;   /* 0 = the model's; else the resize rule's shortest side */
    gint longest_edge;    /* 0 = the model's */
    /* "fp32", "tf32" (products round their factors to 11 bits), "fp16" or "bf16" (weights and activations, with sums,
     * boxes and scores in fp32); NULL or "auto" = fp32. The CPU has fp32 alone. */
    const gchar *precision;
    gpointer reserved[7];
} DinoR1DetectorOptions;

/* Fills @options with the defaults: auto, all threads, 0.3, off, 300, the model's sizes. */
DINOR1_API void dinor1_detector_options_init(DinoR1DetectorOptions *options);

typedef struct {
    DinoR1Box box;     /* in pixels of the frame, clipped to it */
    gfloat score;      /* 0 … 1 */
    guint class_index; /* index into the bank that was set */
} DinoR1Detection;

typedef struct {
    const DinoR1Detection *items; /* by falling score; the detector's own memory, valid until its next call */
    guint n_items;
} DinoR1DetectionList;

/**
 * dinor1_detector_new:
 * @options: (nullable): NULL = the defaults; copied
 *
 * Returns: (transfer full): the detector, holding a reference to @model; NULL with ARGUMENT, UNSUPPORTED (no module for
 * the device, or the device does not have the precision) or DEVICE.
 */
DINOR1_API DinoR1Detector *dinor1_detector_new(
    DinoR1Model *model, const DinoR1DetectorOptions *options, GError **error);
DINOR1_API void dinor1_detector_free(DinoR1Detector *detector);

DINOR1_API DinoR1Model *dinor1_detector_get_model(const DinoR1Detector *detector); /* (transfer none) */
/* What it runs on and, for "auto", why; for people: "cpu, 8 threads, AVX2 (auto: …)". */
DINOR1_API const gchar *dinor1_detector_get_device(const DinoR1Detector *detector);
/* TRUE after a failure that its device cannot recover from: every call then fails with DEVICE and the same text. Free
 * it. A new one works on another device; on a CUDA device, as a rule, only in a new process. */
DINOR1_API gboolean dinor1_detector_is_dead(const DinoR1Detector *detector);

/* Takes effect on the next detection. */
DINOR1_API void dinor1_detector_set_threshold(DinoR1Detector *detector, gfloat threshold);
DINOR1_API void dinor1_detector_set_max_detections(DinoR1Detector *detector, guint max_detections);

/**
 * dinor1_detector_embed:
 * @boxes: @n_boxes boxes in pixels of @image; each must overlap the image with an area above zero, and is clipped
 * @embeddings: (out caller-allocates): n_boxes * D floats
 *
 * Runs backbone, neck and the visual prompt encoder once (spec section 2; all boxes in one run).
 *
 * Returns: TRUE; FALSE with ARGUMENT (a box is outside, empty or not finite; names it), UNSUPPORTED (the model has
 * no visual prompt encoder) or DEVICE.
 */
DINOR1_API gboolean dinor1_detector_embed(DinoR1Detector *detector, const DinoR1Image *image, const DinoR1Box *boxes,
    guint n_boxes, gfloat *embeddings, GError **error);

/* dinor1_detector_embed() of one box and dinor1_prompt_bank_add_exemplar() in one call. @source may be NULL. */
DINOR1_API gboolean dinor1_detector_add_prompt(DinoR1Detector *detector, DinoR1PromptBank *bank, const gchar *label,
    const DinoR1Image *image, const DinoR1Box *box, const gchar *source, GError **error);

/**
 * dinor1_detector_set_prompts:
 *
 * Takes what @bank holds now (text phrases are encoded here); later changes of @bank need another call. An empty bank
 * is legal: detection then finds nothing and costs nothing.
 *
 * Returns: TRUE; FALSE with MISMATCH, ARGUMENT (more text tokens than the model's limit), UNSUPPORTED or DEVICE; the
 * prompts set before stay in force.
 */
DINOR1_API gboolean dinor1_detector_set_prompts(DinoR1Detector *detector, const DinoR1PromptBank *bank, GError **error);

/**
 * dinor1_detector_detect:
 * @found: (out): the detections, in the detector's memory
 *
 * Returns: TRUE; FALSE with ARGUMENT (the image), UNSUPPORTED (it is in a device's memory, and the detector on the CPU)
 * or DEVICE; @found is then empty.
 */
DINOR1_API gboolean dinor1_detector_detect(
    DinoR1Detector *detector, const DinoR1Image *image, DinoR1DetectionList *found, GError **error);

#define DINOR1_DETECTOR_MAX_BATCH 8

/**
 * dinor1_detector_detect_batch:
 * @images: 1 … DINOR1_DETECTOR_MAX_BATCH pictures that the network sees in one size
 * @found: (out caller-allocates): one list for each, as from dinor1_detector_detect()
 *
 * Looks at pictures of several streams at once, for the same prompts, which a GPU does in less time than at one after
 * the other. What is found in each is what would be found in it alone, to rounding. Each number of pictures has a plan
 * of its own.
 *
 * Returns: TRUE; FALSE with ARGUMENT (a picture, their number or their sizes) or as dinor1_detector_detect(); all lists
 * are then empty.
 */
DINOR1_API gboolean dinor1_detector_detect_batch(
    DinoR1Detector *detector, const DinoR1Image *images, guint n_images, DinoR1DetectionList *found, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Detector, dinor1_detector_free)

G_END_DECLS
