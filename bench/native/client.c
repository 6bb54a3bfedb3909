/*
 * A client that costs next to nothing: HTTP/1.1 on one thread and one epoll. Every answer is checked for wholeness.
 *
 *   mode=closed   `connections` requests in flight, each followed by the next at once
 *   mode=poisson  `rate` arrivals a second for `seconds`, whatever is still in flight; time counts from the moment at
 *                 which a request was due, so a stall is seen by all that should have begun in it
 *   mode=stream   `connections` streams in flight, begun over `ramp_ms`, each read to its end and followed by the next
 *
 * Other arguments, all name=value: port, path, body, keys (files; requests go through all keys in turn), headers (a file
 * of more header lines), events (content events per stream), seed.
 * Prints {"steady":true} once at full load; closed and stream go on until a line (or the end) of stdin, then read to the
 * end what is in flight. The last line is the result. See provider.c for '~' and the id.
 */
#include "loop.h"

#define READ_BYTES (256 << 10)
#define HEAD_BYTES (16 << 10)
#define BODY_BYTES 2048
#define TAIL_BYTES 24
#define CONNECTIONS_MAX 8192
#define FAILURES_MAX 500

enum state { IDLE, ACTIVE, GONE };
enum body { SIZED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_CLOSE };

struct connection {
  struct moment start;
  int fd;
  enum state state;
  bool fresh; /* Nothing has been answered on this socket yet. */
  uint64_t due_ns;
  char head[HEAD_BYTES];
  size_t head_length;
  bool in_body, closes;
  int status;
  enum body framing;
  uint64_t left;
  char body[BODY_BYTES], tail[TAIL_BYTES];
  size_t kept, tail_length;
  uint64_t body_bytes, marks;
  struct connection *next_idle;
};

struct request {
  char *bytes;
  size_t length;
};

static enum { CLOSED, POISSON, STREAM } mode;
static int epoll_fd, port, connection_count, stream_events = 100;
static double rate, seconds;
static uint64_t ramp_ns;
static struct request *request_of_key;
static size_t key_count, next_key;
static struct heap moments;
static struct connection *idle_first, *idle_last;
static bool stopping;
static long active, opened;
static uint64_t done, failed, reopened, bytes_read, marks_read;
static char first_failure[400];
static double *latency_us, *added_us;
static size_t latencies, latency_room;

static char *file_text(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) die(path);
  static char buffer[4 << 20];
  *length = fread(buffer, 1, sizeof buffer - 1, file);
  fclose(file);
  char *text = malloc(*length + 1);
  if (text == NULL) die("memory");
  memcpy(text, buffer, *length);
  text[*length] = 0;
  return text;
}

/* One ready request for each key, so that no time goes into making them. */
static void make_requests(const char *path, const char *keys_file, const char *headers_file, const char *body_file) {
  size_t keys_length, headers_length = 0, body_length;
  char *keys = file_text(keys_file, &keys_length), *body = file_text(body_file, &body_length);
  char *headers = headers_file == NULL ? strdup("") : file_text(headers_file, &headers_length);
  size_t room = 0;
  for (char *key = strtok(keys, "\n"); key != NULL; key = strtok(NULL, "\n")) {
    if (key_count == room) request_of_key = realloc(request_of_key, sizeof(struct request) * (room = room ? 2 * room : 1024));
    size_t size = strlen(path) + strlen(key) + headers_length + body_length + 512;
    char *bytes = malloc(size);
    if (bytes == NULL || request_of_key == NULL) die("memory");
    int head = snprintf(bytes, size,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        "Accept: application/json\r\nUser-Agent: OpenAI/JS 7.57.0\r\n%sContent-Length: %zu\r\n\r\n",
        path, port, key, headers, body_length);
    memcpy(bytes + head, body, body_length);
    request_of_key[key_count++] = (struct request){bytes, (size_t)head + body_length};
  }
  if (key_count == 0) die("no keys");
}

static void fail(struct connection *c, const char *why) {
  failed++;
  if (first_failure[0] == 0) {
    int n = snprintf(first_failure, sizeof first_failure, "%s, status %d: %.*s", why, c->status, (int)(c->kept < 200 ? c->kept : 200), c->body);
    for (int i = 0; i < n && first_failure[i] != 0; i++) {
      if (first_failure[i] == '"' || first_failure[i] == '\\') first_failure[i] = '\'';
      else if (first_failure[i] < 32 || first_failure[i] > 126) first_failure[i] = ' ';
    }
  }
  if (failed >= FAILURES_MAX) stopping = true;
}

