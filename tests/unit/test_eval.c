/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dinor1/error.h>
#include <dinor1/eval.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#define TOLERANCE 1e-9 /* of figures from 0 to 1 in double */

static gchar *
golden_path(const gchar *name)
{
    return g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "eval", name, NULL);
}

static JsonParser *
load_expected(void)
{
    g_autofree gchar *path = golden_path("expected.json");
    g_autoptr(GError) error = NULL;
    JsonParser *parser = json_parser_new();

    json_parser_load_from_file(parser, path, &error);
    g_assert_no_error(error);
    return parser;
}

static DinoR1Coco *
load_truth(const gchar *path)
{
    g_autoptr(GError) error = NULL;
    DinoR1Coco *coco = dinor1_coco_load(path, NULL, &error);

    g_assert_no_error(error);
    return coco;
}

static void
assert_close(const gchar *what, gdouble value, gdouble expected)
{
    if (!(fabs(value - expected) <= TOLERANCE))
        g_error("%s is %.12f, not %.12f", what, value, expected);
}

static void
check_figures(const DinoR1Eval *eval, JsonObject *expected)
{
    g_autoptr(GList) names = json_object_get_members(expected);
    const DinoR1EvalFigure *figures;
    guint n, i = 0;

    figures = dinor1_eval_get_figures(eval, &n);
    g_assert_cmpuint(n, ==, g_list_length(names));
    for (GList *name = names; name; name = name->next, i++) {
        const gdouble value = json_object_get_double_member(expected, name->data);

        g_assert_cmpstr(figures[i].name, ==, name->data);
        assert_close(name->data, figures[i].value, value);
        g_assert_cmpfloat(dinor1_eval_get_figure(eval, name->data), ==, figures[i].value);
    }
}

/* Every tenth point of the curve at IoU 0.75. */
static void
check_curve(const gchar *what, const gdouble *curve, JsonArray *expected)
{
    for (guint i = 0; i < json_array_get_length(expected); i++)
        assert_close(what, curve[10 * i], json_array_get_double_element(expected, i));
}

static void
check_classes(const DinoR1Eval *eval, const DinoR1Coco *coco, JsonObject *expected)
{
    g_assert_cmpuint(json_object_get_size(expected), ==, dinor1_coco_get_n_categories(coco));
    for (guint i = 0; i < dinor1_coco_get_n_categories(coco); i++) {
        g_autofree gchar *id = g_strdup_printf("%" G_GINT64_FORMAT, dinor1_coco_get_category(coco, i)->id);
        JsonObject *object = json_object_get_object_member(expected, id);
        const gdouble *scores, *precision = dinor1_eval_get_precision(eval, i, 5, &scores);

        assert_close("a class's AP", dinor1_eval_get_class(eval, i)->ap, json_object_get_double_member(object, "AP"));
        assert_close(
            "a class's AP50", dinor1_eval_get_class(eval, i)->ap50, json_object_get_double_member(object, "AP50"));
        g_assert_true((precision != NULL) == json_object_has_member(object, "precision75"));
        g_assert_true((precision != NULL) == (dinor1_eval_get_class(eval, i)->n_boxes > 0));
        if (precision)
            check_curve("precision", precision, json_object_get_array_member(object, "precision75"));
        if (precision && json_object_has_member(object, "scores75"))
            check_curve("score", scores, json_object_get_array_member(object, "scores75"));
    }
}

static void
test_golden(gconstpointer user_data)
{
    const gchar *name = user_data;
    g_autoptr(JsonParser) parser = load_expected();
    JsonObject *root = json_node_get_object(json_parser_get_root(parser));
    JsonObject *expected = json_object_get_object_member(root, name);
    const gboolean lvis = g_str_equal(json_object_get_string_member(expected, "rule"), "lvis");
    g_autofree gchar *truth_file = g_strconcat(name, ".truth.json", NULL);
    g_autofree gchar *results_file = g_strconcat(name, ".results.json", NULL);
    g_autofree gchar *truth_path = golden_path(truth_file), *results_path = golden_path(results_file);
    g_autoptr(DinoR1Coco) coco = load_truth(truth_path);
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_load(coco, results_path, NULL, &error);
    g_autoptr(DinoR1Eval) eval = NULL;

    g_assert_no_error(error);
    eval = dinor1_eval_new(results, lvis ? DINOR1_EVAL_LVIS : DINOR1_EVAL_COCO, NULL, &error);
    g_assert_no_error(error);
    check_figures(eval, json_object_get_object_member(expected, "figures"));
    check_classes(eval, coco, json_object_get_object_member(expected, "classes"));
}

