/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/safetensors.h"
#include "prompts/bank_internal.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define HASH_A "aaaaaaaaaaaa0000000000000000000000000000000000000000000000000000"
#define HASH_B "bbbbbbbbbbbb0000000000000000000000000000000000000000000000000000"
#define D      3

static const DinoR1BankFacts facts_a = {HASH_A, D, TRUE}, facts_b = {HASH_B, D, TRUE}, no_text = {HASH_A, D, FALSE};

static const gfloat one[D] = {1, 2, 3}, two[D] = {3, -2, 0.5f};
static const DinoR1ExemplarInfo info_one = {"a \"clip\".mp4", 31, {410, 220.5f, 64, 80.1f}};

static void
assert_error(GError *error, DinoR1Error code, const gchar *reason)
{
    g_assert_error(error, DINOR1_ERROR, (gint)code);
    if (!strstr(error->message, reason))
        g_error("\"%s\" does not contain \"%s\"", error->message, reason);
}

static void
add(DinoR1PromptBank *bank, const gchar *label, const gfloat *embedding, const DinoR1ExemplarInfo *info)
{
    g_autoptr(GError) error = NULL;

    dinor1_prompt_bank_add_exemplar(bank, label, embedding, info, &error);
    g_assert_no_error(error);
}

/* cup: two exemplars; car: text; dog: one exemplar. */
static DinoR1PromptBank *
make_sample(const DinoR1BankFacts *facts)
{
    DinoR1PromptBank *bank = dinor1_prompt_bank_new_from_facts(facts);
    g_autoptr(GError) error = NULL;

    add(bank, "cup", one, &info_one);
    g_assert_true(dinor1_prompt_bank_add_text(bank, "car", "a yellow \xc3\xa4 car", &error));
    add(bank, "dog", two, NULL);
    add(bank, "cup", two, NULL);
    return bank;
}

static void
check_sample(const DinoR1PromptBank *bank)
{
    DinoR1ExemplarInfo info;
    gfloat mean[D];

    g_assert_cmpstr(dinor1_prompt_bank_get_model_hash(bank), ==, HASH_A);
    g_assert_cmpint(dinor1_prompt_bank_get_embedding_size(bank), ==, D);
    g_assert_cmpuint(dinor1_prompt_bank_get_n_classes(bank), ==, 3);
    g_assert_cmpstr(dinor1_prompt_bank_get_label(bank, 0), ==, "cup");
    g_assert_cmpstr(dinor1_prompt_bank_get_label(bank, 1), ==, "car");
    g_assert_cmpstr(dinor1_prompt_bank_get_label(bank, 2), ==, "dog");
    g_assert_null(dinor1_prompt_bank_get_phrase(bank, 0));
    g_assert_cmpstr(dinor1_prompt_bank_get_phrase(bank, 1), ==, "a yellow \xc3\xa4 car");
    g_assert_cmpuint(dinor1_prompt_bank_get_n_exemplars(bank, 0), ==, 2);
    g_assert_cmpuint(dinor1_prompt_bank_get_n_exemplars(bank, 1), ==, 0);
    g_assert_cmpmem(dinor1_prompt_bank_get_exemplar(bank, 0, 0, &info), sizeof one, one, sizeof one);
    g_assert_cmpstr(info.source, ==, info_one.source);
    g_assert_cmpint(info.frame, ==, 31);
    g_assert_cmpmem(&info.box, sizeof info.box, &info_one.box, sizeof info.box);
    g_assert_cmpmem(dinor1_prompt_bank_get_exemplar(bank, 0, 1, &info), sizeof two, two, sizeof two);
    g_assert_null(info.source);
    g_assert_cmpint(info.frame, ==, -1);
    dinor1_prompt_bank_mean(bank, 0, mean);
    g_assert_true(mean[0] == 2 && mean[1] == 0 && mean[2] == 1.75f);
    dinor1_prompt_bank_mean(bank, 2, mean);
    g_assert_cmpmem(mean, sizeof mean, two, sizeof two);
}

