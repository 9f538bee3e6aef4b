#pragma once
#include "channels.h"

/* Packet numbers of a receive SA: recovery (IEEE 802.1AE-2018 10.6.2), replay check and its update. */

/* The 64-bit packet number of which an XPN frame carries the low half: the one from lowestPN on that is
   nearest to it. */
static inline uint64_t ql_recover_pn(uint64_t lowest_pn, uint32_t pn)
{
    uint64_t high = lowest_pn >> 32;
    if ((lowest_pn & 0x80000000u) && !(pn & 0x80000000u))
        high++;
    return high << 32 | pn;
}

static inline uint64_t *ql_seen_word(const ql_receive_sa *sa, uint64_t pn)
{
    return &sa->seen[pn / 64 % QL_SEEN_WORDS];
}

/* Whether a frame with that packet number is below the window. */
static inline int ql_below_window(const ql_receive_sa *sa, uint64_t pn)
{
    return sa->exhausted || pn < sa->lowest_pn;
}

/* Whether a packet number that is not below the window was accepted before. */
static inline int ql_seen(const ql_receive_sa *sa, uint64_t pn)
{
    return sa->seen != NULL && pn <= sa->next_pn - 1 && *ql_seen_word(sa, pn) >> pn % 64 & 1;
}

/* Moves next_pn up. */
static inline void ql_advance(ql_receive_sa *sa, uint64_t next_pn)
{
    if (sa->seen != NULL) {
        uint64_t word = (sa->next_pn - 1) / 64, last = (next_pn - 1) / 64;
        if (last - word >= QL_SEEN_WORDS)
            word = last - QL_SEEN_WORDS;
        while (word < last)
            *ql_seen_word(sa, ++word * 64) = 0;
    }
    sa->next_pn = next_pn;
}

/* 10.6.5: only a valid frame comes here, and lowestPN only rises. */
static inline void ql_replay_update(ql_receive_sa *sa, uint64_t pn, uint32_t replay_window)
{
    if (pn > sa->next_pn - 1) {
        ql_advance(sa, pn + 1);
        if (pn == UINT64_MAX && replay_window == 0) {
            sa->lowest_pn = UINT64_MAX;
            sa->exhausted = 1;
        } else if (pn >= replay_window && pn - replay_window + 1 > sa->lowest_pn) {
            sa->lowest_pn = pn - replay_window + 1;
        }
    }
    if (sa->seen != NULL)
        *ql_seen_word(sa, pn) |= UINT64_C(1) << pn % 64;
}
