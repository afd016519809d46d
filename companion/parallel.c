/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "parallel.h"

#include "config.h"

#include <dinor1/error.h>

#ifdef HAVE_MPI

#include <mpi.h>
#include <string.h>
#include <unistd.h>

#define MAX_AT_ONCE (1 << 28) /* numbers of one call: MPI counts in int */
#define NOBODY      G_MAXINT

static gboolean
check(int status, const gchar *what, GError **error)
{
    gchar text[MPI_MAX_ERROR_STRING] = "";
    int length;

    if (status == MPI_SUCCESS)
        return TRUE;
    MPI_Error_string(status, text, &length);
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED, "MPI, %s: %s", what, text);
    return FALSE;
}

static gboolean
sum(gpointer user_data, gfloat *values, gsize n, GError **error)
{
    for (gsize first = 0; first < n; first += MAX_AT_ONCE) {
        const int count = (int)MIN(n - first, MAX_AT_ONCE);

        if (!check(
                MPI_Allreduce(MPI_IN_PLACE, values + first, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD), "sum", error))
            return FALSE;
    }
    return TRUE;
}

static int
get_rank(void)
{
    int rank = 0;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

/* The error of rank @from on all others. It travels as domain, code and message. */
static gboolean
spread(const GError *mine, int from, GError **error)
{
    const gboolean is_mine = get_rank() == from;
    int head[3] = {0, 0, 0};
    g_autofree gchar *text = NULL;

    if (is_mine) {
        head[0] = mine->code;
        head[1] = (int)strlen(g_quark_to_string(mine->domain)) + 1;
        head[2] = (int)strlen(mine->message) + 1;
    }
    if (!check(MPI_Bcast(head, 3, MPI_INT, from, MPI_COMM_WORLD), "error", error))
        return FALSE;
    text = g_malloc0((gsize)head[1] + (gsize)head[2]);
    if (is_mine) {
        memcpy(text, g_quark_to_string(mine->domain), (gsize)head[1]);
        memcpy(text + head[1], mine->message, (gsize)head[2]);
    }
    if (check(MPI_Bcast(text, head[1] + head[2], MPI_CHAR, from, MPI_COMM_WORLD), "error", error))
        g_set_error_literal(error, g_quark_from_string(text), head[0], text + head[1]);
    return FALSE;
}

static gboolean
agree(gpointer user_data, const GError *mine, GError **error)
{
    int first = mine ? get_rank() : NOBODY;

    if (!check(MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD), "agreement", error))
        return FALSE;
    return first == NOBODY || spread(mine, first, error);
}

/* The texts of all ranks after one another. */
static gboolean
gather(const gchar *mine, guint n_ranks, gchar **all, GError **error)
{
    const int length = (int)strlen(mine);
    g_autofree int *lengths = g_new(int, n_ranks), *places = g_new(int, n_ranks);
    int n = 0;

    if (!check(MPI_Allgather(&length, 1, MPI_INT, lengths, 1, MPI_INT, MPI_COMM_WORLD), "lengths", error))
        return FALSE;
    for (guint i = 0; i < n_ranks; i++) {
        places[i] = n;
        n += lengths[i];
    }
    *all = g_malloc0((gsize)n + 1);
    return check(
        MPI_Allgatherv(mine, length, MPI_CHAR, *all, lengths, places, MPI_CHAR, MPI_COMM_WORLD), "texts", error);
}

static gboolean
is_running(void)
{
    int begun = 0, over = 0;

    MPI_Initialized(&begun);
    MPI_Finalized(&over);
    return begun && !over;
}

const DinoR1TrainRanks *
parallel_get_ranks(void)
{
    static DinoR1TrainRanks ranks;
    int n = 1;

    if (!is_running())
        return NULL;
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    ranks = (DinoR1TrainRanks){(guint)get_rank(), (guint)n, sum, agree, NULL};
    return n > 1 ? &ranks : NULL;
}

