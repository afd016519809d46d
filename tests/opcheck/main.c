/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* opcheck: every kernel of every op against its plain-C reference, how fast it is, and the gradients of all ops. */
#include "grad.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 3

const OpLevel opcheck_levels[OPCHECK_N_LEVELS] = {
    {"reference", 0},
    {"generic", DINOR1_CPU_FAST},
    {"avx2", DINOR1_CPU_FAST | DINOR1_CPU_AVX2},
    {"avx512", DINOR1_CPU_ALL},
};

typedef struct {
    const gchar *op, *level;                                /* NULL: all */
    gboolean big, part;                                     /* part: not all cases of the table */
    DinoR1Backend *backends[OPCHECK_N_LEVELS][MAX_THREADS]; /* NULL: this processor cannot */
    OpCount count;
    guint n_cases[DINOR1_N_OPS];
    gdouble worst[OPCHECK_N_LEVELS][DINOR1_N_OPS]; /* -1: not run */
} Check;

/* What runs now, for the signal handler: a kernel that reads past an input dies of it. */
static struct {
    const gchar *name, *level;
} current;

static void
print_raw(const gchar *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(2);
}

static void
on_fault(int signal_number)
{
    print_raw("FAIL  ");
    print_raw(current.name ? current.name : "?");
    print_raw(", ");
    print_raw(current.level ? current.level : "?");
    print_raw(": fault, probably a read or write past the end of an input\n");
    _exit(1);
}

gboolean
opcheck_level_has(guint level, DinoR1OpType op)
{
    DinoR1CpuKernels this, before;

    if (level == 0)
        return TRUE;
    dinor1_cpu_kernels_init(&this, opcheck_levels[level].flags);
    dinor1_cpu_kernels_init(&before, opcheck_levels[level - 1].flags);
    return this.ops[op].run != before.ops[op].run;
}

void
opcheck_count(OpCount *count, const gchar *what, gchar *why)
{
    if (why) {
        g_print("FAIL  %s: %s\n", what, why);
        g_free(why);
        count->failed++;
    } else {
        count->passed++;
    }
}

/* The outputs must not depend on how many threads shared the work. */
static gchar *
compare_threads(const OpRun *run, const OpBuffer *one_thread)
{
    for (guint i = 0; i < dinor1_op_n_outputs(run->c->op); i++)
        if (memcmp(one_thread[i].data, run->got[i].data, run->got[i].size) != 0)
            return g_strdup("differs from the result of one thread");
    return NULL;
}

/* One kernel on one case, with 1 … MAX_THREADS threads. */
static gchar *
check_level(Check *check, OpRun *run, guint level)
{
    OpBuffer one_thread[DINOR1_MAX_OUTPUTS] = {{0}};
    gdouble *worst = &check->worst[level][run->c->op];
    gchar *why = NULL;

    *worst = MAX(*worst, 0);
    for (guint threads = 1; threads <= MAX_THREADS && !why; threads++) {
        why = opcheck_run_execute(run, check->backends[level][threads - 1]);
        if (!why)
            why = opcheck_run_compare(run, worst);
        if (!why && threads > 1)
            why = compare_threads(run, one_thread);
        if (!why && threads == 1) {
            memcpy(one_thread, run->got, sizeof one_thread);
            memset(run->got, 0, sizeof run->got);
        }
        if (why) {
            gchar *text = g_strdup_printf("%u thread%s: %s", threads, threads > 1 ? "s" : "", why);
            g_free(why);
            why = text;
        }
    }
    for (guint i = 0; i < DINOR1_MAX_OUTPUTS; i++)
        opcheck_buffer_free(&one_thread[i]);
    return why;
}

static gchar *
check_reference(Check *check, OpRun *run)
{
    gchar *why = opcheck_run_execute(run, check->backends[0][0]);

    check->worst[0][run->c->op] = 0;
    return why ? why : opcheck_run_accept(run);
}

