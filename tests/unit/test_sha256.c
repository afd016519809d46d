/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/sha256.h"

#include <string.h>

/* The digest of @size bytes given in pieces of @piece bytes. */
static gchar *
digest(const guint8 *data, gsize size, gsize piece, gboolean plain)
{
    DinoR1Sha256 sha;

    dinor1_sha256_init(&sha, plain);
    for (gsize i = 0; i < size; i += piece)
        dinor1_sha256_update(&sha, data + i, MIN(piece, size - i));
    return dinor1_sha256_finish(&sha);
}

/* FIPS 180-4's examples. */
static void
test_published(gconstpointer plain)
{
    static const gchar *const rows[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree gchar *hex = digest((const guint8 *)rows[i][0], strlen(rows[i][0]), 64, GPOINTER_TO_INT(plain));
        g_assert_cmpstr(hex, ==, rows[i][1]);
    }
}

/* Every length around the block borders, in pieces of every kind, against GLib. */
static void
test_lengths(gconstpointer plain)
{
    static const gsize pieces[] = {1, 7, 63, 64, 65, 1000};
    guint8 data[300];

    for (guint i = 0; i < sizeof data; i++)
        data[i] = i * 37 + 11;
    for (gsize size = 0; size <= sizeof data; size++) {
        g_autofree gchar *expected = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, size);

        for (guint i = 0; i < G_N_ELEMENTS(pieces); i++) {
            g_autofree gchar *hex = digest(data, size, pieces[i], GPOINTER_TO_INT(plain));
            g_assert_cmpstr(hex, ==, expected);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/sha256/fast/published", GINT_TO_POINTER(FALSE), test_published);
    g_test_add_data_func("/sha256/plain/published", GINT_TO_POINTER(TRUE), test_published);
    g_test_add_data_func("/sha256/fast/lengths", GINT_TO_POINTER(FALSE), test_lengths);
    g_test_add_data_func("/sha256/plain/lengths", GINT_TO_POINTER(TRUE), test_lengths);
    return g_test_run();
}
