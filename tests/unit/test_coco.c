/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#define CATEGORIES "\"categories\":[{\"id\":5,\"name\":\"cat\"},{\"id\":0,\"name\":\"dog\"}]"
#define IMAGES                                                                                                         \
    "\"images\":[{\"id\":7,\"file_name\":\"a.jpg\",\"width\":100,\"height\":50},{\"id\":3,\"file_name\":\"b.jpg\"}]"

static DinoR1Coco *
load(const gchar *text, const DinoR1CocoOptions *options, GError **error)
{
    return dinor1_coco_load_memory("set.json", text, strlen(text), options, error);
}

static DinoR1Coco *
load_good(const gchar *text)
{
    g_autoptr(GError) error = NULL;
    DinoR1Coco *coco = load(text, NULL, &error);

    g_assert_no_error(error);
    return coco;
}

static void
assert_format_error(GError *error, const gchar *message)
{
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    g_assert_cmpstr(error->message, ==, message);
}

/* Every member in an order that no tool writes, with members nobody knows. */
static void
test_load(void)
{
    g_autoptr(DinoR1Coco) coco = load_good(
        "{\"annotations\":["
        "{\"bbox\":[1.5,2,3,4e0],\"id\":9,\"category_id\":0,\"image_id\":3,\"segmentation\":[[1,2,3]],\"iscrowd\":1},"
        "{\"id\":8,\"image_id\":7,\"category_id\":5,\"bbox\":[-5,0,20,60],\"area\":7.25,\"ignore\":1},"
        "{\"id\":10,\"image_id\":3,\"category_id\":5,\"bbox\":[0,0,1,1],\"iscrowd\":false,\"ignore\":true,"
        "\"segmentation\":{\"counts\":\"ab\",\"size\":[1,2]}}],"
        "\"info\":{\"year\":2026},\"licenses\":[]," IMAGES "," CATEGORIES "}\n");
    const DinoR1CocoAnnotation *first, *second;
    guint n;

    g_assert_cmpuint(dinor1_coco_get_n_images(coco), ==, 2);
    g_assert_cmpuint(dinor1_coco_get_n_categories(coco), ==, 2);
    g_assert_cmpuint(dinor1_coco_get_n_annotations(coco), ==, 3);
    g_assert_cmpint(dinor1_coco_get_image(coco, 0)->id, ==, 7);
    g_assert_cmpint(dinor1_coco_get_image(coco, 0)->width, ==, 100);
    g_assert_cmpint(dinor1_coco_get_image(coco, 0)->height, ==, 50);
    g_assert_cmpint(dinor1_coco_get_image(coco, 1)->width, ==, 0);
    g_assert_false(dinor1_coco_get_image(coco, 1)->federated);
    g_assert_cmpstr(dinor1_coco_get_category(coco, 1)->name, ==, "dog");

    first = dinor1_coco_get_annotations(coco, 0, &n);
    g_assert_cmpuint(n, ==, 1);
    g_assert_cmpint(first->id, ==, 8);
    g_assert_cmpuint(first->image, ==, 0);
    g_assert_cmpuint(first->category, ==, 0);
    g_assert_cmpfloat(first->box.x, ==, -5);
    g_assert_cmpfloat(first->area, ==, 7.25);
    g_assert_true(first->ignore && !first->crowd);

    second = dinor1_coco_get_annotations(coco, 1, &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpint(second[0].id, ==, 9);
    g_assert_cmpint(second[1].id, ==, 10);
    g_assert_cmpuint(second[0].category, ==, 1);
    g_assert_cmpfloat(second[0].box.x, ==, 1.5);
    g_assert_cmpfloat(second[0].box.height, ==, 4);
    g_assert_cmpfloat(second[0].area, ==, 12);
    g_assert_true(second[0].crowd && !second[0].ignore);
    g_assert_true(!second[1].crowd && second[1].ignore);
}

static void
test_no_annotations(void)
{
    const DinoR1CocoOptions optional = {.annotations_optional = TRUE};
    const gchar *text = "{" IMAGES "," CATEGORIES "}";
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Coco) info = load(text, &optional, NULL);
    g_autoptr(DinoR1Coco) empty = load_good("{\"images\":[],\"categories\":[],\"annotations\":[]}");
    guint n = 99;

    g_assert_null(load(text, NULL, &error));
    assert_format_error(error, "set.json: is not a COCO annotation file: it has no list 'annotations'");
    g_assert_cmpuint(dinor1_coco_get_n_images(info), ==, 2);
    g_assert_null(dinor1_coco_get_annotations(info, 1, &n));
    g_assert_cmpuint(n, ==, 0);
    g_assert_cmpuint(dinor1_coco_get_n_images(empty), ==, 0);
}