static void
check_case(Check *check, const OpCase *c)
{
    gchar *why = NULL;
    OpRun *run = opcheck_run_new(c, &why);
    gboolean ok;

    check->n_cases[c->op]++;
    current.name = c->name;
    current.level = opcheck_levels[0].name;
    if (run)
        why = check_reference(check, run);
    ok = !why;
    opcheck_count(&check->count, c->name, why);
    for (guint level = 1; ok && level < OPCHECK_N_LEVELS; level++) {
        g_autofree gchar *what = g_strdup_printf("%s, %s", c->name, opcheck_levels[level].name);
        if (!opcheck_level_has(level, c->op) ||
            (check->level && !g_str_equal(check->level, opcheck_levels[level].name)))
            continue;
        current.level = opcheck_levels[level].name;
        if (check->backends[level][0])
            opcheck_count(&check->count, what, check_level(check, run, level));
        else
            check->count.skipped++;
    }
    if (run)
        opcheck_run_free(run);
}

/* A row per op: how near each level came to what is allowed. */
static void
print_summary(const Check *check)
{
    g_print("%-26s %5s", "worst error / allowed", "cases");
    for (guint level = 1; level < OPCHECK_N_LEVELS; level++)
        g_print(" %9s", opcheck_levels[level].name);
    for (gint op = 0; op < DINOR1_N_OPS; op++) {
        if (check->n_cases[op] == 0)
            continue;
        g_print("\n%-26s %5u", dinor1_op_name(op), check->n_cases[op]);
        for (guint level = 1; level < OPCHECK_N_LEVELS; level++) {
            if (check->worst[level][op] < 0)
                g_print(" %9s", "-");
            else
                g_print(" %9.2f", check->worst[level][op]);
        }
    }
    g_print("\n");
}

/* An op without a case, or a kernel that no case reached, is a failure of this table. */
static void
check_coverage(Check *check)
{
    for (gint op = 0; op < DINOR1_N_OPS; op++) {
        if (check->n_cases[op] == 0)
            opcheck_count(&check->count, dinor1_op_name(op), g_strdup("the op has no case"));
        for (guint level = 1; level < OPCHECK_N_LEVELS; level++) {
            if (check->backends[level][0] && opcheck_level_has(level, op) && check->worst[level][op] < 0) {
                g_autofree gchar *what = g_strdup_printf("%s, %s", dinor1_op_name(op), opcheck_levels[level].name);
                opcheck_count(&check->count, what, g_strdup("the kernel was never run"));
            }
        }
    }
}

static int
run_checks(Check *check, GPtrArray *cases)
{
    DinoR1CpuFlags available = dinor1_cpu_detect();

    for (guint level = 0; level < OPCHECK_N_LEVELS; level++) {
        for (guint threads = 1; threads <= MAX_THREADS; threads++)
            if ((opcheck_levels[level].flags & ~available) == 0)
                check->backends[level][threads - 1] = dinor1_cpu_backend_new(threads, opcheck_levels[level].flags);
        for (gint op = 0; op < DINOR1_N_OPS; op++)
            check->worst[level][op] = -1;
    }

    opcheck_exact(&check->count);
    for (guint i = 0; i < cases->len; i++) {
        const OpCase *c = cases->pdata[i];
        if ((!c->big || check->big) && (!check->op || g_str_equal(check->op, dinor1_op_name(c->op))))
            check_case(check, c);
    }
    print_summary(check);
    if (!check->op && !check->level && !check->part)
        check_coverage(check);

    for (guint level = 0; level < OPCHECK_N_LEVELS; level++)
        for (guint threads = 0; threads < MAX_THREADS; threads++)
            dinor1_backend_free(check->backends[level][threads]);
    g_print("%u passed, %u failed, %u skipped\n", check->count.passed, check->count.failed, check->count.skipped);
    return check->count.failed ? 1 : 0;
}

static int
run_grad_checks(void)
{
    OpCount count = {0};

    opcheck_grad_ops(&count);
    opcheck_grad_chains(&count);
    opcheck_grad_kinks(&count);
    g_print("%u passed, %u failed\n", count.passed, count.failed);
    return count.failed ? 1 : 0;
}

