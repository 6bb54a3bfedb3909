/* What provider and client share: time, chance, an epoll wait with nanoseconds, a heap of moments. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NEVER UINT64_MAX

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static inline void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

/* xorshift64*, seeded: one seed, one sequence. */
static uint64_t chance_state = 88172645463325252ull;

static inline void chance_seed(uint64_t seed) { chance_state = seed * 0x9E3779B97F4A7C15ull + 0x1234567ull; }

/* Uniform in (0, 1). */
static inline double chance(void) {
  chance_state ^= chance_state >> 12;
  chance_state ^= chance_state << 25;
  chance_state ^= chance_state >> 27;
  return ((double)((chance_state * 0x2545F4914F6CDD1Dull) >> 11) + 0.5) / 9007199254740992.0;
}

/* Standard normal (Box and Muller). */
static inline double chance_normal(void) { return sqrt(-2.0 * log(chance())) * cos(6.283185307179586 * chance()); }

/* Something that wants to be woken. `heap_at` is its place in the heap, -1 outside. */
struct moment {
  uint64_t due_ns;
  int heap_at;
  void *owner;
};

struct heap {
  struct moment **items;
  int length, room;
};

static inline void heap_put(struct heap *h, int at, struct moment *m) {
  h->items[at] = m;
  m->heap_at = at;
}

static inline void heap_up(struct heap *h, int at) {
  struct moment *m = h->items[at];
  for (; at > 0 && h->items[(at - 1) / 2]->due_ns > m->due_ns; at = (at - 1) / 2) heap_put(h, at, h->items[(at - 1) / 2]);
  heap_put(h, at, m);
}

static inline void heap_down(struct heap *h, int at) {
  struct moment *m = h->items[at];
  for (;;) {
    int child = 2 * at + 1;
    if (child >= h->length) break;
    if (child + 1 < h->length && h->items[child + 1]->due_ns < h->items[child]->due_ns) child++;
    if (h->items[child]->due_ns >= m->due_ns) break;
    heap_put(h, at, h->items[child]);
    at = child;
  }
  heap_put(h, at, m);
}

static inline void heap_remove(struct heap *h, struct moment *m) {
  int at = m->heap_at;
  if (at < 0) return;
  m->heap_at = -1;
  struct moment *last = h->items[--h->length];
  if (last == m) return;
  heap_put(h, at, last);
  heap_up(h, at);
  heap_down(h, last->heap_at);
}

/* Wake `m` at `due_ns`, instead of whatever was set before. */
static inline void heap_set(struct heap *h, struct moment *m, uint64_t due_ns) {
  heap_remove(h, m);
  if (h->length == h->room) {
    h->room = h->room ? 2 * h->room : 256;
    h->items = realloc(h->items, sizeof(*h->items) * (size_t)h->room);
    if (h->items == NULL) die("memory");
  }
  m->due_ns = due_ns;
  heap_put(h, h->length++, m);
  heap_up(h, m->heap_at);
}

static inline struct moment *heap_due(struct heap *h, uint64_t at_ns) {
  if (h->length == 0 || h->items[0]->due_ns > at_ns) return NULL;
  struct moment *m = h->items[0];
  heap_remove(h, m);
  return m;
}

/* Wait for sockets until `until_ns`; to the nanosecond, so that paced events do not gather on a millisecond's tick. */
static inline int wait_until(int epoll, struct epoll_event *events, int room, uint64_t until_ns) {
  if (until_ns == NEVER) return epoll_wait(epoll, events, room, -1);
  uint64_t at = now_ns();
  uint64_t left = until_ns > at ? until_ns - at : 0;
  struct timespec t = {.tv_sec = (time_t)(left / 1000000000ull), .tv_nsec = (long)(left % 1000000000ull)};
  return epoll_pwait2(epoll, events, room, &t, NULL);
}

/* As many files as allowed, timers without slack, and the end of a socket told by a result instead of a signal. */
static inline void prepare_process(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
}

static inline void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline void watch(int epoll, int change, int fd, uint32_t events, void *owner) {
  struct epoll_event event = {.events = events, .data.ptr = owner};
  if (epoll_ctl(epoll, change, fd, &event) != 0) die("epoll_ctl");
}

#endif