static void
test_lvis(void)
{
    g_autoptr(DinoR1Coco) coco =
        load_good("{\"images\":[{\"id\":1,\"coco_url\":\"http://images.cocodataset.org/val2017/000000000139.jpg\","
                  "\"neg_category_ids\":[4,2],\"not_exhaustive_category_ids\":[3]},"
                  "{\"id\":2,\"file_name\":\"x.jpg\",\"coco_url\":\"y.jpg\",\"neg_category_ids\":[],"
                  "\"not_exhaustive_category_ids\":[]},{\"id\":3,\"coco_url\":\"z.jpg\",\"neg_category_ids\":[2]}],"
                  "\"annotations\":[],\"categories\":[{\"id\":2,\"name\":\"a\",\"frequency\":\"r\"},"
                  "{\"id\":3,\"name\":\"b\",\"frequency\":\"c\"},{\"id\":4,\"name\":\"c\",\"frequency\":\"f\"}]}");
    const DinoR1CocoImage *image = dinor1_coco_get_image(coco, 0);

    g_assert_true(image->federated);
    g_assert_cmpstr(image->file_name, ==, "val2017/000000000139.jpg");
    g_assert_cmpuint(image->n_negative, ==, 2);
    g_assert_cmpuint(image->negative[0], ==, 2);
    g_assert_cmpuint(image->negative[1], ==, 0);
    g_assert_cmpuint(image->n_not_exhaustive, ==, 1);
    g_assert_cmpuint(image->not_exhaustive[0], ==, 1);
    g_assert_cmpint(dinor1_coco_get_category(coco, 1)->frequency, ==, 'c');
    image = dinor1_coco_get_image(coco, 1);
    g_assert_true(image->federated);
    g_assert_cmpuint(image->n_negative + image->n_not_exhaustive, ==, 0);
    g_assert_cmpstr(image->file_name, ==, "x.jpg");
    image = dinor1_coco_get_image(coco, 2);
    g_assert_false(image->federated);
    g_assert_cmpstr(image->file_name, ==, "z.jpg");
}

/* What Label Studio and CVAT write of a picture whose size they do not know. */
static void
test_no_size(void)
{
    g_autoptr(DinoR1Coco) coco = load_good(
        "{\"images\":[{\"id\":0,\"file_name\":\"a\",\"width\":null,\"height\":null},{\"id\":1,\"file_name\":"
        "\"b\",\"width\":0,\"height\":0,\"license\":0,\"flickr_url\":\"\",\"coco_url\":\"\",\"date_captured\":0}]"
        "," CATEGORIES ",\"annotations\":[{\"id\":0,\"image_id\":0,"
        "\"category_id\":0,\"bbox\":[5000,1,2,2],\"area\":4,\"ignore\":0,\"iscrowd\":0,\"segmentation\":[]}]}");
    guint n;

    for (guint i = 0; i < 2; i++)
        g_assert_true(dinor1_coco_get_image(coco, i)->width == 0 && dinor1_coco_get_image(coco, i)->height == 0);
    g_assert_cmpuint(dinor1_coco_get_annotations(coco, 0, &n)->category, ==, 1);
    g_assert_cmpuint(n, ==, 1);
}

