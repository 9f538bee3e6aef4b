#pragma once
#include <stdint.h>

/* Where on a wire a frame was captured. */
enum ql_capture_point {
    QL_CAPTURE_SENT = 1,    /* clear, as the sending port gave it */
    QL_CAPTURE_WIRE = 2,    /* between the SecYs, before the wire loses or delays it */
    QL_CAPTURE_REFUSED = 4, /* what the receiving SecY does not deliver: addresses and tags alone */
    QL_CAPTURE_RECEIVED = 8 /* clear, as the receiving port gets it */
};

/* A frame in a ring: this, and then `captured` octets padded to 8. No key is in it. */
typedef struct {
    uint64_t time_ns;  /* CLOCK_MONOTONIC */
    uint32_t length;   /* of the frame at that point */
    uint32_t captured; /* octets of it that are kept */
    uint32_t pn;       /* of its SecTAG, low 32 bits with XPN */
    uint8_t point;
    uint8_t verdict; /* of the SecY that it has just passed, an enum ql_verdict; else 0 */
    uint8_t dropped; /* the QL_WIRE_DROP that counts it; 0 where it went on */
    uint8_t tagged;  /* on the wire it has a SecTAG, with pn: 1, with pn and sci: 2 */
    uint8_t sci[8];
} ql_capture_record;

/* A capture of one wire: a ring in memory that another process maps. One thread writes, which waits for
   nobody and drops and counts what finds the ring full; one reads. `memory`, zeroed, has
   QL_CAPTURE_HEADER_OCTETS and then ring_octets, a multiple of 8. `points` are a sum. NULL without memory. A
   wire can have QL_CAPTURE_LIMIT at once. */
enum { QL_CAPTURE_HEADER_OCTETS = 192, QL_CAPTURE_LIMIT = 4 };
typedef struct ql_capture ql_capture;
ql_capture *ql_capture_new(void *memory, uint64_t ring_octets, uint32_t snap_octets, uint32_t points);
/* Tells the reader that no more will come. The memory stays the caller's. */
void ql_capture_free(ql_capture *capture);

/* The reader's side: moves whole records into `out` and returns their octets. `out` has room for one at
   least. */
uint64_t ql_capture_read(void *memory, uint64_t ring_octets, uint8_t *out, uint64_t out_octets);
/* Frames that found the ring full, at one point. */
uint64_t ql_capture_dropped(const void *memory, uint32_t point);
/* Whether nothing more will come, besides what is in the ring; 0 or 1. */
int ql_capture_ended(const void *memory);