static guint
draw(guint32 *state, guint n)
{
    *state = (*state * 1103515245u + 12345u) & 0x7fffffff;
    return (*state >> 16) % n;
}

static void
add(DinoR1CocoResults *results, const DinoR1CocoResult *result)
{
    g_autoptr(GError) error = NULL;

    dinor1_coco_results_add(results, result, &error);
    g_assert_no_error(error);
}

/* As perturb() of generate_eval.py. */
static void
add_perturbed(DinoR1CocoResults *results, const DinoR1CocoAnnotation *annotation, guint32 *state)
{
    const DinoR1CocoBox box = annotation->box;
    gdouble moves[4];
    DinoR1CocoResult result = {.image = annotation->image, .category = annotation->category};

    for (guint i = 0; i < 4; i++)
        moves[i] = (gdouble)draw(state, 25) - 12;
    result.box = (DinoR1CocoBox){box.x + box.width * moves[0] / 100, box.y + box.height * moves[1] / 100,
        box.width * (100 + moves[2]) / 100, box.height * (100 + moves[3]) / 100};
    result.score = draw(state, 200) / 200.0;
    if (draw(state, 7) > 0)
        add(results, &result);
    if (draw(state, 5) == 0) {
        result.box = (DinoR1CocoBox){box.y, box.x, box.height, box.width};
        result.score = draw(state, 200) / 200.0;
        add(results, &result);
    }
}

/* The BCCD blood cell images (https://github.com/Shenggan/BCCD_Dataset) split as in ODinW, where they are at hand. */
static void
test_real_set(void)
{
    static const struct {
        const gchar *name;
        guint n;
        gdouble figures[12];
    } sets[] = {
        {"test.json", 945,
            {0.356912194, 0.734162873, 0.242036800, 0.340228666, 0.350235994, 0.372193294, 0.235972550, 0.433271513,
                0.473354329, 0.442857143, 0.482401569, 0.448427518}},
        {"train.json", 2804,
            {0.346224633, 0.723760215, 0.217736644, 0.521077119, 0.353663720, 0.437371183, 0.240449799, 0.446872159,
                0.487891339, 0.570454545, 0.452949232, 0.528042035}},
        {"val.json", 1137,
            {0.337597338, 0.698324334, 0.225085719, 0.256080751, 0.352401120, 0.341112567, 0.236919602, 0.437664352,
                0.476823263, 0.400000000, 0.487810811, 0.479035482}},
    };
    const gchar *folder = g_getenv("DINOR1_TEST_BCCD");

    if (!folder) {
        g_test_skip("DINOR1_TEST_BCCD does not name the folder of the BCCD set");
        return;
    }
    for (guint s = 0; s < G_N_ELEMENTS(sets); s++) {
        g_autofree gchar *path = g_build_filename(folder, sets[s].name, NULL);
        g_autoptr(DinoR1Coco) coco = load_truth(path);
        g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_new(coco);
        g_autoptr(DinoR1Eval) eval = NULL;
        const DinoR1EvalFigure *figures;
        guint32 state = 1;
        guint n;

        g_assert_cmpuint(dinor1_coco_get_n_annotations(coco), ==, sets[s].n);
        for (guint i = 0; i < dinor1_coco_get_n_images(coco); i++) {
            const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(coco, i, &n);

            for (guint a = 0; a < n; a++)
                add_perturbed(results, &annotations[a], &state);
        }
        eval = dinor1_eval_new(results, DINOR1_EVAL_COCO, NULL, NULL);
        figures = dinor1_eval_get_figures(eval, &n);
        g_assert_cmpuint(n, ==, G_N_ELEMENTS(sets[s].figures));
        for (guint i = 0; i < n; i++)
            g_assert_cmpfloat_with_epsilon(figures[i].value, sets[s].figures[i], 1e-8);
    }
}

/* Two images with a box each; the first is found, the second missed. */
static DinoR1CocoResults *
make_two(DinoR1Coco **coco_out)
{
    const DinoR1CocoBox box = {10, 10, 50, 50};
    g_autoptr(DinoR1Coco) coco = dinor1_coco_new();
    DinoR1CocoResults *results = dinor1_coco_results_new(coco);

    dinor1_coco_add_category(coco, "cell");
    for (guint i = 0; i < 2; i++) {
        dinor1_coco_add_image(coco, i == 0 ? "a.png" : "b.png", 100, 100);
        g_assert_true(dinor1_coco_add_annotation(coco, 0, &box, NULL));
    }
    add(results, &(DinoR1CocoResult){0, 0, box, 0.5});
    *coco_out = g_steal_pointer(&coco);
    return results;
}

