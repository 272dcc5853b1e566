// floor: the least possible broadcast server, as a yardstick.
//
// One thread, epoll, HTTP upgrade, one frame built for each message, one send
// for each client and message. With -coalesce, one send for each client and
// all the messages of an epoll round. What the kernel asks for a delivery is
// what is left; a server can hardly be below without fewer or other system
// calls.
//
// A client whose socket is full keeps what it has not taken, up to 4 MiB, and
// meanwhile nobody's messages are read; beyond that it is closed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_IN = 128 << 10, MAX_PENDING = 4 << 20, MAX_MESSAGE = 64 << 10, MAX_BATCH = 1 << 20, EVENTS = 1024 };

struct client {
	int member, index;           // index in members
	char *in;                    // an unfinished head or frame
	size_t in_len;
	char *out;                   // what the socket has not taken
	size_t out_len, out_off;
};

static struct client *clients;   // by descriptor
static int *members, member_count;
static int epoll_fd, full_fd;    // full_fd: those who wait to be written to
static int coalesce, blocked;    // blocked: clients with something in out
static char *batch;              // frames of a round
static size_t batch_len, batch_cap;

static void append(char **buf, size_t *len, size_t *cap, const void *p, size_t n) {
	if (*len + n > *cap) {
		*cap = (*len + n) * 2;
		if (!(*buf = realloc(*buf, *cap))) abort();
	}
	memcpy(*buf + *len, p, n);
	*len += n;
}

// --- SHA-1 and base64 (RFC 3174, RFC 4648), for the handshake

static uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void sha1(const unsigned char *p, size_t n, unsigned char out[20]) {
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, w[80];
	unsigned char block[128] = {0};
	size_t blocks = (n + 9 + 63) / 64; // at most 2 here
	memcpy(block, p, n);
	block[n] = 0x80;
	for (int i = 0; i < 8; i++) block[blocks * 64 - 1 - i] = (uint64_t)n * 8 >> 8 * i;
	for (size_t b = 0; b < blocks; b++) {
		for (int i = 0; i < 16; i++) {
			uint32_t v;
			memcpy(&v, block + b * 64 + i * 4, 4);
			w[i] = ntohl(v);
		}
		for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
		uint32_t a = h[0], bb = h[1], c = h[2], d = h[3], e = h[4];
		for (int i = 0; i < 80; i++) {
			uint32_t f, k;
			if (i < 20) f = (bb & c) | (~bb & d), k = 0x5a827999;
			else if (i < 40) f = bb ^ c ^ d, k = 0x6ed9eba1;
			else if (i < 60) f = (bb & c) | (bb & d) | (c & d), k = 0x8f1bbcdc;
			else f = bb ^ c ^ d, k = 0xca62c1d6;
			uint32_t t = rol(a, 5) + f + e + k + w[i];
			e = d, d = c, c = rol(bb, 30), bb = a, a = t;
		}
		h[0] += a, h[1] += bb, h[2] += c, h[3] += d, h[4] += e;
	}
	for (int i = 0; i < 20; i++) out[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

static void base64(const unsigned char in[20], char out[29]) {
	static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (int i = 0, o = 0; i < 21; i += 3) {
		uint32_t v = in[i] << 16 | in[i + 1] << 8 | (i + 2 < 20 ? in[i + 2] : 0);
		out[o++] = abc[v >> 18], out[o++] = abc[v >> 12 & 63], out[o++] = abc[v >> 6 & 63];
		out[o++] = i + 2 < 20 ? abc[v & 63] : '=';
	}
	out[28] = 0;
}

// --- clients

static void drop(int fd) {
	struct client *c = &clients[fd];
	if (c->member) {
		int last = members[--member_count];
		members[c->index] = last;
		clients[last].index = c->index;
	}
	if (c->out_len > c->out_off) blocked--;
	free(c->in);
	free(c->out);
	memset(c, 0, sizeof *c);
	close(fd);
}

// put sends n bytes to fd, or keeps them. It returns 0 if the client is gone.
static int put(int fd, const char *p, size_t n) {
	struct client *c = &clients[fd];
	if (c->out_len == c->out_off) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k == (ssize_t)n) return 1;
		if (k < 0 && errno != EAGAIN) {
			drop(fd);
			return 0;
		}
		if (k > 0) p += k, n -= k;
		free(c->out);
		c->out = NULL;
		c->out_len = c->out_off = 0;
		blocked++;
		struct epoll_event ev = {.events = EPOLLOUT, .data.fd = fd};
		epoll_ctl(full_fd, EPOLL_CTL_ADD, fd, &ev);
	}
	if (c->out_len - c->out_off + n > MAX_PENDING) {
		drop(fd);
		return 0;
	}
	if (!(c->out = realloc(c->out, c->out_len + n))) abort();
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
	return 1;
}

static void flush(int fd) {
	struct client *c = &clients[fd];
	while (c->out_off < c->out_len) {
		ssize_t k = send(fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k < 0) {
			if (errno != EAGAIN) drop(fd);
			return;
		}
		if ((c->out_off += k) == c->out_len) {
			free(c->out);
			c->out = NULL;
			c->out_len = c->out_off = 0;
			blocked--;
			epoll_ctl(full_fd, EPOLL_CTL_DEL, fd, NULL);
		}
	}
}

static void to_all(const char *p, size_t n) {
	for (int i = member_count - 1; i >= 0; i--) put(members[i], p, n);
}

static void send_batch(void) {
	if (batch_len) to_all(batch, batch_len);
	batch_len = 0;
}

