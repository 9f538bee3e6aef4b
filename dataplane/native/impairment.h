/* The impairment of one direction: seeded chance, a line of limited rate, and delay. Time is an argument. */
#pragma once
#include "impairment_api.h"

/* Each kind of chance has its own numbers, one for each frame: to set one moves no other. */
enum ql_chance {
    QL_CHANCE_LOSS,
    QL_CHANCE_BURST,
    QL_CHANCE_DUPLICATE,
    QL_CHANCE_REORDER,
    QL_CHANCE_JITTER,
    QL_CHANCE_CORRUPT,
    QL_CHANCE_BIT,
    QL_CHANCES
};

typedef struct {
    ql_impairment set;
    uint64_t seeds[QL_CHANCES];
    uint64_t entered;        /* frames since the impairment began */
    uint64_t corruptible;    /* of which it was asked whether they are corrupted */
    int in_burst;            /* the bad state of Gilbert-Elliott */
    uint64_t queue_limit_ns; /* how much may wait for the rate */
    uint64_t line_free_ns;   /* when the last bit of what was sent is on the line, */
    uint64_t line_rest;      /* and 1 / rate_bps nanoseconds later so many times */
    uint64_t last_leave_ns;
} ql_impairer;

/* What becomes of a frame. */
typedef struct {
    uint32_t lost;        /* 1 where chance loses it */
    uint32_t overflows;   /* copies that find the queue full */
    uint32_t copies;      /* copies that leave, */
    uint64_t leave_ns[2]; /* and when; never before a frame that entered earlier */
    uint32_t overtakers;  /* later frames that are to leave before it */
} ql_fate;

/* Impairs nothing yet. The same seed decides the same for the frame of the same number in every run. */
void ql_impairer_init(ql_impairer *impairer, uint64_t seed);

/* Takes effect on the next frame. Frames are numbered from when there is an impairment after there was none.
 */
void ql_impairer_set(ql_impairer *impairer, const ql_impairment *impairment);

/* Whether anything at all is set. */
int ql_impairer_acts(const ql_impairer *impairer);

/* Whether frames may have to wait, or come twice. */
int ql_impairer_queues(const ql_impairer *impairer);

/* Decides about the next frame, of so many octets from destination address to ICV, that enters now. */
ql_fate ql_impairer_frame(ql_impairer *impairer, uint32_t octets, uint64_t now_ns);

/* The bit of the next frame that is inverted on the wire, counted from the first of the destination address;
   -1 where none is. */
int32_t ql_impairer_corrupts(ql_impairer *impairer, uint32_t octets);