/* How many of the processes are on this machine, and which of them this is. */
static guint
count_neighbours(guint *rank)
{
    MPI_Comm machine;
    int n = 1, mine = 0;

    *rank = 0;
    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine) != MPI_SUCCESS)
        return 1;
    MPI_Comm_size(machine, &n);
    MPI_Comm_rank(machine, &mine);
    MPI_Comm_free(&machine);
    *rank = (guint)mine;
    return (guint)MAX(n, 1);
}

guint
parallel_get_local_rank(void)
{
    guint rank = 0;

    if (parallel_get_ranks())
        count_neighbours(&rank);
    return rank;
}

/* mpirun may have bound each process to some processors of its own already. */
guint
parallel_get_n_threads(void)
{
    const guint mine = g_get_num_processors(), all = (guint)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
    guint rank;

    if (!parallel_get_ranks())
        return mine;
    return mine < all ? mine : MAX(mine / count_neighbours(&rank), 1);
}

/* MPI_Init() outside mpirun may start daemons, so it is not called there. */
static gboolean
begin(GError **error)
{
    int level;

    if (!check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level), "start", error))
        return FALSE;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (level >= MPI_THREAD_FUNNELED)
        return TRUE;
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED, "this MPI allows a process no threads");
    return FALSE;
}

void
parallel_end(void)
{
    if (is_running())
        MPI_Finalize();
}

#else

static gboolean
gather(const gchar *mine, guint n_ranks, gchar **all, GError **error)
{
    *all = g_strdup(mine);
    return TRUE;
}

const DinoR1TrainRanks *
parallel_get_ranks(void)
{
    return NULL;
}

guint
parallel_get_local_rank(void)
{
    return 0;
}

guint
parallel_get_n_threads(void)
{
    return g_get_num_processors();
}

static gboolean
begin(GError **error)
{
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED,
        "started by mpirun, but built without MPI (meson setup -Dmpi=enabled): every process would train by itself");
    return FALSE;
}

void
parallel_end(void)
{
}

#endif

/* The variables of Open MPI, of MPICH's family, and of PMIx. */
static gboolean
is_started_by_mpirun(void)
{
    const gchar *names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_getenv(names[i]))
            return TRUE;
    return FALSE;
}

static void
say_nothing(const gchar *text)
{
}

gboolean
parallel_begin(GError **error)
{
    if (!is_started_by_mpirun())
        return TRUE;
    if (!begin(error))
        return FALSE;
    if (parallel_leads())
        return TRUE;
    g_set_print_handler(say_nothing);
    g_set_printerr_handler(say_nothing);
    return TRUE;
}

gboolean
parallel_leads(void)
{
    const DinoR1TrainRanks *ranks = parallel_get_ranks();

    return !ranks || ranks->rank == 0;
}

gboolean
parallel_agree(gboolean well, GError **error)
{
    const DinoR1TrainRanks *ranks = parallel_get_ranks();
    g_autoptr(GError) mine = NULL;

    if (!ranks)
        return well;
    if (!well)
        mine = g_steal_pointer(error);
    return ranks->agree(ranks->user_data, mine, error);
}

guint
parallel_largest(guint number)
{
    const DinoR1TrainRanks *ranks = parallel_get_ranks();
    g_autofree gfloat *numbers = NULL;
    guint largest = number;

    if (!ranks)
        return number;
    numbers = g_new0(gfloat, ranks->n_ranks);
    numbers[ranks->rank] = (gfloat)number;
    if (!ranks->sum(ranks->user_data, numbers, ranks->n_ranks, NULL))
        return number;
    for (guint i = 0; i < ranks->n_ranks; i++)
        largest = MAX(largest, (guint)numbers[i]);
    return largest;
}

gboolean
parallel_share(const gchar *mine, gchar **all, GError **error)
{
    const DinoR1TrainRanks *ranks = parallel_get_ranks();

    if (ranks)
        return gather(mine, ranks->n_ranks, all, error);
    *all = g_strdup(mine);
    return TRUE;
}