/* Broken files, and images and categories nobody can do without. */
static void
test_broken(void)
{
    static const struct {
        const gchar *text, *message;
    } cases[] = {
        {"[]", "set.json: line 1, byte 1: a list, such as of results, is no annotation file"},
        {"7", "set.json: line 1, byte 1: an object was expected"},
        {"{\n\"images\": {}}", "set.json: line 2, byte 11: an array was expected"},
        {"{" IMAGES ",\n" IMAGES "}",
            "set.json: line 2, byte 10: 'images', 'categories' or 'annotations' is there twice"},
        {"{" IMAGES "," CATEGORIES ",\"annotations\":[]} x", "set.json: line 1, byte 172: more text than one value"},
        {"{" IMAGES "," CATEGORIES ",\"annotations\":[", "set.json: line 1, byte 169: the text ends too early"},
        {"{" CATEGORIES ",\"annotations\":[]}", "set.json: is not a COCO annotation file: it has no list 'images'"},
        {"{\"images\":[7]}", "set.json: images[0]: it is not an object"},
        {"{\"images\":[{}]}", "set.json: images[0]: id is missing"},
        {"{\"images\":[{\"id\":4}]}", "set.json: images[0], id 4: file_name is missing"},
        {"{\"images\":[{\"id\":-4}]}", "set.json: images[0]: id is not a non-negative integer"},
        {"{\"images\":[{\"id\":\"4\"}]}", "set.json: images[0]: id is not a non-negative integer"},
        {"{\"images\":[{\"id\":9223372036854775808}]}", "set.json: images[0]: id is not a non-negative integer"},
        {"{\"images\":[{\"id\":4,\"id\":4}]}", "set.json: images[0], id 4: id is there twice"},
        {"{\"images\":[{\"id\":4,\"file_name\":null}]}", "set.json: images[0], id 4: file_name is not a string"},
        {"{\"images\":[{\"id\":4,\"file_name\":\"\"}]}", "set.json: images[0], id 4: file_name is empty"},
        {"{\"images\":[{\"id\":4,\"width\":1e3}]}", "set.json: images[0], id 4: width is not a non-negative integer"},
        {"{\"images\":[{\"id\":4,\"coco_url\":\"\"}]}", "set.json: images[0], id 4: file_name is missing"},
        {"{\"images\":[{\"id\":4,\"coco_url\":1}]}", "set.json: images[0], id 4: coco_url is not a string"},
        {"{\"images\":[{\"id\":4,\"width\":nul}]}", "set.json: line 1, byte 28: a value was expected"},
        {"{\"images\":[{\"id\":4,\"height\":2147483648}]}", "set.json: images[0], id 4: height is too large"},
        {"{\"images\":[{\"id\":4,\"file_name\":\"a.mp4#t=x\"}]}",
            "set.json: images[0], id 4: a.mp4#t=x has no number after '#frame=' or '#t='"},
        {"{\"images\":[{\"id\":4,\"file_name\":\"a\"},{\"id\":4,\"file_name\":\"b\"}]}",
            "set.json: images[1], id 4: id is used by an earlier entry, 'a'"},
        {"{\"images\":[{\"id\":4,\"neg_category_ids\":1}]}",
            "set.json: images[0], id 4: neg_category_ids is not a list"},
        {"{\"images\":[{\"id\":4,\"neg_category_ids\":[1,-1]}]}",
            "set.json: images[0], id 4: neg_category_ids has what is not a non-negative integer"},
        {"{\"images\":[{\"id\":4,\"file_name\":\"a\",\"not_exhaustive_category_ids\":[0,1]}]," CATEGORIES
         ",\"annotations\":[]}",
            "set.json: images[0], id 4: not_exhaustive_category_ids: there is no category 1"},
        {"{\"categories\":[{\"id\":1}]}", "set.json: categories[0], id 1: name is missing"},
        {"{\"categories\":[{\"id\":1,\"name\":\"a\"},{\"id\":1,\"name\":\"b\"}]}",
            "set.json: categories[1], id 1: id is used by an earlier entry, 'a'"},
        {"{\"categories\":[{\"id\":1,\"name\":\"a\",\"frequency\":\"x\"}]}",
            "set.json: categories[0], id 1: frequency is none of 'r', 'c', 'f'"},
        {"{\"images\":[{\"id\":4,\"file_name\":\"\\q\"}]}", "set.json: line 1, byte 35: unknown escape in a string"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const gboolean is_entry = strstr(cases[i].message, "images[") || strstr(cases[i].message, "categories[");
        const DinoR1CocoOptions skip = {.skip_bad = !is_entry};
        g_autoptr(GError) error = NULL;

        g_assert_null(load(cases[i].text, &skip, &error));
        assert_format_error(error, cases[i].message);
    }
}

#define ANNOTATION(members) "{" IMAGES "," CATEGORIES ",\"annotations\":[{" members "}]}"
#define IDS                 "\"id\":2,\"image_id\":7,\"category_id\":5,"

static const struct {
    const gchar *text;
    DinoR1CocoBad bad;
    const gchar *message; /* after "set.json: annotations" */
} bad_annotations[] = {
    {"{" IMAGES "," CATEGORIES ",\"annotations\":[[{}]]}", DINOR1_COCO_BAD_FIELD, "[0]: it is not an object"},
    {ANNOTATION(""), DINOR1_COCO_BAD_FIELD, "[0]: id is missing"},
    {ANNOTATION("\"id\":2"), DINOR1_COCO_BAD_FIELD, "[0], id 2: image_id is missing"},
    {ANNOTATION("\"id\":2,\"image_id\":7"), DINOR1_COCO_BAD_FIELD, "[0], id 2: category_id is missing"},
    {ANNOTATION("\"id\":2,\"image_id\":7,\"category_id\":5"), DINOR1_COCO_BAD_FIELD, "[0], id 2: bbox is missing"},
    {ANNOTATION(IDS "\"id\":3,\"bbox\":[0,0,1,1]"), DINOR1_COCO_BAD_FIELD, "[0], id 3: id is there twice"},
    {ANNOTATION("\"id\":2,\"image_id\":\"7\""), DINOR1_COCO_BAD_FIELD,
        "[0], id 2: image_id is not a non-negative integer"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1]"), DINOR1_COCO_BAD_FIELD, "[0], id 2: bbox is not a list of four numbers"},
    {ANNOTATION(IDS "\"bbox\":[]"), DINOR1_COCO_BAD_FIELD, "[0], id 2: bbox is not a list of four numbers"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1,1,1]"), DINOR1_COCO_BAD_FIELD, "[0], id 2: bbox is not a list of four numbers"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1,\"1\"]"), DINOR1_COCO_BAD_FIELD, "[0], id 2: bbox is not a list of four numbers"},
    {ANNOTATION(IDS "\"bbox\":{\"x\":[]}"), DINOR1_COCO_BAD_FIELD, "[0], id 2: bbox is not a list of four numbers"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1,1],\"area\":null"), DINOR1_COCO_BAD_FIELD, "[0], id 2: area is not a number"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1,1],\"iscrowd\":\"0\""), DINOR1_COCO_BAD_FIELD,
        "[0], id 2: iscrowd is neither 0 nor 1"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1,1]},{" IDS "\"bbox\":[0,0,1,1]"), DINOR1_COCO_BAD_DUPLICATE,
        "[1], id 2: the id is used twice (image 7)"},
    {ANNOTATION("\"id\":2,\"image_id\":99,\"category_id\":5,\"bbox\":[0,0,1,1]"), DINOR1_COCO_BAD_IMAGE,
        "[0], id 2: there is no image 99"},
    {ANNOTATION("\"id\":2,\"image_id\":7,\"category_id\":6,\"bbox\":[0,0,1,1]"), DINOR1_COCO_BAD_CATEGORY,
        "[0], id 2: there is no category 6"},
    {ANNOTATION(IDS "\"bbox\":[0,0,NaN,1]"), DINOR1_COCO_BAD_NOT_FINITE, "[0], id 2: bbox is not finite"},
    {ANNOTATION(IDS "\"bbox\":[-Infinity,0,1,1]"), DINOR1_COCO_BAD_NOT_FINITE, "[0], id 2: bbox is not finite"},
    {ANNOTATION(IDS "\"bbox\":[0,1e999,1,1]"), DINOR1_COCO_BAD_NOT_FINITE, "[0], id 2: bbox is not finite"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1,1],\"area\":Infinity"), DINOR1_COCO_BAD_NOT_FINITE,
        "[0], id 2: area is not finite"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1e200,1e200]"), DINOR1_COCO_BAD_NOT_FINITE,
        "[0], id 2: NaN or infinite: bbox [0, 0, 1e+200, 1e+200] of image 7"},
    {ANNOTATION(IDS "\"bbox\":[0,0,0,1]"), DINOR1_COCO_BAD_SIZE,
        "[0], id 2: no or negative size: bbox [0, 0, 0, 1] of image 7"},
    {ANNOTATION(IDS "\"bbox\":[9,0,5,-1]"), DINOR1_COCO_BAD_SIZE,
        "[0], id 2: no or negative size: bbox [9, 0, 5, -1] of image 7"},
    {ANNOTATION(IDS "\"bbox\":[0,0,1,1],\"area\":-1"), DINOR1_COCO_BAD_SIZE, "[0], id 2: area is negative: -1"},
    {ANNOTATION(IDS "\"bbox\":[100,0,1,1]"), DINOR1_COCO_BAD_OUTSIDE,
        "[0], id 2: outside the image: bbox [100, 0, 1, 1] of image 7"},
    {ANNOTATION(IDS "\"bbox\":[0,50.5,1,1]"), DINOR1_COCO_BAD_OUTSIDE,
        "[0], id 2: outside the image: bbox [0, 50.5, 1, 1] of image 7"},
    {ANNOTATION(IDS "\"bbox\":[-1,0,1,1]"), DINOR1_COCO_BAD_OUTSIDE,
        "[0], id 2: outside the image: bbox [-1, 0, 1, 1] of image 7"},
    {ANNOTATION("\"id\":2,\"image_id\":3,\"category_id\":5,\"bbox\":[0,-1,1,0.5]"), DINOR1_COCO_BAD_OUTSIDE,
        "[0], id 2: outside the image: bbox [0, -1, 1, 0.5] of image 3"},
};

