#pragma once
#include <stdint.h>

enum { QL_LOSS_INDEPENDENT, QL_LOSS_GILBERT_ELLIOTT };
enum { QL_JITTER_UNIFORM, QL_JITTER_NORMAL, QL_JITTER_PARETO };

/* What one direction of a link does to its frames; all zero: nothing. Shares are 0 to 1. */
typedef struct {
    uint64_t delay_ns;
    uint64_t jitter_ns; /* half the width of the uniform distribution, the standard deviation of the others */
    uint32_t jitter_model;
    uint32_t loss_model;
    double loss;        /* with Gilbert-Elliott: outside of bursts */
    double enter_burst; /* Gilbert-Elliott: chance at each frame */
    double leave_burst;
    double loss_in_burst;
    double duplicate;
    double reorder;
    uint32_t reorder_frames; /* how many later frames overtake a reordered one */
    double corrupt;          /* share of frames with one bit inverted */
    uint64_t rate_bps;       /* 0: no limit */
    uint64_t queue_octets;   /* what may wait for the rate; 0: given by queue_ns alone */
    uint64_t queue_ns;       /* how long a frame may wait for the rate; 0: given by queue_octets alone */
} ql_impairment;
