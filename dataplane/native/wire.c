/* The way of a frame: port, protect (802.1AE), the wire with its faults and its capture, validate, port. */
#include "wire.h"

#include "capture.h"
#include "sectag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ql_burst_reserve(ql_burst *burst, uint32_t frame_octets)
{
    /* One octet more than the longest frame tells a longer one from one that just fits. */
    uint64_t stride = ((uint64_t)QL_HEADROOM + frame_octets + 1 + QL_TAILROOM + 63) & ~(uint64_t)63;
    if (stride <= burst->stride)
        return 0;
    uint8_t *arena = realloc(burst->arena, stride * QL_BURST);
    if (arena == NULL)
        return -1;
    burst->arena = arena;
    burst->stride = stride;
    return 0;
}

static uint8_t *frame_at(const ql_burst *burst, uint32_t i)
{
    return burst->arena + burst->offset[i];
}

static void count(ql_wire *wire, int counter, uint64_t by)
{
    /* One writer, and readers in other processes that must never see a torn value. */
    uint64_t *slot = &wire->config.counters[counter];
    __atomic_store_n(slot, *slot + by, __ATOMIC_RELAXED);
}

/* EAPOL, also behind VLAN tags (IEEE 802.1Q): a node must not reach the far KaY that way either. */
static int is_eapol(const uint8_t *frame, uint32_t length)
{
    return ql_ethertype(frame + ql_header_octets(frame, length, UINT32_MAX)) == QL_EAPOL;
}

/* Reads frames that may enter the wire; returns how many. */
static uint32_t read_burst(ql_wire *wire, ql_burst *burst)
{
    uint32_t kept = 0;
    for (uint32_t attempt = 0; attempt < QL_BURST; attempt++) {
        uint32_t offset = (uint32_t)(burst->stride * kept) + QL_HEADROOM;
        ssize_t octets = read(wire->config.from_fd, burst->arena + offset, wire->config.frame_octets + 1);
        if (octets <= 0) {
            if (octets < 0 && errno == EINTR)
                continue;
            if (octets == 0 || (errno != EAGAIN && errno != EIO))
                atomic_store(&wire->port_gone, 1);
            break;
        }
        if (octets < QL_ETHERNET_HEADER_OCTETS) {
            count(wire, QL_WIRE_DROP_RUNT, 1);
        } else if ((uint32_t)octets > wire->config.frame_octets) {
            count(wire, QL_WIRE_DROP_TOO_LONG, 1);
        } else if (wire->config.transmit != NULL && is_eapol(burst->arena + offset, (uint32_t)octets)) {
            count(wire, QL_WIRE_DROP_EAPOL, 1);
        } else {
            burst->offset[kept] = offset;
            burst->length[kept] = (uint32_t)octets;
            count(wire, QL_WIRE_TX_FRAMES, 1);
            count(wire, QL_WIRE_TX_OCTETS, (uint64_t)octets);
            kept++;
        }
    }
    return kept;
}

static void capture_side(ql_wire *wire, ql_burst *burst, uint32_t frames, uint32_t side)
{
    if (wire->capture == NULL || !(wire->capture_sides & side))
        return;
    for (uint32_t i = 0; i < frames; i++)
        ql_capture_frame(wire->capture, wire->id, side, frame_at(burst, i), burst->length[i]);
}

/* Keeps the frames whose verdict passes, closing the gaps; the others are counted. */
static uint32_t keep_passing(ql_wire *wire, ql_burst *burst, uint32_t frames, int drop_counter)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < frames; i++) {
        if (!ql_verdict_passes(burst->verdict[i]))
            continue;
        burst->offset[kept] = burst->offset[i];
        burst->length[kept] = burst->length[i];
        kept++;
    }
    if (kept < frames)
        count(wire, drop_counter, frames - kept);
    return kept;
}

static ql_batch as_batch(ql_burst *burst, uint32_t frames)
{
    return (ql_batch){
        .arena = burst->arena,
        .arena_size = burst->stride * QL_BURST,
        .count = frames,
        .offset = burst->offset,
        .length = burst->length,
        .verdict = burst->verdict,
    };
}