static void
test_bad_annotations(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(bad_annotations); i++) {
        const DinoR1CocoOptions skip = {.skip_bad = TRUE};
        const guint n_good = bad_annotations[i].bad == DINOR1_COCO_BAD_DUPLICATE ? 1 : 0;
        g_autofree gchar *message = g_strconcat("set.json: annotations", bad_annotations[i].message, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(DinoR1Coco) coco = load(bad_annotations[i].text, &skip, NULL);

        g_assert_null(load(bad_annotations[i].text, NULL, &error));
        assert_format_error(error, message);
        g_assert_cmpuint(dinor1_coco_get_n_annotations(coco), ==, n_good);
        for (guint bad = 0; bad < DINOR1_COCO_N_BAD; bad++)
            g_assert_cmpuint(dinor1_coco_get_n_bad(coco, bad), ==, bad == bad_annotations[i].bad ? 1 : 0);
    }
}

static void
test_skip_lists(void)
{
    const DinoR1CocoOptions skip = {.skip_bad = TRUE};
    g_autoptr(DinoR1Coco) coco = load("{\"images\":[{\"id\":4,\"file_name\":\"a\",\"neg_category_ids\":[1,0],\"not_"
                                      "exhaustive_category_ids\":[9,5,9]}]," CATEGORIES ",\"annotations\":[]}",
        &skip, NULL);
    const DinoR1CocoImage *image = dinor1_coco_get_image(coco, 0);

    g_assert_cmpuint(image->n_negative, ==, 1);
    g_assert_cmpuint(image->negative[0], ==, 1);
    g_assert_cmpuint(image->n_not_exhaustive, ==, 1);
    g_assert_cmpuint(image->not_exhaustive[0], ==, 0);
    g_assert_cmpuint(dinor1_coco_get_n_bad(coco, DINOR1_COCO_BAD_CATEGORY), ==, 3);
}

