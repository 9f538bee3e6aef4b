/* Random loss of a wire: each frame is lost on its own with the same probability. The same seed loses the
   same frames in every run. */
#pragma once
#include <stdint.h>

typedef struct {
    uint64_t state;
    uint64_t threshold; /* of 2^32; 0 loses nothing and draws nothing */
} ql_loss;

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static inline uint64_t ql_loss_draw(ql_loss *loss)
{
    uint64_t z = loss->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* share is 0 to 1, and 1 loses every frame. */
static inline void ql_loss_set(ql_loss *loss, double share)
{
    loss->threshold = (uint64_t)(share * 4294967296.0);
}

/* Whether the next frame is lost. */
static inline int ql_loss_next(ql_loss *loss)
{
    return loss->threshold != 0 && ql_loss_draw(loss) >> 32 < loss->threshold;
}