static GPtrArray *
make_cases(void)
{
    GPtrArray *cases = g_ptr_array_new_with_free_func((GDestroyNotify)opcheck_case_free);

    opcheck_elementwise_cases(cases);
    opcheck_matmul_cases(cases);
    opcheck_conv_cases(cases);
    opcheck_norm_cases(cases);
    opcheck_attention_cases(cases);
    opcheck_window_cases(cases);
    opcheck_deformable_cases(cases);
    opcheck_loss_cases(cases);
    opcheck_optimizer_cases(cases);
    opcheck_layout_cases(cases);
    opcheck_cast_cases(cases);
    opcheck_select_cases(cases);
    opcheck_preprocess_cases(cases);
    opcheck_big_cases(cases);
    opcheck_big_grad_cases(cases);
    return cases;
}

/* Leaves of @cases every @n-th, from number @k (counted from 1) on; @share is "K/N". */
static gboolean
take_share(GPtrArray *cases, const gchar *share, GError **error)
{
    guint k, n;
    gchar rest;

    if (!share)
        return TRUE;
    if (sscanf(share, "%u/%u%c", &k, &n, &rest) != 2 || k < 1 || k > n) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "a share is K/N, 1 <= K <= N, not '%s'", share);
        return FALSE;
    }
    for (guint i = cases->len; i-- > 0;)
        if (i % n != k - 1)
            g_ptr_array_remove_index(cases, i);
    return TRUE;
}

static gboolean
is_known(const gchar *op, const gchar *level, GError **error)
{
    gboolean op_found = !op, level_found = !level;

    for (gint i = 0; op && i < DINOR1_N_OPS; i++)
        op_found |= g_str_equal(op, dinor1_op_name(i));
    for (guint i = 0; level && i < OPCHECK_N_LEVELS; i++)
        level_found |= g_str_equal(level, opcheck_levels[i].name);
    if (!op_found || !level_found)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "no %s %s", op_found ? "level" : "op",
            op_found ? level : op);
    return op_found && level_found;
}

int
main(int argc, char **argv)
{
    g_autofree gchar *op = NULL, *level = NULL, *backend = NULL, *share = NULL;
    gboolean bench = FALSE, list = FALSE, big = FALSE, grad = FALSE, require_all = FALSE;
    gint n_threads = 0;
    const GOptionEntry entries[] = {
        {"bench", 0, 0, G_OPTION_ARG_NONE, &bench, "time the cases of real models instead of checking", NULL},
        {"big", 0, 0, G_OPTION_ARG_NONE, &big, "check the cases of real models too (minutes)", NULL},
        {"grad", 0, 0, G_OPTION_ARG_NONE, &grad, "check the gradients of all ops instead of the kernels", NULL},
        {"op", 0, 0, G_OPTION_ARG_STRING, &op, "only this op", "NAME"},
        {"level", 0, 0, G_OPTION_ARG_STRING, &level, "only reference, generic, avx2 or avx512", "NAME"},
        {"backend", 0, 0, G_OPTION_ARG_STRING, &backend, "check a device's kernels: cuda, cuda:N or cuda-host", "NAME"},
        {"share", 0, 0, G_OPTION_ARG_STRING, &share, "only every N-th case, from the K-th on", "K/N"},
        {"require-all", 0, 0, G_OPTION_ARG_NONE, &require_all, "fail if the backend lacks an op", NULL},
        {"threads", 0, 0, G_OPTION_ARG_INT, &n_threads, "threads of --bench; 0 = one per processor", "N"},
        {"list", 0, 0, G_OPTION_ARG_NONE, &list, "print the names of all cases", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- check and time the kernels");
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) cases = make_cases();

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !is_known(op, level, &error) ||
        !take_share(cases, share, &error)) {
        g_printerr("opcheck: %s\n", error->message);
        return 2;
    }
    for (guint i = 0; list && i < cases->len; i++)
        g_print("%s%s\n", ((OpCase *)cases->pdata[i])->name, ((OpCase *)cases->pdata[i])->big ? " (big)" : "");
    if (list)
        return 0;
    if (bench) {
        opcheck_bench(cases, op, level, (guint)MAX(n_threads, 0));
        return 0;
    }
    if (backend)
        return opcheck_device(cases, backend, op, big, require_all);
    if (grad)
        return run_grad_checks();
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    return run_checks(&(Check){.op = op, .level = level, .big = big, .part = share != NULL}, cases);
}