/* An entry that is broken goes with its annotations; of two with one id the first stays if both say the same. */
static void
test_skip_entries(void)
{
    static const gchar text[] =
        "{\"images\":[{\"id\":1,\"file_name\":\"a\",\"neg_category_ids\":[10],"
        "\"not_exhaustive_category_ids\":[20]},7,{\"id\":2,\"file_name\":\"b\",\"width\":[{\"id\":8}]},"
        "{\"id\":3,\"file_name\":\"c\"},{\"id\":3,\"file_name\":\"other\"},{\"id\":4,\"file_name\":\"d\","
        "\"neg_category_ids\":[20,40],\"not_exhaustive_category_ids\":[]},{\"id\":4,\"file_name\":\"d\"}],"
        "\"categories\":[{\"id\":10,\"name\":\"x\"},{\"id\":10,\"name\":\"y\"},{\"id\":20,\"name\":\"z\"},"
        "{\"id\":30,\"name\":\"\"}],\"annotations\":["
        "{\"id\":1,\"image_id\":1,\"category_id\":20,\"bbox\":[1,1,1,1]},"
        "{\"id\":2,\"image_id\":1,\"category_id\":10,\"bbox\":[1,1,1,1]},"
        "{\"id\":3,\"image_id\":1,\"category_id\":30,\"bbox\":[1,1,1,1]},"
        "{\"id\":4,\"image_id\":2,\"category_id\":20,\"bbox\":[1,1,1,1]},"
        "{\"id\":5,\"image_id\":3,\"category_id\":20,\"bbox\":[1,1,1,1]},"
        "{\"id\":6,\"image_id\":4,\"category_id\":20,\"bbox\":[2,2,2,2]}]}";
    static const gchar *const expected[] = {
        "set.json: images[1]: it is not an object",
        "set.json: images[2], id 2: width is not a non-negative integer",
        "set.json: images[4], id 3: id is used by an earlier entry, 'c'",
        "set.json: images[6], id 4: id is used by an earlier entry, 'd'",
        "set.json: categories[1], id 10: id is used by an earlier entry, 'x'",
        "set.json: categories[3], id 30: name is empty",
        "set.json: images[0], id 1: neg_category_ids: there is no category 10",
        "set.json: images[5], id 4: neg_category_ids: there is no category 40",
        "set.json: annotations[1], id 2: there is no category 10",
        "set.json: annotations[2], id 3: there is no category 30",
        "set.json: annotations[3], id 4: there is no image 2",
        "set.json: annotations[4], id 5: there is no image 3",
    };
    const DinoR1CocoOptions skip = {.skip_bad = TRUE};
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Coco) coco = load(text, &skip, &error);
    const gchar *const *reasons;
    const DinoR1CocoAnnotation *box;
    guint n;

    g_assert_no_error(error);
    g_assert_cmpuint(dinor1_coco_get_n_images(coco), ==, 2);
    g_assert_cmpint(dinor1_coco_get_image(coco, 0)->id, ==, 1);
    g_assert_cmpstr(dinor1_coco_get_image(coco, 1)->file_name, ==, "d");
    g_assert_cmpuint(dinor1_coco_get_image(coco, 1)->n_negative, ==, 1);
    g_assert_cmpuint(dinor1_coco_get_n_categories(coco), ==, 1);
    g_assert_cmpstr(dinor1_coco_get_category(coco, 0)->name, ==, "z");
    g_assert_cmpuint(dinor1_coco_get_n_annotations(coco), ==, 2);
    g_assert_cmpint(dinor1_coco_get_annotations(coco, 0, &n)->id, ==, 1);
    box = dinor1_coco_get_annotations(coco, 1, &n);
    g_assert_cmpint(box->id, ==, 6);
    g_assert_cmpuint(n, ==, 1);
    g_assert_cmpuint(dinor1_coco_get_n_bad(coco, DINOR1_COCO_BAD_IMAGE_ENTRY), ==, 5);
    g_assert_cmpuint(dinor1_coco_get_n_bad(coco, DINOR1_COCO_BAD_CATEGORY_ENTRY), ==, 3);
    g_assert_cmpuint(dinor1_coco_get_n_bad(coco, DINOR1_COCO_BAD_CATEGORY), ==, 4);
    g_assert_cmpuint(dinor1_coco_get_n_bad(coco, DINOR1_COCO_BAD_IMAGE), ==, 2);
    reasons = dinor1_coco_get_reasons(coco, &n);
    g_assert_cmpuint(n, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < n; i++)
        g_assert_cmpstr(reasons[i], ==, expected[i]);
}

static void
test_many_boxes(void)
{
    const guint n = 100000;
    const DinoR1CocoOptions strict = {.max_boxes = n - 1}, skip = {.max_boxes = 300, .skip_bad = TRUE};
    g_autoptr(GString) text = g_string_new("{" IMAGES "," CATEGORIES ",\"annotations\":[");
    g_autoptr(DinoR1Coco) all = NULL, some = NULL;
    g_autoptr(GError) error = NULL;
    guint n_reasons;

    for (guint i = 0; i < n; i++)
        g_string_append_printf(
            text, "%s{\"id\":%u,\"image_id\":3,\"category_id\":5,\"bbox\":[%u,1,2,2]}", i > 0 ? "," : "", i, i % 900);
    g_string_append(text, "]}");
    all = load_good(text->str);
    some = load(text->str, &skip, NULL);
    g_assert_cmpuint(dinor1_coco_get_n_annotations(all), ==, n);
    g_assert_cmpuint(dinor1_coco_get_n_annotations(some), ==, 300);
    g_assert_cmpuint(dinor1_coco_get_n_bad(some, DINOR1_COCO_BAD_TOO_MANY), ==, n - 300);
    g_assert_cmpstr(dinor1_coco_get_reasons(some, &n_reasons)[0], ==,
        "set.json: annotations[300], id 300: image 3 has more than 300 boxes");
    g_assert_cmpuint(n_reasons, ==, 10000);
    g_assert_null(load(text->str, &strict, &error));
    assert_format_error(error, "set.json: annotations[99999], id 99999: image 3 has more than 99999 boxes");
}

static void
test_find(void)
{
    g_autoptr(DinoR1Coco) coco = dinor1_coco_new();
    guint position = 77;

    dinor1_coco_add_image(coco, "day/a.jpg", 1, 1);
    dinor1_coco_add_image(coco, "night/a.jpg", 1, 1);
    dinor1_coco_add_image(coco, "night/b.jpg", 1, 1);
    dinor1_coco_add_image(coco, "clips/c.mp4#frame=25", 1, 1);
    dinor1_coco_add_image(coco, "c.jpg", 1, 1);
    dinor1_coco_add_image(coco, "day/c.jpg", 1, 1);
    dinor1_coco_add_category(coco, "x");
    dinor1_coco_add_category(coco, "x");

    g_assert_true(dinor1_coco_find_file(coco, "night/a.jpg", -1, &position) && position == 1);
    g_assert_false(dinor1_coco_find_file(coco, "other/a.jpg", -1, &position));
    g_assert_true(dinor1_coco_find_file(coco, "data/b.jpg", -1, &position) && position == 2);
    g_assert_true(dinor1_coco_find_file(coco, "clips/c.mp4", 25, &position) && position == 3);
    g_assert_true(dinor1_coco_find_file(coco, "c.mp4", 25, &position) && position == 3);
    g_assert_true(dinor1_coco_find_file(coco, "data/c.jpg", -1, &position) && position == 4);
    g_assert_true(dinor1_coco_find_file(coco, "day/c.jpg", -1, &position) && position == 5);
    g_assert_false(dinor1_coco_find_file(coco, "c.mp4", 26, &position));
    g_assert_false(dinor1_coco_find_file(coco, "c.mp4", -1, &position));
    g_assert_cmpuint(position, ==, 5);
    g_assert_true(dinor1_coco_find_category_name(coco, "x", &position) && position == 0);
    g_assert_false(dinor1_coco_find_category_name(coco, "y", &position));
    g_assert_true(dinor1_coco_find_category(coco, 2, &position) && position == 1);
    g_assert_false(dinor1_coco_find_category(coco, 3, &position));
    g_assert_true(dinor1_coco_find_image(coco, 6, &position) && position == 5);
    g_assert_false(dinor1_coco_find_image(coco, 0, &position));
}

