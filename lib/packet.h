/*
 * One packet of a SOCK_SEQPACKET Unix socket is one message: a JSON object of
 * at most PACKET_MAX bytes, with at most PACKET_FDS_MAX descriptors.
 *
 * The peer is not trusted: a packet that is cut (MSG_TRUNC, MSG_CTRUNC) or
 * carries too many descriptors is ERR_MALFORMED, and whatever descriptors came
 * are closed.
 */
#ifndef LIB_PACKET_H
#define LIB_PACKET_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

#define PACKET_MAX 65536
#define PACKET_FDS_MAX 2

struct packet {
	char *data; /* owned; a NUL stands behind it */
	size_t len;
	int fds[PACKET_FDS_MAX]; /* owned; the first `nfds` are valid */
	size_t nfds;
};

void packet_done(struct packet *packet);

enum packet_result { PACKET_OK, PACKET_AGAIN, PACKET_END, PACKET_FAILED };

/* PACKET_AGAIN: the socket does not block and there is no room; nothing was
 * sent. The descriptors stay the caller's. */
enum packet_result packet_send(int sock, const void *data, size_t len,
    const int *fds, size_t nfds, struct err *err);
enum packet_result
packet_receive(int sock, struct packet *ret, struct err *err);

/*
 * A listening socket `name` in the directory `directory` (which exists), bound
 * by its relative name through the directory's descriptor, since sun_path
 * holds 107 bytes; a socket that stood there is replaced by rename. The mode
 * is set before listen(2). Non-blocking.
 */
int packet_listen(const char *directory, const char *name, mode_t mode,
    int *ret_fd, struct err *err);
int packet_connect(const char *path, int *ret_fd, struct err *err);
int packet_peer(int sock, uid_t *ret_uid, pid_t *ret_pid, struct err *err);

/*
 * Bodies travel as sealed memfds (F_SEAL_WRITE, GROW, SHRINK, SEAL): what was
 * verified is what is used.
 */
int packet_seal(const void *data, size_t len, int *ret_fd, struct err *err);
/* Seals a memfd that the caller has filled. */
int packet_seal_file(int fd, struct err *err);
/* ERR_MALFORMED unless fd is a memfd with all four seals of at most `max`
 * bytes. The caller frees *ret (a NUL stands behind it). */
int packet_read_sealed(
    int fd, size_t max, char **ret, size_t *ret_len, struct err *err);

#endif