static void
test_chosen_images(void)
{
    const gboolean first[] = {TRUE, FALSE}, second[] = {FALSE, TRUE}, none[] = {FALSE, FALSE};
    const gboolean *const chosen[] = {NULL, first, second, none};
    const gdouble recall[] = {0.5, 1, 0, -1};
    g_autoptr(DinoR1Coco) coco = NULL;
    g_autoptr(DinoR1CocoResults) results = make_two(&coco);

    for (guint i = 0; i < G_N_ELEMENTS(chosen); i++) {
        g_autoptr(DinoR1Eval) eval = dinor1_eval_new(results, DINOR1_EVAL_COCO, chosen[i], NULL);

        g_assert_cmpfloat(dinor1_eval_get_figure(eval, "AR1"), ==, recall[i]);
        g_assert_cmpfloat(dinor1_eval_get_figure(eval, "APr"), ==, -1);
    }
}

static void
test_mean_curve(void)
{
    g_autoptr(DinoR1Coco) coco = NULL;
    g_autoptr(DinoR1CocoResults) results = make_two(&coco);
    g_autoptr(DinoR1Eval) eval = NULL;
    gdouble mean[DINOR1_EVAL_N_RECALLS];

    dinor1_coco_add_category(coco, "of which there is nothing");
    eval = dinor1_eval_new(results, DINOR1_EVAL_COCO, NULL, NULL);
    g_assert_null(dinor1_eval_get_precision(eval, 1, 0, NULL));
    g_assert_true(dinor1_eval_get_mean_precision(eval, 9, mean));
    for (guint r = 0; r < DINOR1_EVAL_N_RECALLS; r++)
        g_assert_cmpfloat_with_epsilon(mean[r], r <= 50 ? 1 : 0, 1e-12);
    g_assert_cmpuint(dinor1_eval_get_class(eval, 0)->n_boxes, ==, 2);
    g_assert_cmpuint(dinor1_eval_get_class(eval, 0)->n_results, ==, 1);
}

static void
test_nothing(void)
{
    g_autoptr(DinoR1Coco) coco = dinor1_coco_new();
    g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_new(coco);

    for (guint rule = DINOR1_EVAL_COCO; rule <= DINOR1_EVAL_LVIS; rule++) {
        g_autoptr(DinoR1Eval) eval = dinor1_eval_new(results, rule, NULL, NULL);
        gdouble mean[DINOR1_EVAL_N_RECALLS];

        g_assert_cmpfloat(dinor1_eval_get_figure(eval, "AP"), ==, -1);
        g_assert_false(dinor1_eval_get_mean_precision(eval, 0, mean));
    }
}

static void
test_not_lvis(void)
{
    g_autoptr(DinoR1Coco) coco = NULL;
    g_autoptr(DinoR1CocoResults) results = make_two(&coco);
    const gboolean none[] = {FALSE, FALSE};
    g_autoptr(GError) error = NULL;

    g_assert_null(dinor1_eval_new(results, DINOR1_EVAL_LVIS, NULL, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "image 1 has no neg_category_ids"));
    g_clear_error(&error);
    g_assert_null(dinor1_eval_new(results, DINOR1_EVAL_LVIS, none, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "category 1 ('cell') has no frequency"));
}

static void
test_average(void)
{
    const DinoR1EvalSet sets[] = {{"dice", 0.5}, {"without boxes", -1}, {"cells", 0.25}, {"hard", 0}};

    g_assert_cmpfloat(dinor1_eval_average(sets, 4), ==, 0.25);
    g_assert_cmpfloat(dinor1_eval_average(sets + 1, 1), ==, -1);
    g_assert_cmpfloat(dinor1_eval_average(NULL, 0), ==, -1);
}

int
main(int argc, char **argv)
{
    g_autoptr(JsonParser) parser = NULL;
    g_autoptr(GList) cases = NULL;
    JsonObject *root;

    g_test_init(&argc, &argv, NULL);
    parser = load_expected();
    root = json_node_get_object(json_parser_get_root(parser));
    cases = json_object_get_members(root);
    for (GList *name = cases; name; name = name->next) {
        g_autofree gchar *path = g_strconcat("/eval/golden/", name->data, NULL);

        g_test_add_data_func(path, name->data, test_golden);
    }
    g_test_add_func("/eval/real-set", test_real_set);
    g_test_add_func("/eval/chosen-images", test_chosen_images);
    g_test_add_func("/eval/mean-curve", test_mean_curve);
    g_test_add_func("/eval/nothing", test_nothing);
    g_test_add_func("/eval/not-lvis", test_not_lvis);
    g_test_add_func("/eval/average", test_average);
    return g_test_run();
}