static void
test_edit(void)
{
    g_autoptr(DinoR1PromptBank) bank = make_sample(&facts_a);

    check_sample(bank);
    g_assert_false(dinor1_prompt_bank_remove(bank, "cat"));
    g_assert_true(dinor1_prompt_bank_remove(bank, "cup"));
    g_assert_cmpuint(dinor1_prompt_bank_get_n_classes(bank), ==, 2);
    g_assert_cmpstr(dinor1_prompt_bank_get_label(bank, 0), ==, "car");
    dinor1_prompt_bank_clear(bank);
    g_assert_cmpuint(dinor1_prompt_bank_get_n_classes(bank), ==, 0);
    add(bank, "cup", one, NULL);
    g_assert_cmpuint(dinor1_prompt_bank_get_n_classes(bank), ==, 1);
}

static void
test_copy(void)
{
    DinoR1PromptBank *bank = make_sample(&facts_a);
    g_autoptr(DinoR1PromptBank) copy = dinor1_prompt_bank_copy(bank);

    dinor1_prompt_bank_clear(bank);
    dinor1_prompt_bank_unref(dinor1_prompt_bank_ref(bank));
    dinor1_prompt_bank_unref(bank);
    check_sample(copy);
}

static void
test_bad_arguments(void)
{
    g_autoptr(DinoR1PromptBank) bank = make_sample(&facts_a);
    g_autofree gchar *long_label = g_strnfill(DINOR1_PROMPTS_MAX_LABEL + 1, 'x');
    g_autofree gchar *long_phrase = g_strnfill(DINOR1_PROMPTS_MAX_PHRASE + 1, 'x');
    const struct {
        const gchar *label, *phrase, *reason;
    } rows[] = {
        {"", NULL, "the label is empty"},
        {NULL, NULL, "the label is empty"},
        {"a\xff", NULL, "the label is not valid UTF-8"},
        {"a\nb", NULL, "the label contains the control character U+000A"},
        {"a\xc2\x85", NULL, "the label contains the control character U+0085"},
        {long_label, NULL, "is longer than 256 bytes"},
        {"car", NULL, "class 'car' is a text class and takes no exemplars"},
        {"car", "x", "class 'car' exists already"},
        {"cup", "x", "class 'cup' exists already"},
        {"new", "", "the phrase is empty"},
        {"new", "\xff", "the phrase is not valid UTF-8"},
        {"new", long_phrase, "is longer than 4096 bytes"},
        {"", "x", "the label is empty"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        if (rows[i].phrase)
            g_assert_false(dinor1_prompt_bank_add_text(bank, rows[i].label, rows[i].phrase, &error));
        else
            g_assert_false(dinor1_prompt_bank_add_exemplar(bank, rows[i].label, one, NULL, &error));
        assert_error(error, DINOR1_ERROR_ARGUMENT, rows[i].reason);
    }
    check_sample(bank);
}

static void
test_not_finite(void)
{
    g_autoptr(DinoR1PromptBank) bank = make_sample(&facts_a);
    const gfloat bad[] = {NAN, INFINITY, -INFINITY};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        gfloat embedding[D] = {1, 2, bad[i]};
        DinoR1ExemplarInfo info = {NULL, 0, {0, 0, bad[i], 1}};

        g_assert_false(dinor1_prompt_bank_add_exemplar(bank, "x", embedding, NULL, &error));
        assert_error(error, DINOR1_ERROR_ARGUMENT, "embedding of an exemplar of class 'x' is not finite");
        g_clear_error(&error);
        g_assert_false(dinor1_prompt_bank_add_exemplar(bank, "x", one, &info, &error));
        assert_error(error, DINOR1_ERROR_ARGUMENT, "box of an exemplar of class 'x' is not finite");
    }
    check_sample(bank);
}