static void open_socket(struct connection *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  no_delay(c->fd);
  c->fresh = true;
  watch(epoll_fd, EPOLL_CTL_ADD, c->fd, EPOLLIN, c);
}

static struct connection *new_connection(void) {
  struct connection *c = calloc(1, sizeof *c);
  if (c == NULL || opened >= CONNECTIONS_MAX) die("too many connections");
  opened++;
  c->start.owner = c;
  c->start.heap_at = -1;
  open_socket(c);
  return c;
}

static void put_idle(struct connection *c) {
  c->state = IDLE;
  c->next_idle = NULL;
  if (idle_first == NULL) idle_first = c;
  else idle_last->next_idle = c;
  idle_last = c;
}

/* The one that has been idle longest, so that all stay in use. */
static struct connection *take_idle(void) {
  while (idle_first != NULL && idle_first->state == GONE) idle_first = idle_first->next_idle;
  struct connection *c = idle_first;
  if (c == NULL) return new_connection();
  idle_first = c->next_idle;
  return c;
}

static void send_request(struct connection *c, uint64_t due_ns) {
  struct request *request = &request_of_key[next_key];
  next_key = next_key + 1 == key_count ? 0 : next_key + 1;
  c->state = ACTIVE;
  c->due_ns = due_ns;
  c->head_length = c->kept = c->tail_length = 0;
  c->body_bytes = c->marks = 0;
  c->in_body = c->closes = false;
  c->status = 0;
  active++;
  /* A request is far smaller than an empty socket buffer: what does not fit whole is an error. */
  ssize_t n = send(c->fd, request->bytes, request->length, MSG_NOSIGNAL);
  if (n != (ssize_t)request->length && n >= 0) die("send");
}

static void next_request(struct connection *c) {
  if (stopping) put_idle(c);
  else if (mode == POISSON) put_idle(c);
  else send_request(c, now_ns());
}

static void keep_latency(struct connection *c) {
  static const char mark[] = "\"id\":\"chatcmpl-";
  const char *id = memmem(c->body, c->kept, mark, sizeof mark - 1);
  if (id == NULL) return;
  if (latencies == latency_room) {
    latency_room = latency_room ? 2 * latency_room : 1 << 16;
    latency_us = realloc(latency_us, sizeof(double) * latency_room);
    added_us = realloc(added_us, sizeof(double) * latency_room);
    if (latency_us == NULL || added_us == NULL) die("memory");
  }
  double whole = (double)(now_ns() - c->due_ns) / 1000.0;
  latency_us[latencies] = whole;
  added_us[latencies++] = whole - (double)strtoull(id + sizeof mark - 1, NULL, 10);
}

/* Is this a whole answer? NULL, or what is wrong with it. */
static const char *wrong_with(struct connection *c) {
  if (c->status != 200) return "an error";
  size_t end = c->tail_length;
  while (end > 0 && strchr("\r\n ", c->tail[end - 1]) != NULL) end--;
  if (mode != STREAM) return c->marks == 1 && end > 0 && c->tail[end - 1] == '}' ? NULL : "a JSON answer that is not whole";
  if (c->marks != (uint64_t)stream_events) return "a stream with another number of events";
  return end >= 12 && memcmp(c->tail + end - 12, "data: [DONE]", 12) == 0 ? NULL : "a stream without its end";
}

static void finish(struct connection *c) {
  const char *wrong = wrong_with(c);
  if (wrong != NULL) fail(c, wrong);
  else done++;
  marks_read += c->marks;
  if (wrong == NULL && mode == POISSON) keep_latency(c);
  active--;
  c->fresh = false;
  if (c->closes) {
    close(c->fd);
    reopened++;
    open_socket(c);
  }
  next_request(c);
}