static void
test_split(void)
{
    static const struct {
        const gchar *name, *path;
        gint64 frame, time;
    } cases[] = {
        {"a/b.jpg", "a/b.jpg", -1, -1},
        {"clip.mp4#frame=120", "clip.mp4", 120, -1},
        {"clip.mp4#frame=0", "clip.mp4", 0, -1},
        {"clip.mp4#t=1.5", "clip.mp4", -1, 1500000000},
        {"clip.mp4#t=0", "clip.mp4", -1, 0},
        {"take#2.mp4", "take#2.mp4", -1, -1},
        {"take#2.mp4#frame=3", "take#2.mp4", 3, -1},
    };
    static const gchar *const wrong[] = {"a#frame=", "a#frame=-1", "a#frame=1.5", "a#frame=99999999999999999999",
        "a#frame=1x", "a#t=", "a#t=-1", "a#t=nan", "a#t=1,5", "a#t=1e9", "a#t= 1"};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree gchar *path = NULL;
        gint64 frame, time;

        g_assert_true(dinor1_coco_split_file_name(cases[i].name, &path, &frame, &time, NULL));
        g_assert_cmpstr(path, ==, cases[i].path);
        g_assert_cmpint(frame, ==, cases[i].frame);
        g_assert_cmpint(time, ==, cases[i].time);
    }
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        gchar *path = NULL;
        gint64 frame = 5, time = 5;
        g_autoptr(GError) error = NULL;

        g_assert_false(dinor1_coco_split_file_name(wrong[i], &path, &frame, &time, &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
        g_assert_true(!path && frame == 5 && time == 5);
    }
}

