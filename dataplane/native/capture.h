/* What a wire tells the captures that listen to it. Without one, each of these calls is one comparison. */
#pragma once
#include "burst.h"
#include "capture_api.h"

typedef struct {
    uint32_t count;
    ql_capture *each[QL_CAPTURE_LIMIT];
} ql_captures;

/* Before and after the sending SecY, with the same frames in their places: a frame is kept as it was before,
   with the packet number and the verdict that it got. `secured` is 0 where there is no SecY. */
void ql_capture_sending(ql_captures *captures, const ql_burst *burst);
void ql_capture_sent(ql_captures *captures, const ql_burst *burst, int secured);

/* Frames that the line takes, or that are lost: then `dropped` is the QL_WIRE_DROP that counts them, else 0.
 */
void ql_capture_frame(ql_captures *captures, const uint8_t *frame, uint32_t length, int dropped);
void ql_capture_burst(ql_captures *captures, const ql_burst *burst, int dropped);

/* Before and after the receiving SecY, with the same frames in their places. */
void ql_capture_receiving(ql_captures *captures, const ql_burst *burst);
void ql_capture_received(ql_captures *captures, const ql_burst *burst, int secured);

/* 0, or -1 with errno set where there are too many already. */
int ql_captures_add(ql_captures *captures, ql_capture *capture);
void ql_captures_remove(ql_captures *captures, const ql_capture *capture);
