/* The table of receive SCs. */
#include "channels.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 16, WORD_BITS = 64 };

static void set_size(ql_channels *channels, ql_receive_channel **slots, uint32_t size)
{
    channels->slots = slots;
    channels->mask = size - 1;
    channels->shift = WORD_BITS;
    for (uint32_t rest = size; rest > 1; rest /= 2)
        channels->shift--;
}

static void place(ql_channels *channels, ql_receive_channel *channel)
{
    uint32_t at = ql_channel_home(channels, channel->sci);
    while (channels->slots[at] != NULL)
        at = (at + 1) & channels->mask;
    channels->slots[at] = channel;
}

/* Finds the channels that a SecTAG without SCI can mean. */
static void find_only(ql_channels *channels)
{
    static const uint8_t single_copy_port[2] = {0, 0};
    uint32_t single_copies = 0;
    channels->only = channels->only_single_copy = NULL;
    for (uint32_t at = 0; at <= channels->mask; at++) {
        ql_receive_channel *channel = channels->slots[at];
        if (channel == NULL)
            continue;
        if (channels->count == 1)
            channels->only = channel;
        if (memcmp(channel->sci + 6, single_copy_port, sizeof single_copy_port) == 0)
            channels->only_single_copy = single_copies++ == 0 ? channel : NULL;
    }
}

int ql_channels_init(ql_channels *channels)
{
    ql_receive_channel **slots = calloc(FIRST_SLOTS, sizeof *slots);
    if (slots != NULL)
        set_size(channels, slots, FIRST_SLOTS);
    return slots != NULL;
}

void ql_channels_free(ql_channels *channels)
{
    free(channels->slots);
}

int ql_channels_add(ql_channels *channels, ql_receive_channel *channel)
{
    uint32_t size = channels->mask + 1;
    if ((channels->count + 1) * 2 > size) {
        ql_receive_channel **before = channels->slots;
        ql_receive_channel **slots = calloc(2 * (size_t)size, sizeof *slots);
        if (slots == NULL)
            return 0;
        set_size(channels, slots, 2 * size);
        for (uint32_t at = 0; at < size; at++)
            if (before[at] != NULL)
                place(channels, before[at]);
        free(before);
    }
    place(channels, channel);
    channels->count++;
    find_only(channels);
    return 1;
}

void ql_channels_remove(ql_channels *channels, const ql_receive_channel *channel)
{
    uint32_t at = ql_channel_home(channels, channel->sci);
    while (channels->slots[at] != channel)
        at = (at + 1) & channels->mask;
    channels->slots[at] = NULL;
    channels->count--;
    /* Those behind it, up to the next gap, may have passed over the slot that is free now. */
    for (at = (at + 1) & channels->mask; channels->slots[at] != NULL; at = (at + 1) & channels->mask) {
        ql_receive_channel *moved = channels->slots[at];
        channels->slots[at] = NULL;
        place(channels, moved);
    }
    find_only(channels);
}

static int uses(const ql_receive_channel *channel, const uint8_t *sak_digest, uint32_t ssci)
{
    for (int an = 0; an < QL_ASSOCIATIONS; an++) {
        const ql_receive_sa *sa = &channel->sa[an];
        if (sa->key != NULL && sa->ssci == ssci &&
            memcmp(sa->sak_digest, sak_digest, QL_SAK_DIGEST_OCTETS) == 0)
            return 1;
    }
    return 0;
}

int ql_channels_use(const ql_channels *channels, const ql_receive_channel *except, const uint8_t *sak_digest,
                    uint32_t ssci)
{
    for (uint32_t at = 0; at <= channels->mask; at++) {
        const ql_receive_channel *channel = channels->slots[at];
        if (channel != NULL && channel != except && uses(channel, sak_digest, ssci))
            return 1;
    }
    return 0;
}