static void take_body(struct connection *c, const char *bytes, size_t length) {
  c->body_bytes += length;
  size_t keep = BODY_BYTES - c->kept < length ? BODY_BYTES - c->kept : length;
  memcpy(c->body + c->kept, bytes, keep);
  c->kept += keep;
  for (const char *at = bytes, *end = bytes + length; (at = memchr(at, '~', (size_t)(end - at))) != NULL; at++) c->marks++;
  if (length >= TAIL_BYTES) {
    memcpy(c->tail, bytes + length - TAIL_BYTES, TAIL_BYTES);
    c->tail_length = TAIL_BYTES;
    return;
  }
  size_t old = c->tail_length < TAIL_BYTES - length ? c->tail_length : TAIL_BYTES - length;
  memmove(c->tail, c->tail + c->tail_length - old, old);
  memcpy(c->tail + old, bytes, length);
  c->tail_length = old + length;
}

static void read_head(struct connection *c) {
  c->status = c->head_length > 12 ? atoi(c->head + 9) : 0;
  c->framing = UNTIL_CLOSE;
  c->left = 0;
  for (char *line = c->head; (line = strstr(line, "\r\n")) != NULL;) {
    line += 2;
    if (strncasecmp(line, "content-length:", 15) == 0) {
      c->framing = SIZED;
      c->left = strtoull(line + 15, NULL, 10);
    } else if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0) c->framing = CHUNK_SIZE;
    else if (strncasecmp(line, "connection: close", 17) == 0) c->closes = true;
  }
  c->in_body = true;
}

static size_t take_head(struct connection *c, const char *bytes, size_t length) {
  size_t before = c->head_length, room = HEAD_BYTES - 1 - before;
  size_t n = length < room ? length : room;
  memcpy(c->head + before, bytes, n);
  c->head_length += n;
  c->head[c->head_length] = 0;
  char *end = strstr(c->head, "\r\n\r\n");
  if (end == NULL) {
    if (n == room) die("an endless head");
    return n;
  }
  size_t head = (size_t)(end - c->head) + 4;
  c->head[head] = 0;
  c->head_length = head;
  read_head(c);
  return head - before;
}

static int hex(char x) { return x >= '0' && x <= '9' ? x - '0' : (x | 32) >= 'a' && (x | 32) <= 'f' ? (x | 32) - 'a' + 10 : -1; }

/* True when the answer is whole. Chunked framing is read byte by byte, its data in one piece. */
static bool take(struct connection *c, const char *bytes, size_t length) {
  while (true) {
    if (c->in_body && c->framing == SIZED && c->left == 0) return true;
    if (length == 0) return false;
    size_t n = 1;
    if (!c->in_body) {
      n = take_head(c, bytes, length);
    } else if (c->framing == SIZED || c->framing == CHUNK_DATA) {
      n = c->left < length ? (size_t)c->left : length;
      take_body(c, bytes, n);
      c->left -= n;
      if (c->framing == CHUNK_DATA && c->left == 0) c->framing = CHUNK_END;
    } else if (c->framing == UNTIL_CLOSE) {
      n = length;
      take_body(c, bytes, n);
    } else if (c->framing == CHUNK_SIZE) {
      if (hex(*bytes) >= 0) c->left = c->left * 16 + (uint64_t)hex(*bytes);
      else if (*bytes == '\n') c->framing = c->left == 0 ? TRAILER : CHUNK_DATA;
    } else if (c->framing == CHUNK_END) {
      if (*bytes == '\n') c->framing = CHUNK_SIZE;
    } else if (*bytes == '\n') {
      return true; /* No variant sends trailers: the line after the last chunk is the empty one. */
    }
    bytes += n;
    length -= n;
  }
}

static void on_closed(struct connection *c) {
  close(c->fd);
  if (c->state == IDLE) {
    c->state = GONE; /* Still in the list; passed over there. */
    return;
  }
  if (c->in_body && c->framing == UNTIL_CLOSE) {
    c->closes = false;
    reopened++;
    open_socket(c);
    finish(c);
    return;
  }
  active--;
  reopened++;
  open_socket(c);
  if (!c->fresh && c->head_length == 0 && !stopping) {
    send_request(c, c->due_ns); /* An idle socket that was closed as we wrote: nothing has been served. */
    return;
  }
  fail(c, "a connection that broke off");
  next_request(c);
}