static void
test_no_text(void)
{
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new_from_facts(&no_text);
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_prompt_bank_add_text(bank, "car", "a car", &error));
    assert_error(error, DINOR1_ERROR_UNSUPPORTED, "class 'car' is a text class, but the model has no text encoder");
}

static void
test_too_many(void)
{
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new_from_facts(&facts_a);
    g_autoptr(DinoR1PromptBank) other = dinor1_prompt_bank_new_from_facts(&facts_a);
    g_autoptr(GError) error = NULL;

    for (gint i = 0; i < DINOR1_PROMPTS_MAX_CLASSES; i++) {
        gchar label[16];
        g_snprintf(label, sizeof label, "c%d", i);
        add(bank, label, one, NULL);
    }
    g_assert_false(dinor1_prompt_bank_add_exemplar(bank, "x", one, NULL, &error));
    assert_error(error, DINOR1_ERROR_ARGUMENT, "at most 4096 classes");
    g_clear_error(&error);
    g_assert_false(dinor1_prompt_bank_add_text(bank, "x", "x", &error));
    assert_error(error, DINOR1_ERROR_ARGUMENT, "at most 4096 classes");
    g_clear_error(&error);
    add(bank, "c0", one, NULL);

    add(other, "c1", one, NULL);
    add(other, "x", one, NULL);
    g_assert_false(dinor1_prompt_bank_merge(bank, other, &error));
    assert_error(error, DINOR1_ERROR_ARGUMENT, "at most 4096 classes");
    g_assert_cmpuint(dinor1_prompt_bank_get_n_exemplars(bank, 1), ==, 1);
    dinor1_prompt_bank_remove(other, "x");
    g_clear_error(&error);
    g_assert_true(dinor1_prompt_bank_merge(bank, other, &error));
    g_assert_cmpuint(dinor1_prompt_bank_get_n_exemplars(bank, 1), ==, 2);
}

static void
test_merge(void)
{
    g_autoptr(DinoR1PromptBank) bank = make_sample(&facts_a);
    g_autoptr(DinoR1PromptBank) other = dinor1_prompt_bank_new_from_facts(&facts_a);
    g_autoptr(GError) error = NULL;

    add(other, "cat", one, NULL);
    add(other, "dog", one, &info_one);
    g_assert_true(dinor1_prompt_bank_add_text(other, "car", "a yellow \xc3\xa4 car", NULL));
    g_assert_true(dinor1_prompt_bank_merge(bank, other, &error));
    g_assert_true(dinor1_prompt_bank_merge(bank, bank, &error));
    g_assert_cmpuint(dinor1_prompt_bank_get_n_classes(bank), ==, 4);
    g_assert_cmpstr(dinor1_prompt_bank_get_label(bank, 3), ==, "cat");
    g_assert_cmpuint(dinor1_prompt_bank_get_n_exemplars(bank, 2), ==, 2);
    g_assert_cmpmem(dinor1_prompt_bank_get_exemplar(bank, 2, 1, NULL), sizeof one, one, sizeof one);
    g_assert_cmpuint(dinor1_prompt_bank_get_n_exemplars(bank, 0), ==, 2);
}

static void
test_merge_fails(void)
{
    g_autoptr(DinoR1PromptBank) bank = make_sample(&facts_a);
    g_autoptr(DinoR1PromptBank) foreign = dinor1_prompt_bank_new_from_facts(&facts_b);
    g_autoptr(DinoR1PromptBank) visual = dinor1_prompt_bank_new_from_facts(&facts_a);
    g_autoptr(DinoR1PromptBank) text = dinor1_prompt_bank_new_from_facts(&facts_a);
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_prompt_bank_merge(bank, foreign, &error));
    assert_error(error, DINOR1_ERROR_MISMATCH, "(aaaaaaaaaaaa and bbbbbbbbbbbb)");
    g_clear_error(&error);
    add(visual, "new", one, NULL);
    add(visual, "car", one, NULL);
    g_assert_false(dinor1_prompt_bank_merge(bank, visual, &error));
    assert_error(
        error, DINOR1_ERROR_ARGUMENT, "class 'car' is a text class in one bank and has exemplars in the other");
    g_clear_error(&error);
    g_assert_true(dinor1_prompt_bank_add_text(text, "car", "a red car", NULL));
    g_assert_false(dinor1_prompt_bank_merge(bank, text, &error));
    assert_error(
        error, DINOR1_ERROR_ARGUMENT, "class 'car' has the phrase 'a yellow \xc3\xa4 car' in one bank and 'a red car'");
    check_sample(bank);
}