static void
test_add(void)
{
    const DinoR1CocoBox good = {90, 40, 20, 20}, outside = {100, 0, 1, 1}, flat = {0, 0, 1, 0}, wrong = {0, NAN, 1, 1};
    g_autoptr(DinoR1Coco) coco = dinor1_coco_new();
    g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_new(coco);
    const DinoR1CocoResult bad_results[] = {
        {1, 0, good, 1}, {0, 1, good, 1}, {0, 0, wrong, 1}, {0, 0, good, NAN}, {0, 0, {0, 0, -1, 1}, 1}};
    const struct {
        guint category;
        DinoR1CocoBox box;
    } bad[] = {{1, good}, {0, outside}, {0, flat}, {0, wrong}};

    g_assert_false(dinor1_coco_add_annotation(coco, 0, &good, NULL));
    g_assert_cmpuint(dinor1_coco_add_category(coco, "a"), ==, 0);
    g_assert_cmpuint(dinor1_coco_add_image(coco, "a.png", 100, 50), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(dinor1_coco_add_annotation(coco, bad[i].category, &bad[i].box, &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    }
    g_assert_true(dinor1_coco_add_annotation(coco, 0, &good, NULL));
    g_assert_cmpuint(dinor1_coco_get_n_annotations(coco), ==, 1);
    for (guint i = 0; i < G_N_ELEMENTS(bad_results); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(dinor1_coco_results_add(results, &bad_results[i], &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    }
}

static DinoR1CocoResults *
load_results(DinoR1Coco *coco, const gchar *text, gboolean skip_bad, GError **error)
{
    const DinoR1CocoOptions options = {.skip_bad = skip_bad};

    return dinor1_coco_results_load_memory(coco, "results.json", text, strlen(text), &options, error);
}

static void
test_results(void)
{
    g_autoptr(DinoR1Coco) coco = load_good("{" IMAGES "," CATEGORIES ",\"annotations\":[]}");
    g_autoptr(DinoR1CocoResults) none = load_results(coco, "[]", FALSE, NULL);
    g_autoptr(DinoR1CocoResults) results = load_results(coco,
        "[{\"score\":0.25,\"bbox\":[-5,1.5,0,900],\"category_id\":0,\"image_id\":3,\"segmentation\":{}},\n"
        "{\"image_id\":7,\"category_id\":5,\"bbox\":[1,2,3,4],\"score\":-1e-3,\"id\":\"x7\"}]",
        FALSE, NULL);
    const DinoR1CocoResult *list;
    guint n;

    dinor1_coco_results_get(none, &n);
    g_assert_cmpuint(n, ==, 0);
    list = dinor1_coco_results_get(results, &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpuint(list[0].image, ==, 1);
    g_assert_cmpuint(list[0].category, ==, 1);
    g_assert_cmpfloat(list[0].box.height, ==, 900);
    g_assert_cmpfloat(list[0].score, ==, 0.25);
    g_assert_cmpfloat(list[1].score, ==, -1e-3);
    g_assert_true(dinor1_coco_results_get_coco(results) == coco);
}

static void
test_bad_results(void)
{
    static const struct {
        const gchar *entry;
        DinoR1CocoBad bad;
        const gchar *message; /* after "results.json: results[1]: " */
    } cases[] = {
        {"null", DINOR1_COCO_BAD_FIELD, "it is not an object"},
        {"{\"image_id\":3,\"category_id\":0,\"bbox\":[0,0,1,1]}", DINOR1_COCO_BAD_FIELD, "score is missing"},
        {"{\"image_id\":3,\"category_id\":0,\"bbox\":[0,0,1,1],\"score\":true}", DINOR1_COCO_BAD_FIELD,
            "score is not a number"},
        {"{\"image_id\":3,\"category_id\":0,\"score\":1}", DINOR1_COCO_BAD_FIELD, "bbox is missing"},
        {"{\"image_id\":4,\"category_id\":0,\"bbox\":[0,0,1,1],\"score\":1}", DINOR1_COCO_BAD_IMAGE,
            "there is no image 4"},
        {"{\"image_id\":3,\"category_id\":1,\"bbox\":[0,0,1,1],\"score\":1}", DINOR1_COCO_BAD_CATEGORY,
            "there is no category 1"},
        {"{\"image_id\":3,\"category_id\":0,\"bbox\":[0,0,1,1],\"score\":NaN}", DINOR1_COCO_BAD_NOT_FINITE,
            "score is not finite"},
        {"{\"image_id\":3,\"category_id\":0,\"bbox\":[0,0,1,-1],\"score\":1}", DINOR1_COCO_BAD_SIZE,
            "no or negative size: bbox [0, 0, 1, -1] of image 3"},
    };
    static const gchar *const broken[] = {"{}", "[", "[1", "7", "[] []", "[{\"image_id\":}]"};
    const gchar *good = "{\"image_id\":3,\"category_id\":0,\"bbox\":[0,0,1,1],\"score\":1}";
    g_autoptr(DinoR1Coco) coco = load_good("{" IMAGES "," CATEGORIES ",\"annotations\":[]}");

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree gchar *text = g_strdup_printf("[%s,%s,%s]", good, cases[i].entry, good);
        g_autofree gchar *message = g_strconcat("results.json: results[1]: ", cases[i].message, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(DinoR1CocoResults) results = load_results(coco, text, TRUE, NULL);
        guint n;

        g_assert_null(load_results(coco, text, FALSE, &error));
        assert_format_error(error, message);
        dinor1_coco_results_get(results, &n);
        g_assert_cmpuint(n, ==, 2);
        g_assert_cmpuint(dinor1_coco_results_get_n_bad(results, cases[i].bad), ==, 1);
    }
    for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(load_results(coco, broken[i], TRUE, &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    }
}

static gchar *
temporary_path(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *folder = g_dir_make_tmp("dinor1-coco-XXXXXX", &error);

    g_assert_no_error(error);
    return g_build_filename(folder, "file.json", NULL);
}

static void
remove_path(const gchar *path)
{
    g_autofree gchar *folder = g_path_get_dirname(path);

    g_unlink(path);
    g_assert_cmpint(g_rmdir(folder), ==, 0); /* nothing else is left there */
}

static void
assert_same_boxes(const DinoR1CocoBox *a, const DinoR1CocoBox *b)
{
    g_assert_cmpmem(a, sizeof *a, b, sizeof *b);
}

static void
assert_same_set(const DinoR1Coco *a, const DinoR1Coco *b)
{
    g_assert_cmpuint(dinor1_coco_get_n_images(a), ==, dinor1_coco_get_n_images(b));
    g_assert_cmpuint(dinor1_coco_get_n_categories(a), ==, dinor1_coco_get_n_categories(b));
    for (guint i = 0; i < dinor1_coco_get_n_categories(a); i++) {
        const DinoR1CocoCategory *first = dinor1_coco_get_category(a, i), *second = dinor1_coco_get_category(b, i);

        g_assert_true(first->id == second->id && first->frequency == second->frequency);
        g_assert_cmpstr(first->name, ==, second->name);
    }
    for (guint i = 0; i < dinor1_coco_get_n_images(a); i++) {
        const DinoR1CocoImage *first = dinor1_coco_get_image(a, i), *second = dinor1_coco_get_image(b, i);
        guint n, n_second;
        const DinoR1CocoAnnotation *boxes = dinor1_coco_get_annotations(a, i, &n);
        const DinoR1CocoAnnotation *second_boxes = dinor1_coco_get_annotations(b, i, &n_second);

        g_assert_true(first->id == second->id && first->width == second->width && first->height == second->height);
        g_assert_cmpstr(first->file_name, ==, second->file_name);
        g_assert_cmpint(first->federated, ==, second->federated);
        g_assert_cmpmem(
            first->negative, first->n_negative * sizeof(guint), second->negative, second->n_negative * sizeof(guint));
        g_assert_cmpmem(first->not_exhaustive, first->n_not_exhaustive * sizeof(guint), second->not_exhaustive,
            second->n_not_exhaustive * sizeof(guint));
        g_assert_cmpuint(n, ==, n_second);
        for (guint k = 0; k < n; k++) {
            g_assert_true(boxes[k].id == second_boxes[k].id && boxes[k].category == second_boxes[k].category &&
                          boxes[k].area == second_boxes[k].area && boxes[k].crowd == second_boxes[k].crowd &&
                          boxes[k].ignore == second_boxes[k].ignore);
            assert_same_boxes(&boxes[k].box, &second_boxes[k].box);
        }
    }
}

#define FULL_SET                                                                                                       \
    "{\"images\":[{\"id\":7,\"file_name\":\"t\\u00e4st \\\"1\\\".jpg\",\"width\":100,\"height\":50,"                   \
    "\"neg_category_ids\":[5,0],\"not_exhaustive_category_ids\":[0]},{\"id\":3,\"file_name\":\"b.mp4#frame=1\"}],"     \
    "\"categories\":[{\"id\":5,\"name\":\"cat\",\"frequency\":\"c\"},{\"id\":0,\"name\":\"dog\"}],"                    \
    "\"annotations\":[{\"id\":2,\"image_id\":3,\"category_id\":0,\"bbox\":[0.1,2.3333333333333335,1e-7,12345678.9],"   \
    "\"iscrowd\":1},{\"id\":1,\"image_id\":7,\"category_id\":5,\"bbox\":[1,2,3,4],\"area\":0,\"ignore\":1}]}"

static void
check_round_trip(void)
{
    g_autofree gchar *path = temporary_path();
    g_autoptr(DinoR1Coco) coco = load_good(FULL_SET), again = NULL;
    g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_new(coco), same = NULL;
    const DinoR1CocoResult first = {1, 0, {0.1f, 1.0 / 3, 0, 1e12}, 0.7f}, second = {0, 1, {1, 2, 3.25, 4}, 1};
    const DinoR1CocoResult *list;
    g_autoptr(GError) error = NULL;
    guint n;

    dinor1_coco_write_annotations(coco, path, &error);
    g_assert_no_error(error);
    again = dinor1_coco_load(path, NULL, &error);
    g_assert_no_error(error);
    assert_same_set(coco, again);

    dinor1_coco_results_add(results, &first, &error);
    dinor1_coco_results_add(results, &second, &error);
    dinor1_coco_write_results(results, path, &error);
    g_assert_no_error(error);
    same = dinor1_coco_results_load(coco, path, NULL, &error);
    g_assert_no_error(error);
    list = dinor1_coco_results_get(same, &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_true(list[0].image == 1 && list[0].category == 0 && list[0].score == first.score);
    g_assert_true(list[1].image == 0 && list[1].category == 1 && list[1].score == second.score);
    assert_same_boxes(&list[0].box, &first.box);
    assert_same_boxes(&list[1].box, &second.box);
    remove_path(path);
}

static void
test_round_trip(void)
{
    check_round_trip();
}

/* A locale with a decimal comma, if the machine has one. */
static void
test_locale(void)
{
    static const gchar *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    guint i = 0;

    while (i < G_N_ELEMENTS(locales) && !setlocale(LC_NUMERIC, locales[i]))
        i++;
    if (i == G_N_ELEMENTS(locales)) {
        g_test_skip("no locale with a decimal comma");
        return;
    }
    check_round_trip();
    setlocale(LC_NUMERIC, "C");
}

static void
test_written_text(void)
{
    g_autofree gchar *path = temporary_path(), *text = NULL;
    g_autoptr(DinoR1Coco) coco = dinor1_coco_new();
    const DinoR1CocoBox box = {1.5, 2, 30, 4.25};

    dinor1_coco_add_category(coco, "a \"b\"");
    dinor1_coco_add_image(coco, "clip.mp4#frame=3", 640, 480);
    g_assert_true(dinor1_coco_add_annotation(coco, 0, &box, NULL));
    g_assert_true(dinor1_coco_write_annotations(coco, path, NULL));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==,
        "{\"images\":[\n{\"id\":1,\"file_name\":\"clip.mp4#frame=3\",\"width\":640,\"height\":480}],\n"
        "\"categories\":[\n{\"id\":1,\"name\":\"a \\\"b\\\"\"}],\n"
        "\"annotations\":[\n{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[1.5,2,30,4.25],\"area\":127.5,"
        "\"iscrowd\":0,\"segmentation\":[]}]}\n");
    remove_path(path);
}

static void
test_files(void)
{
    g_autofree gchar *path = temporary_path(), *below = g_build_filename(path, "x.json", NULL);
    g_autoptr(DinoR1Coco) coco = dinor1_coco_new();
    g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_new(coco);
    g_autoptr(GError) error = NULL;

    g_assert_null(dinor1_coco_load(path, NULL, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    g_assert_nonnull(strstr(error->message, path));
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_null(dinor1_coco_load(path, NULL, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    g_clear_error(&error);
    g_assert_null(dinor1_coco_results_load(coco, path, NULL, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    g_clear_error(&error);
    g_assert_false(dinor1_coco_write_annotations(coco, below, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    g_clear_error(&error);
    g_assert_false(dinor1_coco_write_results(results, below, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    remove_path(path);
}

static void
test_words(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint bad = 0; bad <= DINOR1_COCO_N_BAD; bad++)
        g_assert_true(g_hash_table_add(seen, (gpointer)dinor1_coco_bad_to_string(bad)));
    g_assert_nonnull(dinor1_coco_bad_to_string(1000));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/coco/load", test_load);
    g_test_add_func("/coco/no-annotations", test_no_annotations);
    g_test_add_func("/coco/lvis", test_lvis);
    g_test_add_func("/coco/no-size", test_no_size);
    g_test_add_func("/coco/broken", test_broken);
    g_test_add_func("/coco/bad-annotations", test_bad_annotations);
    g_test_add_func("/coco/skip-lists", test_skip_lists);
    g_test_add_func("/coco/skip-entries", test_skip_entries);
    g_test_add_func("/coco/many-boxes", test_many_boxes);
    g_test_add_func("/coco/find", test_find);
    g_test_add_func("/coco/split", test_split);
    g_test_add_func("/coco/add", test_add);
    g_test_add_func("/coco/results", test_results);
    g_test_add_func("/coco/bad-results", test_bad_results);
    g_test_add_func("/coco/round-trip", test_round_trip);
    g_test_add_func("/coco/locale", test_locale);
    g_test_add_func("/coco/written-text", test_written_text);
    g_test_add_func("/coco/files", test_files);
    g_test_add_func("/coco/words", test_words);
    return g_test_run();
}
