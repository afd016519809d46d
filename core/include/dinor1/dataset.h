/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <glib.h>

G_BEGIN_DECLS

/**
 * DinoR1Coco:
 *
 * Pictures, classes and boxes in COCO's object detection format (https://cocodataset.org/#format-data), with the
 * additions of LVIS (https://www.lvisdataset.org). Images, categories and annotations keep the order of the file and
 * are named by their position from 0; the file's ids are kept beside. Lengths are pixels, areas square pixels.
 *
 * Reference counted. Any number of threads may read it; nobody may add to it meanwhile.
 */
typedef struct _DinoR1Coco DinoR1Coco;

/* Left, top, width, height, as precise as the file says. */
typedef struct {
    gdouble x, y, width, height;
} DinoR1CocoBox;

typedef struct {
    gint64 id;
    const gchar *name; /* two categories may have the same */
    gchar frequency;   /* LVIS: 'r'are, 'c'ommon, 'f'requent; 0 if the file does not say */
} DinoR1CocoCategory;

typedef struct {
    gint64 id;
    const gchar *file_name; /* a picture, or a frame of a clip: see dinor1_coco_split_file_name() */
    gint width, height;     /* 0 if the file does not say */
    gboolean federated;     /* LVIS: the two lists below are known */
    const guint *negative;  /* (array length=n_negative): categories known to be absent */
    guint n_negative;
    const guint *not_exhaustive; /* (array length=n_not_exhaustive): categories of which only some boxes are there */
    guint n_not_exhaustive;
} DinoR1CocoImage;

typedef struct {
    gint64 id;
    guint image, category; /* positions */
    DinoR1CocoBox box;
    gdouble area;    /* of the object's mask where the file says so, else of the box */
    gboolean crowd;  /* iscrowd: a region with many objects */
    gboolean ignore; /* not to be counted (LVIS) */
} DinoR1CocoAnnotation;

/* Why an annotation or a result was not accepted; or that it was an image or a category. */
typedef enum {
    DINOR1_COCO_BAD_FIELD,          /* a field is missing, twice there or of a wrong type */
    DINOR1_COCO_BAD_DUPLICATE,      /* an earlier annotation has the id */
    DINOR1_COCO_BAD_IMAGE,          /* image_id names no image */
    DINOR1_COCO_BAD_CATEGORY,       /* category_id names no category */
    DINOR1_COCO_BAD_NOT_FINITE,     /* a number is NaN or infinite */
    DINOR1_COCO_BAD_SIZE,           /* width, height or area is negative; or zero, in an annotation */
    DINOR1_COCO_BAD_OUTSIDE,        /* no part of the box is in the image */
    DINOR1_COCO_BAD_TOO_MANY,       /* the image already has DinoR1CocoOptions.max_boxes */
    DINOR1_COCO_BAD_IMAGE_ENTRY,    /* an entry of "images" is broken; its annotations are then BAD_IMAGE */
    DINOR1_COCO_BAD_CATEGORY_ENTRY, /* one of "categories"; its annotations are then BAD_CATEGORY */
    DINOR1_COCO_N_BAD
} DinoR1CocoBad;

/* Words for a table: "outside the image". Never NULL. */
DINOR1_API const gchar *dinor1_coco_bad_to_string(DinoR1CocoBad bad);

/* Zero-filled is the default. */
typedef struct {
    gboolean skip_bad;             /* leave out what is bad and count it, instead of failing at the first */
    gboolean annotations_optional; /* accept a file without "annotations", such as COCO's image_info files */
    guint max_boxes;               /* annotations of one image; 0 = no limit */
} DinoR1CocoOptions;

/**
 * dinor1_coco_load:
 * @options: (nullable):
 *
 * Reads a file of "images", "categories" and "annotations". Other members, such as segmentations, are passed over.
 * Images without annotations are legal, and so are boxes that reach beyond the image's edge.
 *
 * With @options' skip_bad, a broken image or category is left out with its annotations. Of two with one id the first
 * stays if they have the same name; else neither, since nobody knows which of them an annotation means.
 *
 * Returns: (transfer full): the set, or NULL with IO (cannot be read, empty) or FORMAT: the file, the id and the
 * reason. A file that is no JSON or lacks one of the lists is an error with skip_bad too.
 */
DINOR1_API DinoR1Coco *dinor1_coco_load(const gchar *path, const DinoR1CocoOptions *options, GError **error);

/* (transfer full): an empty set, to fill with the dinor1_coco_add functions. */
DINOR1_API DinoR1Coco *dinor1_coco_new(void);
DINOR1_API DinoR1Coco *dinor1_coco_ref(DinoR1Coco *coco);
DINOR1_API void dinor1_coco_unref(DinoR1Coco *coco);

DINOR1_API guint dinor1_coco_get_n_images(const DinoR1Coco *coco);
DINOR1_API guint dinor1_coco_get_n_categories(const DinoR1Coco *coco);
DINOR1_API guint dinor1_coco_get_n_annotations(const DinoR1Coco *coco);
DINOR1_API guint dinor1_coco_get_n_bad(const DinoR1Coco *coco, DinoR1CocoBad bad); /* left out by skip_bad */
/* (array length=n) (nullable): the messages that these would have been, in the order in which they were found: the
 * first 10,000. */
DINOR1_API const gchar *const *dinor1_coco_get_reasons(const DinoR1Coco *coco, guint *n);