static void on_readable(struct connection *c) {
  static char buffer[READ_BYTES];
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    on_closed(c);
    return;
  }
  bytes_read += (uint64_t)n;
  if (c->state == ACTIVE && take(c, buffer, (size_t)n)) finish(c);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void print_quantiles(const char *name, double *values) {
  static const double wanted[] = {0.5, 0.9, 0.99, 0.999};
  static const char *const names[] = {"p50", "p90", "p99", "p999"};
  qsort(values, latencies, sizeof *values, by_size);
  printf(",\"%s\":{", name);
  for (int i = 0; i < 4; i++) printf("\"%s\":%.1f,", names[i], values[(size_t)(wanted[i] * (double)(latencies - 1))]);
  printf("\"max\":%.1f}", values[latencies - 1]);
}

static void print_result(uint64_t began_ns) {
  printf("{\"done\":%llu,\"failed\":%llu,\"reopened\":%llu,\"events\":%llu,\"bytes\":%llu,\"connections\":%ld,\"seconds\":%.3f,\"firstFailure\":\"%s\"",
         (unsigned long long)done, (unsigned long long)failed, (unsigned long long)reopened, (unsigned long long)marks_read,
         (unsigned long long)bytes_read, opened, (double)(now_ns() - began_ns) / 1e9, first_failure);
  if (latencies > 0) {
    print_quantiles("latencyUs", latency_us);
    print_quantiles("addedUs", added_us);
  }
  printf("}\n");
  fflush(stdout);
}

static void arrivals(struct moment *clock) {
  uint64_t due = clock->due_ns;
  send_request(take_idle(), due);
  heap_set(&moments, clock, due + (uint64_t)(-log(chance()) / rate * 1e9));
}

static const char *argument(int count, char **all, const char *name, const char *otherwise) {
  size_t length = strlen(name);
  for (int i = 1; i < count; i++)
    if (strncmp(all[i], name, length) == 0 && all[i][length] == '=') return all[i] + length + 1;
  return otherwise;
}

int main(int count, char **all) {
  prepare_process();
  const char *how = argument(count, all, "mode", "closed");
  mode = strcmp(how, "poisson") == 0 ? POISSON : strcmp(how, "stream") == 0 ? STREAM : CLOSED;
  port = atoi(argument(count, all, "port", "0"));
  connection_count = atoi(argument(count, all, "connections", "32"));
  stream_events = atoi(argument(count, all, "events", "100"));
  rate = atof(argument(count, all, "rate", "266"));
  seconds = atof(argument(count, all, "seconds", "10"));
  ramp_ns = strtoull(argument(count, all, "ramp_ms", "0"), NULL, 10) * 1000000ull;
  chance_seed(strtoull(argument(count, all, "seed", "1"), NULL, 10));
  make_requests(argument(count, all, "path", "/v1/chat/completions"), argument(count, all, "keys", ""), argument(count, all, "headers", NULL), argument(count, all, "body", ""));
  next_key = (size_t)(chance() * (double)key_count);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  static int commands;
  watch(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &commands);

  uint64_t began = now_ns(), steady_at = began + ramp_ns, ends = mode == POISSON ? began + (uint64_t)(seconds * 1e9) : NEVER;
  struct moment clock = {.heap_at = -1, .owner = NULL};
  for (int i = 0; i < connection_count; i++) {
    struct connection *c = new_connection();
    if (mode == POISSON) put_idle(c);
    else heap_set(&moments, &c->start, began + ramp_ns * (uint64_t)i / (uint64_t)connection_count);
  }
  if (mode == POISSON) heap_set(&moments, &clock, now_ns());

  for (struct epoll_event events[256]; !stopping || active > 0;) {
    uint64_t until = moments.length > 0 ? moments.items[0]->due_ns : NEVER;
    if (steady_at < until) until = steady_at;
    if (ends < until) until = ends;
    int n = wait_until(epoll_fd, events, 256, until);
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr != &commands) on_readable(events[i].data.ptr);
      else {
        stopping = true;
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
      }
    }
    uint64_t at = now_ns();
    if (at >= steady_at) {
      printf("{\"steady\":true}\n");
      fflush(stdout);
      steady_at = NEVER;
    }
    if (at >= ends) {
      stopping = true;
      ends = NEVER;
    }
    for (struct moment *m; !stopping && (m = heap_due(&moments, at)) != NULL;) {
      if (m->owner == NULL) arrivals(m);
      else send_request(m->owner, at);
    }
    if (stopping) moments.length = 0;
  }
  print_result(began);
  return 0;
}