typedef struct {
    gchar *directory, *path;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("dinor1-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->directory, "bank.safetensors", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_unlink(fixture->path);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_free(fixture->path);
    g_free(fixture->directory);
}

static void
test_save(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1PromptBank) bank = make_sample(&facts_a);
    g_autoptr(GError) error = NULL;
    g_autofree gchar *first = NULL, *second = NULL;
    gsize first_size, second_size;

    g_assert_true(dinor1_prompt_bank_save(bank, fixture->path, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(fixture->path, &first, &first_size, NULL));
    for (gint with_model = 0; with_model < 2; with_model++) {
        g_autoptr(DinoR1PromptBank) loaded =
            dinor1_prompt_bank_load_with_facts(fixture->path, with_model ? &facts_a : NULL, &error);

        g_assert_no_error(error);
        check_sample(loaded);
        g_assert_true(dinor1_prompt_bank_save(loaded, fixture->path, &error));
    }
    g_assert_true(g_file_get_contents(fixture->path, &second, &second_size, NULL));
    g_assert_cmpmem(first, first_size, second, second_size); /* equal banks make equal files */
}

static void
test_empty(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new_from_facts(&facts_a);
    g_autoptr(DinoR1PromptBank) loaded = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_prompt_bank_save(bank, fixture->path, &error));
    loaded = dinor1_prompt_bank_load_with_facts(fixture->path, &facts_a, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(dinor1_prompt_bank_get_n_classes(loaded), ==, 0);
    add(loaded, "cup", one, NULL);
}

static void
test_mismatch(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1PromptBank) bank = make_sample(&facts_a);
    const DinoR1BankFacts wider = {HASH_A, D + 1, TRUE};
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_prompt_bank_save(bank, fixture->path, &error));
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, &facts_b, &error));
    assert_error(
        error, DINOR1_ERROR_MISMATCH, "made by other weights (model aaaaaaaaaaaa) than those loaded (bbbbbbbbbbbb)");
    g_assert_true(g_str_has_prefix(error->message, fixture->path));
    g_clear_error(&error);
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, &wider, &error));
    assert_error(error, DINOR1_ERROR_FORMAT, "its embeddings have 3 numbers, the model's 4");
    g_clear_error(&error);
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, &no_text, &error));
    assert_error(error, DINOR1_ERROR_UNSUPPORTED, "class 'car' is a text class, but the model has no text encoder");
    g_clear_error(&error);
    g_unlink(fixture->path);
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, NULL, &error));
    assert_error(error, DINOR1_ERROR_IO, "No such file");
}

typedef struct {
    const gchar *name;
    const gchar *format, *hash, *size, *classes; /* NULL: left out */
    const gchar *tensor;                         /* NULL: none */
    DinoR1StoredType dtype;
    guint n_dims;
    gint64 dims[2];
    const gchar *reason;
} BrokenBank;

#define FORMAT   "dinor1-prompt-bank/1"
#define EXEMPLAR "{\"source\":null,\"frame\":null,\"box\":[0,0,1,1]}"
#define CUP      "{\"label\":\"cup\",\"exemplars\":[" EXEMPLAR "]}"
#define CAR      "{\"label\":\"car\",\"phrase\":\"a car\"}"
#define NAME_0   "class.0.exemplars"
#define GOOD                                                                                                           \
    NAME_0, DINOR1_STORED_F32, 2,                                                                                      \
    {                                                                                                                  \
        1, D                                                                                                           \
    }