/* @image, @category: less than their number. What is returned lives until the set changes. */
DINOR1_API const DinoR1CocoImage *dinor1_coco_get_image(const DinoR1Coco *coco, guint image);
DINOR1_API const DinoR1CocoCategory *dinor1_coco_get_category(const DinoR1Coco *coco, guint category);
/* (array length=n) (nullable): the boxes of one image, in the file's order. */
DINOR1_API const DinoR1CocoAnnotation *dinor1_coco_get_annotations(const DinoR1Coco *coco, guint image, guint *n);
/* An object to learn from: no crowd, and nothing to ignore. */
DINOR1_API gboolean dinor1_coco_is_object(const DinoR1CocoAnnotation *annotation);
/* How many of an image's annotations are. */
DINOR1_API guint dinor1_coco_count_objects(const DinoR1Coco *coco, guint image);

/* The position of an id; of the first category of a name. FALSE if there is none; the position is then unchanged. */
DINOR1_API gboolean dinor1_coco_find_image(const DinoR1Coco *coco, gint64 id, guint *image);
DINOR1_API gboolean dinor1_coco_find_category(const DinoR1Coco *coco, gint64 id, guint *category);
DINOR1_API gboolean dinor1_coco_find_category_name(const DinoR1Coco *coco, const gchar *name, guint *category);

/**
 * dinor1_coco_find_file:
 * @path: a picture or clip
 * @frame: frame of the clip; -1: @path is a picture
 *
 * Finds the image whose file_name is @path, or "@path#frame=@frame"; or the last part of that; or the only image with
 * that last part.
 *
 * Returns: FALSE if there is none; @image is then unchanged.
 */
DINOR1_API gboolean dinor1_coco_find_file(const DinoR1Coco *coco, const gchar *path, gint64 frame, guint *image);

/**
 * dinor1_coco_split_file_name:
 * @path: (out) (transfer full): @file_name without the fragment; relative to whatever folder the user names
 * @frame: (out): the number in "#frame=120", from 0; else -1
 * @time: (out): the nanoseconds of "#t=1.5" (seconds): the frame shown then; else -1
 *
 * A '#' followed by anything else belongs to the name.
 *
 * Returns: TRUE; FALSE with FORMAT if no number follows "#frame=" or "#t="; nothing is then set.
 */
DINOR1_API gboolean dinor1_coco_split_file_name(
    const gchar *file_name, gchar **path, gint64 *frame, gint64 *time, GError **error);

/* Appends and returns the position. Ids count from 1. @name and @file_name are copied and must be valid UTF-8. */
DINOR1_API guint dinor1_coco_add_category(DinoR1Coco *coco, const gchar *name);
DINOR1_API guint dinor1_coco_add_image(DinoR1Coco *coco, const gchar *file_name, gint width, gint height);

/**
 * dinor1_coco_add_annotation:
 *
 * Appends a box to the image that was added last.
 *
 * Returns: TRUE; FALSE with ARGUMENT (no image, no such category, not finite, no size, outside the image).
 */
DINOR1_API gboolean dinor1_coco_add_annotation(
    DinoR1Coco *coco, guint category, const DinoR1CocoBox *box, GError **error);

/**
 * dinor1_coco_write_annotations:
 *
 * Writes the set as a COCO annotation file, through a temporary file that is synced and renamed. Numbers are written
 * so that reading them gives the same values, with a '.' in any locale.
 *
 * Returns: TRUE; FALSE with IO; @path is then what it was.
 */
DINOR1_API gboolean dinor1_coco_write_annotations(const DinoR1Coco *coco, const gchar *path, GError **error);

/**
 * DinoR1CocoResults:
 *
 * What a detector says about the images of a #DinoR1Coco, of which it holds a reference. For one thread at a time.
 */
typedef struct _DinoR1CocoResults DinoR1CocoResults;

typedef struct {
    guint image, category; /* positions */
    DinoR1CocoBox box;
    gdouble score;
} DinoR1CocoResult;

/* (transfer full): no results yet. */
DINOR1_API DinoR1CocoResults *dinor1_coco_results_new(DinoR1Coco *coco);

/**
 * dinor1_coco_results_load:
 * @options: (nullable):
 *
 * Reads a COCO results file: a list of objects with image_id, category_id, bbox and score.
 *
 * Returns: (transfer full): the results, or NULL with IO (cannot be read, empty) or FORMAT: the file, the entry's
 * number from 0 and the reason.
 */
DINOR1_API DinoR1CocoResults *dinor1_coco_results_load(
    DinoR1Coco *coco, const gchar *path, const DinoR1CocoOptions *options, GError **error);

DINOR1_API void dinor1_coco_results_free(DinoR1CocoResults *results);

/* Returns: TRUE; FALSE with ARGUMENT: no such image or category, not finite, negative size. */
DINOR1_API gboolean dinor1_coco_results_add(DinoR1CocoResults *results, const DinoR1CocoResult *result, GError **error);

/* (array length=n) (nullable): all results in the order they came; valid until one is added. */
DINOR1_API const DinoR1CocoResult *dinor1_coco_results_get(const DinoR1CocoResults *results, guint *n);
DINOR1_API guint dinor1_coco_results_get_n_bad(const DinoR1CocoResults *results, DinoR1CocoBad bad);
DINOR1_API DinoR1Coco *dinor1_coco_results_get_coco(const DinoR1CocoResults *results); /* (transfer none) */

/* As dinor1_coco_write_annotations(): a COCO results file. Round boxes and scores before adding them if the file
 * should be small: what is evaluated is then what the file says. */
DINOR1_API gboolean dinor1_coco_write_results(const DinoR1CocoResults *results, const gchar *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Coco, dinor1_coco_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1CocoResults, dinor1_coco_results_free)

G_END_DECLS