static uint32_t protect(ql_wire *wire, ql_burst *burst, uint32_t frames)
{
    if (wire->config.transmit == NULL || frames == 0)
        return frames;
    ql_batch batch = as_batch(burst, frames);
    ql_secy_protect(wire->config.transmit, &batch);
    return keep_passing(wire, burst, frames, QL_WIRE_DROP_PROTECT);
}

static uint32_t validate(ql_wire *wire, ql_burst *burst, uint32_t frames)
{
    if (wire->config.receive == NULL || frames == 0)
        return frames;
    ql_batch batch = as_batch(burst, frames);
    ql_secy_validate(wire->config.receive, &batch);
    return keep_passing(wire, burst, frames, QL_WIRE_DROP_VALIDATE);
}

static void flip_bits(ql_wire *wire, ql_burst *burst, uint32_t frames)
{
    for (uint32_t i = 0; i < frames && wire->flip_frames > 0; i++) {
        if (wire->flip_bit / 8 >= burst->length[i])
            continue;
        frame_at(burst, i)[wire->flip_bit / 8] ^= (uint8_t)(0x80u >> (wire->flip_bit % 8));
        wire->flip_frames--;
    }
}

static void write_burst(ql_wire *wire, ql_burst *burst, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        ssize_t octets;
        do {
            octets = write(wire->config.to_fd, frame_at(burst, i), burst->length[i]);
        } while (octets < 0 && errno == EINTR);
        if (octets < 0) {
            count(wire, QL_WIRE_DROP_PORT, 1);
        } else {
            count(wire, QL_WIRE_RX_FRAMES, 1);
            count(wire, QL_WIRE_RX_OCTETS, burst->length[i]);
        }
    }
}

/* Keeps the frames that the wire does not lose. */
static uint32_t lose(ql_wire *wire, ql_burst *burst, uint32_t frames)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < frames; i++) {
        if (ql_loss_next(&wire->loss))
            continue;
        burst->offset[kept] = burst->offset[i];
        burst->length[kept] = burst->length[i];
        kept++;
    }
    if (kept < frames)
        count(wire, QL_WIRE_DROP_LOSS, frames - kept);
    return kept;
}

/* From the sending SecY's output to the receiving port. */
static void cross(ql_wire *wire, ql_burst *burst, uint32_t frames)
{
    flip_bits(wire, burst, frames);
    capture_side(wire, burst, frames, QL_CAPTURE_WIRE);
    if (atomic_load_explicit(&wire->blocked, memory_order_relaxed)) {
        count(wire, QL_WIRE_DROP_FAULT, frames);
        return;
    }
    frames = lose(wire, burst, frames);
    write_burst(wire, burst, validate(wire, burst, frames));
}

int ql_wire_run(ql_wire *wire, ql_burst *burst)
{
    uint32_t frames = read_burst(wire, burst);
    capture_side(wire, burst, frames, QL_CAPTURE_CLEAR);
    frames = protect(wire, burst, frames);
    if (frames > 0)
        cross(wire, burst, frames);
    int transmitting = wire->config.transmit == NULL || ql_secy_operational(wire->config.transmit);
    int changed = wire->transmitting != transmitting;
    int alarmed = wire->config.transmit != NULL && ql_secy_take_alarm(wire->config.transmit);
    wire->transmitting = transmitting;
    return changed || alarmed || atomic_load(&wire->port_gone);
}

uint64_t ql_wire_inject(ql_wire *wire, ql_burst *burst, const uint8_t *frames, const uint32_t *lengths,
                        uint32_t count)
{
    uint64_t octets = 0;
    for (uint32_t i = 0; i < count; i++) {
        burst->offset[i] = (uint32_t)(burst->stride * i) + QL_HEADROOM;
        burst->length[i] = lengths[i];
        memcpy(frame_at(burst, i), frames + octets, lengths[i]);
        octets += lengths[i];
    }
    cross(wire, burst, count);
    return octets;
}