#define NONE                                                                                                           \
    NULL, DINOR1_STORED_F32, 2,                                                                                        \
    {                                                                                                                  \
        1, D                                                                                                           \
    }

static const BrokenBank broken[] = {
    {"not-a-bank", NULL, HASH_A, "3", "[]", NONE, "is not a prompt bank: metadata 'format' is missing"},
    {"other-format", "pt", HASH_A, "3", "[]", NONE, "is not a prompt bank: metadata 'format' is pt"},
    {"next-version", "dinor1-prompt-bank/2", HASH_A, "3", "[]", NONE,
        "of format 'dinor1-prompt-bank/2', but this version"},
    {"no-hash", FORMAT, NULL, "3", "[]", NONE, "metadata 'model_hash' is not a SHA-256"},
    {"short-hash", FORMAT, "abc", "3", "[]", NONE, "metadata 'model_hash' is not a SHA-256"},
    {"no-size", FORMAT, HASH_A, NULL, "[]", NONE, "metadata 'embedding_size' is not a number from 1 to 4096"},
    {"zero-size", FORMAT, HASH_A, "0", "[]", NONE, "metadata 'embedding_size' is not a number"},
    {"huge-size", FORMAT, HASH_A, "99999999999", "[]", NONE, "metadata 'embedding_size' is not a number"},
    {"size-is-text", FORMAT, HASH_A, "x", "[]", NONE, "metadata 'embedding_size' is not a number"},
    {"no-classes", FORMAT, HASH_A, "3", NULL, NONE, "metadata 'classes' is missing"},
    {"classes-empty-text", FORMAT, HASH_A, "3", "", NONE, "metadata 'classes', byte 0: the text ends too early"},
    {"classes-not-json", FORMAT, HASH_A, "3", "[,]", NONE, "metadata 'classes', byte 1: a value was expected"},
    {"classes-object", FORMAT, HASH_A, "3", "{}", NONE, "metadata 'classes' is not a list"},
    {"class-number", FORMAT, HASH_A, "3", "[1]", NONE, "class 0: is not an object"},
    {"no-label", FORMAT, HASH_A, "3", "[{\"phrase\":\"x\"}]", NONE, "class 0: needs a label and either"},
    {"label-number", FORMAT, HASH_A, "3", "[{\"label\":1,\"phrase\":\"x\"}]", NONE, "class 0: 'label' is not a string"},
    {"label-empty", FORMAT, HASH_A, "3", "[{\"label\":\"\",\"phrase\":\"x\"}]", NONE, "class 0: the label is empty"},
    {"label-newline", FORMAT, HASH_A, "3", "[{\"label\":\"\\n\",\"phrase\":\"x\"}]", NONE, "control character U+000A"},
    {"neither", FORMAT, HASH_A, "3", "[" CAR ",{\"label\":\"x\"}]", NONE, "class 1: needs a label and either"},
    {"both", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"phrase\":\"y\",\"exemplars\":[]}]", NONE,
        "class 0: needs a label"},
    {"text-twice", FORMAT, HASH_A, "3", "[" CAR "," CAR "]", NONE, "class 1: class 'car' exists already"},
    {"phrase-list", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"phrase\":[]}]", NONE,
        "class 0: 'phrase' is not a string"},
    {"exemplars-number", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":1}]", NONE,
        "class 0: 'exemplars' is not a list"},
    {"exemplars-none", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[]}]", NONE, "class 0: has no exemplars"},
    {"no-tensor", FORMAT, HASH_A, "3", "[" CUP "]", NONE, "class 0: tensor 'class.0.exemplars' is missing"},
    {"half-tensor", FORMAT, HASH_A, "3", "[" CUP "]", NAME_0, DINOR1_STORED_F16, 2, {1, D}, "is not F32 [1, 3]"},
    {"flat-tensor", FORMAT, HASH_A, "3", "[" CUP "]", NAME_0, DINOR1_STORED_F32, 1, {D}, "is not F32 [1, 3]"},
    {"more-rows", FORMAT, HASH_A, "3", "[" CUP "]", NAME_0, DINOR1_STORED_F32, 2, {2, D}, "is not F32 [1, 3]"},
    {"wider-rows", FORMAT, HASH_A, "3", "[" CUP "]", NAME_0, DINOR1_STORED_F32, 2, {1, D + 1}, "is not F32 [1, 3]"},
    {"unused-tensor", FORMAT, HASH_A, "3", "[]", GOOD, "has 1 tensors, but its classes need 0"},
    {"tensor-of-text", FORMAT, HASH_A, "3", "[" CAR "]", GOOD, "has 1 tensors, but its classes need 0"},
    {"exemplar-number", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[1]}]", GOOD,
        "class 0: an exemplar is not an object"},
    {"no-box", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[{}]}]", GOOD,
        "class 0: the box of an exemplar is not ["},
    {"short-box", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[{\"box\":[1,2,3]}]}]", GOOD,
        "the box of an exemplar is not ["},
    {"text-box", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[{\"box\":[1,2,3,\"4\"]}]}]", GOOD,
        "not made of numbers"},
    {"huge-box", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[{\"box\":[1,2,3,1e300]}]}]", GOOD,
        "class 0: the box of an exemplar of class 'x' is not finite"},
    {"bad-frame", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[{\"box\":[1,2,3,4],\"frame\":-1}]}]", GOOD,
        "not a frame number"},
    {"real-frame", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[{\"box\":[1,2,3,4],\"frame\":1.5}]}]", GOOD,
        "not a frame number"},
    {"bad-source", FORMAT, HASH_A, "3", "[{\"label\":\"x\",\"exemplars\":[{\"box\":[1,2,3,4],\"source\":1}]}]", GOOD,
        "class 0: 'source' is not a string"},
};

static void
insert(GHashTable *metadata, const gchar *key, const gchar *value)
{
    if (value)
        g_hash_table_insert(metadata, (gpointer)key, (gpointer)value);
}

static void
write_bank(const gchar *path, const BrokenBank *row, const gfloat *values)
{
    g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    DinoR1StoredTensor tensor = {row->tensor, row->dtype, row->n_dims, {row->dims[0], row->dims[1]},
        (const guint8 *)values, dinor1_stored_type_size(row->dtype)};

    for (guint i = 0; i < row->n_dims; i++)
        tensor.size *= row->dims[i];
    insert(metadata, "format", row->format);
    insert(metadata, "model_hash", row->hash);
    insert(metadata, "embedding_size", row->size);
    insert(metadata, "classes", row->classes);
    dinor1_safetensors_write(path, &tensor, row->tensor ? 1 : 0, metadata, &error);
    g_assert_no_error(error);
}

static void
test_broken(Fixture *fixture, gconstpointer data)
{
    static const gfloat values[2 * (D + 1)] = {0};
    const BrokenBank *row = data;
    g_autoptr(GError) error = NULL;

    write_bank(fixture->path, row, values);
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, NULL, &error));
    assert_error(error, DINOR1_ERROR_FORMAT, row->reason);
    g_assert_true(g_str_has_prefix(error->message, fixture->path));
}

static void
test_values(Fixture *fixture, gconstpointer data)
{
    const BrokenBank good = {"good", FORMAT, HASH_A, "3", "[" CUP "]", GOOD, NULL};
    const BrokenBank twice = {"twice", FORMAT, HASH_A, "3",
        "[" CAR ",{\"label\":\"car\",\"exemplars\":[" EXEMPLAR "]}]", "class.1.exemplars", DINOR1_STORED_F32, 2, {1, D},
        NULL};
    const gfloat bad[D] = {0, NAN, 0};
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1PromptBank) bank = NULL;

    write_bank(fixture->path, &good, one);
    bank = dinor1_prompt_bank_load_with_facts(fixture->path, &no_text, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(dinor1_prompt_bank_get_exemplar(bank, 0, 0, NULL), sizeof one, one, sizeof one);

    write_bank(fixture->path, &good, bad);
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, NULL, &error));
    assert_error(error, DINOR1_ERROR_FORMAT, "class 0: the embedding of an exemplar of class 'cup' is not finite");
    g_clear_error(&error);

    write_bank(fixture->path, &twice, one);
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, NULL, &error));
    assert_error(error, DINOR1_ERROR_FORMAT, "class 1: class 'car' is a text class and takes no exemplars");
}

/* Two visual classes of one label would silently become one. */
static void
test_label_twice(Fixture *fixture, gconstpointer data)
{
    static const gchar *const names[] = {NAME_0, "class.1.exemplars"};
    g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    DinoR1StoredTensor tensors[2];

    for (guint i = 0; i < 2; i++)
        tensors[i] = (DinoR1StoredTensor){names[i], DINOR1_STORED_F32, 2, {1, D}, (const guint8 *)one, sizeof one};
    insert(metadata, "format", FORMAT);
    insert(metadata, "model_hash", HASH_A);
    insert(metadata, "embedding_size", "3");
    insert(metadata, "classes", "[" CUP "," CUP "]");
    g_assert_true(dinor1_safetensors_write(fixture->path, tensors, 2, metadata, &error));
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, NULL, &error));
    assert_error(error, DINOR1_ERROR_FORMAT, "class 1: label 'cup' appears twice");
}

/* One class more than is legal. */
static void
test_load_too_many(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GString) classes = g_string_new("[");
    g_autoptr(GError) error = NULL;
    BrokenBank row = {"many", FORMAT, HASH_A, "3", NULL, NONE, NULL};

    for (gint i = 0; i <= DINOR1_PROMPTS_MAX_CLASSES; i++)
        g_string_append_printf(classes, "%s{\"label\":\"c%d\",\"phrase\":\"x\"}", i ? "," : "", i);
    g_string_append_c(classes, ']');
    row.classes = classes->str;
    write_bank(fixture->path, &row, NULL);
    g_assert_null(dinor1_prompt_bank_load_with_facts(fixture->path, NULL, &error));
    assert_error(error, DINOR1_ERROR_FORMAT, "class 4096: a prompt bank holds at most 4096 classes");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/prompts/edit", test_edit);
    g_test_add_func("/prompts/copy", test_copy);
    g_test_add_func("/prompts/bad-arguments", test_bad_arguments);
    g_test_add_func("/prompts/not-finite", test_not_finite);
    g_test_add_func("/prompts/no-text", test_no_text);
    g_test_add_func("/prompts/too-many", test_too_many);
    g_test_add_func("/prompts/merge", test_merge);
    g_test_add_func("/prompts/merge-fails", test_merge_fails);
    g_test_add("/prompts/save", Fixture, NULL, set_up, test_save, tear_down);
    g_test_add("/prompts/empty", Fixture, NULL, set_up, test_empty, tear_down);
    g_test_add("/prompts/mismatch", Fixture, NULL, set_up, test_mismatch, tear_down);
    g_test_add("/prompts/values", Fixture, NULL, set_up, test_values, tear_down);
    g_test_add("/prompts/load-too-many", Fixture, NULL, set_up, test_load_too_many, tear_down);
    g_test_add("/prompts/label-twice", Fixture, NULL, set_up, test_label_twice, tear_down);
    for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autofree gchar *path = g_strconcat("/prompts/broken/", broken[i].name, NULL);
        g_test_add(path, Fixture, &broken[i], set_up, test_broken, tear_down);
    }
    return g_test_run();
}