static void broadcast(int op, const unsigned char *payload, size_t n) {
	static char frame[10 + MAX_MESSAGE];
	size_t h = 2;
	frame[0] = 0x80 | op;
	if (n < 126) frame[1] = n;
	else if (n < 65536) frame[1] = 126, frame[2] = n >> 8, frame[3] = n, h = 4;
	else {
		frame[1] = 127;
		for (int i = 0; i < 8; i++) frame[2 + i] = (uint64_t)n >> (56 - 8 * i);
		h = 10;
	}
	memcpy(frame + h, payload, n);
	if (coalesce) append(&batch, &batch_len, &batch_cap, frame, h + n);
	else to_all(frame, h + n);
}

// --- what clients say

// head answers a whole HTTP head. It returns its length, 0 if it has not all
// come, -1 if the client is gone.
static long head(int fd, char *p, size_t n) {
	char *end = memmem(p, n, "\r\n\r\n", 4), *key;
	if (!end) return n > 8192 ? (drop(fd), -1) : 0;
	*end = 0;
	if (!(key = strcasestr(p, "\r\nSec-WebSocket-Key:"))) {
		static const char no[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		send(fd, no, sizeof no - 1, MSG_NOSIGNAL);
		drop(fd);
		return -1;
	}
	unsigned char text[64], hash[20];
	char accept[29], answer[200];
	key += 20;
	while (*key == ' ') key++;
	memcpy(text, key, 24);
	memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
	sha1(text, 60, hash);
	base64(hash, accept);
	int k = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
	struct client *c = &clients[fd];
	c->member = 1;
	c->index = member_count;
	members[member_count++] = fd;
	return put(fd, answer, k) ? end + 4 - p : -1;
}

// frame works on a whole frame. It returns as head does.
static long frame(int fd, unsigned char *p, size_t n) {
	if (n < 2) return 0;
	size_t h = 2, len = p[1] & 127;
	if (len == 126) {
		if (n < 4) return 0;
		len = p[2] << 8 | p[3], h = 4;
	} else if (len == 127) {
		if (n < 10) return 0;
		len = 0;
		for (int i = 0; i < 8; i++) len = len << 8 | p[2 + i];
		h = 10;
	}
	if (len > MAX_MESSAGE || !(p[1] & 0x80) || !(p[0] & 0x80)) {
		drop(fd);
		return -1;
	}
	if (n < h + 4 + len) return 0;
	unsigned char *mask = p + h, *body = mask + 4;
	for (size_t i = 0; i < len; i++) body[i] ^= mask[i & 3];
	int op = p[0] & 15;
	if (op == 8) {
		drop(fd);
		return -1;
	}
	if (op == 1 || op == 2) broadcast(op, body, len);
	return clients[fd].member ? (long)(h + 4 + len) : -1; // the broadcast may have dropped it
}

static void readable(int fd) {
	static char buf[MAX_IN];
	struct client *c = &clients[fd];
	size_t kept = c->in_len;
	if (kept) memcpy(buf, c->in, kept);
	ssize_t k = recv(fd, buf + kept, sizeof buf - kept, MSG_DONTWAIT);
	if (k <= 0) {
		if (k == 0 || errno != EAGAIN) drop(fd);
		return;
	}
	size_t n = kept + k, used = 0;
	free(c->in);
	c->in = NULL;
	c->in_len = 0;
	while (used < n) {
		long m = c->member ? frame(fd, (unsigned char *)buf + used, n - used) : head(fd, buf + used, n - used);
		if (m < 0) return;
		if (m == 0) break;
		used += m;
	}
	if (used < n) {
		if (!(c->in = malloc(n - used))) abort();
		memcpy(c->in, buf + used, n - used);
		c->in_len = n - used;
	}
}

static void quit(int signal) {
	(void)signal;
	_exit(0);
}

int main(int argc, char **argv) {
	char host[64] = "127.0.0.1";
	int port = 8080;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-coalesce")) coalesce = 1;
		else if (!strcmp(argv[i], "-addr") && i + 1 < argc && sscanf(argv[++i], "%63[^:]:%d", host, &port) == 2) continue;
		else return fprintf(stderr, "usage: floor [-coalesce] [-addr host:port]\n"), 2;
	}
	signal(SIGTERM, quit);
	signal(SIGINT, quit);
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	clients = calloc(files.rlim_cur, sizeof *clients);
	members = calloc(files.rlim_cur, sizeof *members);

	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(host)};
	socklen_t len = sizeof addr;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&addr, sizeof addr) || listen(listener, 4096)) return perror("floor: listen"), 1;
	getsockname(listener, (struct sockaddr *)&addr, &len);
	fprintf(stderr, "level=INFO msg=listening addr=%s:%d\n", host, ntohs(addr.sin_port));

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev);
	full_fd = epoll_create1(EPOLL_CLOEXEC);
	for (;;) {
		if (blocked) { // nobody is read and nobody comes until all is flushed
			int n = epoll_wait(full_fd, events, EVENTS, -1);
			for (int i = 0; i < n; i++) flush(events[i].data.fd);
			continue;
		}
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);
		for (int i = 0; i < n && !blocked; i++) {
			int fd = events[i].data.fd, s;
			if (fd == listener) {
				while ((s = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
					ev.events = EPOLLIN;
					ev.data.fd = s;
					epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s, &ev);
				}
			} else {
				readable(fd);
			}
			if (batch_len > MAX_BATCH) send_batch();
		}
		send_batch();
	}
}
