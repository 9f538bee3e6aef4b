/* Decisions of an impaired wire. A frame's chance is a hash of its number: SplitMix64 (Steele, Lea, Flood:
   Fast Splittable Pseudorandom Number Generators, 2014) at that place of its sequence. */
#include "impairment.h"

#include "clock.h"

#include <math.h>
#include <string.h>

static const uint64_t GAMMA = 0x9E3779B97F4A7C15u, DEFAULT_QUEUE_NS = 50000000u;

static uint64_t splitmix(uint64_t seed, uint64_t place)
{
    uint64_t z = seed + (place + 1) * GAMMA;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t draw(const ql_impairer *impairer, enum ql_chance chance, uint64_t frame)
{
    return splitmix(impairer->seeds[chance], frame);
}

/* 0 <= result < 1 */
static double unit(uint64_t drawn)
{
    return (double)(drawn >> 11) * 0x1p-53;
}

static int happens(const ql_impairer *impairer, enum ql_chance chance, uint64_t frame, double share)
{
    return share > 0 && unit(draw(impairer, chance, frame)) < share;
}

void ql_impairer_init(ql_impairer *impairer, uint64_t seed)
{
    memset(impairer, 0, sizeof *impairer);
    for (int chance = 0; chance < QL_CHANCES; chance++)
        impairer->seeds[chance] = splitmix(seed, (uint64_t)chance);
}

/* How much may wait for the rate, as the time that it takes to send it. */
static uint64_t queue_limit_ns(const ql_impairment *set)
{
    if (set->rate_bps == 0 || (set->queue_octets == 0 && set->queue_ns == 0))
        return DEFAULT_QUEUE_NS;
    uint64_t octets_ns = (set->queue_octets * 8 * QL_NS_PER_S + set->rate_bps - 1) / set->rate_bps;
    if (set->queue_octets == 0 || (set->queue_ns != 0 && set->queue_ns < octets_ns))
        return set->queue_ns;
    return octets_ns;
}

void ql_impairer_set(ql_impairer *impairer, const ql_impairment *impairment)
{
    if (!ql_impairer_acts(impairer))
        impairer->entered = impairer->corruptible = 0;
    if (impairment->loss_model != QL_LOSS_GILBERT_ELLIOTT)
        impairer->in_burst = 0;
    impairer->set = *impairment;
    impairer->queue_limit_ns = queue_limit_ns(impairment);
    impairer->line_rest = 0;
}

int ql_impairer_queues(const ql_impairer *impairer)
{
    const ql_impairment *set = &impairer->set;
    return set->delay_ns > 0 || set->jitter_ns > 0 || set->rate_bps > 0 || set->duplicate > 0 ||
           set->reorder > 0;
}

int ql_impairer_acts(const ql_impairer *impairer)
{
    const ql_impairment *set = &impairer->set;
    return ql_impairer_queues(impairer) || set->corrupt > 0 || set->loss > 0 ||
           set->loss_model == QL_LOSS_GILBERT_ELLIOTT;
}

static int is_lost(ql_impairer *impairer, uint64_t frame)
{
    const ql_impairment *set = &impairer->set;
    if (set->loss_model == QL_LOSS_GILBERT_ELLIOTT) {
        double changes = impairer->in_burst ? set->leave_burst : set->enter_burst;
        impairer->in_burst ^= happens(impairer, QL_CHANCE_BURST, frame, changes);
    }
    return happens(impairer, QL_CHANCE_LOSS, frame, impairer->in_burst ? set->loss_in_burst : set->loss);
}

/* A number of the jitter's distribution, in units of the jitter and with mean 0. */
static double jitter(uint32_t model, uint64_t drawn)
{
    switch (model) {
    case QL_JITTER_NORMAL: { /* Box and Muller, 1958 */
        double radius = sqrt(-2 * log(((double)(drawn >> 32) + 1) * 0x1p-32));
        return radius * cos(2 * M_PI * 0x1p-32 * (double)(uint32_t)drawn);
    }
    case QL_JITTER_PARETO: /* of shape 3 and scale 1: mean 3/2, variance 3/4 */
        return (1 / cbrt(1 - unit(drawn)) - 1.5) / sqrt(0.75);
    default:
        return 2 * unit(drawn) - 1;
    }
}

static uint64_t delay_ns(const ql_impairer *impairer, uint64_t frame)
{
    const ql_impairment *set = &impairer->set;
    if (set->jitter_ns == 0)
        return set->delay_ns;
    double drawn = jitter(set->jitter_model, draw(impairer, QL_CHANCE_JITTER, frame));
    double delay = (double)set->delay_ns + drawn * (double)set->jitter_ns;
    return delay > 0 ? (uint64_t)delay : 0;
}

/* Sends the frame behind those that wait for the rate; 0 where they leave it no room. A line that is free
   takes any frame. */
static int transmit(ql_impairer *impairer, uint32_t octets, uint64_t now_ns)
{
    uint64_t rate_bps = impairer->set.rate_bps;
    if (impairer->line_free_ns < now_ns) {
        impairer->line_free_ns = now_ns;
        impairer->line_rest = 0;
    }
    if (rate_bps == 0)
        return 1;
    uint64_t backlog_ns = impairer->line_free_ns - now_ns;
    uint64_t time = octets * 8 * QL_NS_PER_S + impairer->line_rest;
    if (backlog_ns > 0 && backlog_ns + time / rate_bps > impairer->queue_limit_ns)
        return 0;
    impairer->line_free_ns += time / rate_bps;
    impairer->line_rest = time % rate_bps;
    return 1;
}

ql_fate ql_impairer_frame(ql_impairer *impairer, uint32_t octets, uint64_t now_ns)
{
    const ql_impairment *set = &impairer->set;
    uint64_t frame = impairer->entered++;
    ql_fate fate = {.lost = (uint32_t)is_lost(impairer, frame)};
    if (fate.lost)
        return fate;
    if (happens(impairer, QL_CHANCE_REORDER, frame, set->reorder))
        fate.overtakers = set->reorder_frames;
    uint32_t copies = 1 + (uint32_t)happens(impairer, QL_CHANCE_DUPLICATE, frame, set->duplicate);
    uint64_t later_ns = delay_ns(impairer, frame);
    for (uint32_t i = 0; i < copies; i++) {
        if (!transmit(impairer, octets, now_ns)) {
            fate.overflows++;
            continue;
        }
        uint64_t leave_ns = impairer->line_free_ns + later_ns;
        if (leave_ns < impairer->last_leave_ns)
            leave_ns = impairer->last_leave_ns;
        impairer->last_leave_ns = fate.leave_ns[fate.copies++] = leave_ns;
    }
    return fate;
}

int32_t ql_impairer_corrupts(ql_impairer *impairer, uint32_t octets)
{
    uint64_t frame = impairer->corruptible++;
    if (octets == 0 || !happens(impairer, QL_CHANCE_CORRUPT, frame, impairer->set.corrupt))
        return -1;
    return (int32_t)(draw(impairer, QL_CHANCE_BIT, frame) % (octets * 8));
}
