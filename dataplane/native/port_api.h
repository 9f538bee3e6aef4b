#pragma once
#include <stdint.h>

/* A port: where a wire's frames come from and go to. Descriptors stay the caller's and must outlive it. */
typedef struct ql_port ql_port;

/* One Ethernet frame, without FCS, a call of read(2) and write(2); the descriptor does not block. All
   return NULL with errno set where memory is short. */
ql_port *ql_port_new_packet(int fd);
/* A TAP device with IFF_VNET_HDR and offload; kinds: those of ql_coalesce that its kernel takes. */
ql_port *ql_port_new_tap(int fd, uint32_t kinds);
/* No wire may use the port any more. */
void ql_port_free(ql_port *port);

/* Ports on a device of the calling thread's network namespace. They own their descriptors. NULL with errno
   set, and `*refused` naming what the kernel refused. */

enum { QL_XDP_FRAME_OCTETS = 3840 }; /* the longest frame: a chunk of a page behind the kernel's headroom */
/* On an AF_XDP socket: what queue 0 of the device receives comes to the port alone. EBUSY may pass while
   another socket of that queue is being closed. */
ql_port *ql_port_new_xdp(uint32_t ifindex, const char **refused);
/* On a packet socket (AF_PACKET): the kernel's own protocols receive the same frames. */
ql_port *ql_port_new_socket(uint32_t ifindex, const char **refused);
